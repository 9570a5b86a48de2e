"""Python environments for what is compared: made by uv in the user's cache folder, never in the project's own."""

import hashlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import uv

from panini.stack import home

REQUIREMENTS: Final = pathlib.Path(__file__).with_name("apps") / "requirements"
TIMEOUT: Final = 600.0
"""Seconds one environment may take; scikit-learn is the largest, 60 MB."""


class NotMade(Exception):
    """uv could not make an environment."""


def python(name: str, *more: pathlib.Path) -> pathlib.Path:
    """The Python that has `apps/requirements/NAME.txt` and `more`; made when it is missing or those have changed."""
    own = REQUIREMENTS / f"{name}.txt"
    wanted = [path for path in (own, *more) if path.exists()]
    content = b"".join(path.read_bytes() for path in wanted)
    digest = hashlib.sha256(content + sys.version.encode()).hexdigest()[:12]
    folder = home.user_cache() / "benchmarks" / f"{name}-{digest}"
    program, done = folder / "bin" / "python", folder / "complete"
    if not done.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"making the environment of {name}", flush=True)
        _uv("venv", "--quiet", "--clear", "--no-python-downloads", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--quiet", "--python", str(program), *_files(wanted))
        done.touch()
    return program


def _files(wanted: Sequence[pathlib.Path]) -> list[str]:
    return [word for path in wanted for word in ("-r", str(path))]


def versions(name: str) -> str:
    """The packages that were chosen, in one line: `taskiq 0.13.0, taskiq-redis 1.2.4`."""
    shared = {"scikit-learn", "uvloop", "httptools", "hiredis"}
    lines = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").split()
    pairs = [line.partition("==") for line in lines]
    return ", ".join(f"{left} {right}" for left, _, right in pairs if left not in shared)


def _uv(*arguments: str) -> None:
    command = [uv.find_uv_bin(), *arguments]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, check=False, env=dict(os.environ)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMade(f"{' '.join(command)}: {error}") from error
    if answer.returncode:
        raise NotMade(f"{' '.join(command)}: {answer.stderr.strip()[-2000:]}")
