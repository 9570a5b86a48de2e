"""The environments in which versions run: made once by uv, shared by all versions whose requirements are equal."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import pathlib
import platform
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import uv

from workers import errors, folders, indexes, process, runner_settings, sandbox

REQUIREMENTS: Final = "requirements.txt"
_COMPLETE: Final = ".complete"
_PASSED_ON: Final = re.compile(
    r"(UV_.*|SSL_CERT_(FILE|DIR)|HTTPS?_PROXY|ALL_PROXY|NO_PROXY|https?_proxy|all_proxy|no_proxy|HOME|PATH|LANG|LC_.*"
    r"|XDG_(CONFIG|DATA)_HOME|NETRC|CC|CXX|CFLAGS|LDFLAGS|CUDA_HOME)"
)
_BOX: Final = re.compile(r"^[\s\u00d7\u2500-\u257f\u25b6\u25b8]+")


async def make(
    requirements: bytes, *, home: folders.Folders, settings: runner_settings.RunnerSettings, log: Callable[[str], None]
) -> pathlib.Path:
    """The interpreter of the environment for `requirements` (requirements.txt's content; empty: a bare environment).

    Made where it is not there yet; processes that want the same one wait for the one that makes it. uv's lines go to
    `log` as they come. Raises BuildFailed with step "environment", naming the requirement that cannot be had.
    """
    key = digest(requirements)
    folder = home.environments / key
    interpreter = folder / "bin" / "python"
    try:
        home.environments.mkdir(parents=True, exist_ok=True)
        async with _lock(home.environments / f"{key}.lock", log):
            if (folder / _COMPLETE).exists():
                return interpreter
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            await _build(folder, requirements, home=home, settings=settings, log=log)
            (folder / _COMPLETE).touch()
    except OSError as error:
        raise _failed(f"the environment cannot be written: {error}") from error
    return interpreter


def digest(requirements: bytes) -> str:
    """What an environment is known by: its requirements, the Python and the platform."""
    lines = [line.split(b" #")[0].strip() for line in requirements.splitlines()]
    wanted = b"\n".join(line for line in lines if line and not line.startswith(b"#"))
    base = f"{platform.python_implementation()} {sys.version} {sys.base_prefix} {sys.platform} {platform.machine()}"
    return hashlib.sha256(base.encode() + b"\0" + wanted).hexdigest()[:24]


def variables(environ: Mapping[str, str], home: folders.Folders) -> dict[str, str]:
    """The environment of uv: what it needs of the user's, nothing of Panini's, pip's configuration in its words."""
    passed = {name: value for name, value in environ.items() if _PASSED_ON.fullmatch(name)}
    passed |= indexes.variables(environ, indexes.pip_files(indexes.pip_paths(environ)))
    passed.setdefault("UV_CACHE_DIR", str(home.uv_cache))
    return passed | {
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "TMPDIR": str(home.scratch),
    }


async def _build(
    folder: pathlib.Path, requirements: bytes, *, home: folders.Folders, settings: runner_settings.RunnerSettings,
    log: Callable[[str], None],
) -> None:  # fmt: skip
    wanted = folder / REQUIREMENTS
    # A source distribution's build is the author's code too: uv runs enclosed, and writes here and in its cache only.
    environ = variables(os.environ, home)
    cache = pathlib.Path(environ["UV_CACHE_DIR"])
    await asyncio.to_thread(_lay_out, [folder, cache, home.scratch], wanted, requirements)
    program = uv.find_uv_bin()
    show = {home.environments: True, home.scratch: True} | _others(home.environments)
    if not cache.is_relative_to(home.environments):
        show[cache] = True
        environ["UV_LINK_MODE"] = "copy"  # a link cannot cross mounts, and uv would complain of it
    view = sandbox.view(home.home, show=show, need=(pathlib.Path(program),))
    isolation = await asyncio.to_thread(sandbox.probe, view, own_user=False)
    base = getattr(sys, "_base_executable", sys.executable)
    steps = [["venv", "--quiet", "--allow-existing", "--no-project", "--no-config", "--python", base, str(folder)]]
    if requirements.strip():
        python = str(folder / "bin" / "python")
        steps.append(["pip", "install", "--compile-bytecode", "--python", python, "-r", str(wanted)])
    deadline = time.monotonic() + settings.environment_timeout
    for step in steps:
        plan = sandbox.plan(isolation, view, argv=[program, *step], environ=environ, cwd=folder)
        await _run(plan, timeout=deadline - time.monotonic(), settings=settings, log=log)


def _lay_out(made: list[pathlib.Path], wanted: pathlib.Path, requirements: bytes) -> None:
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    wanted.write_bytes(requirements)


def _others(environments: pathlib.Path) -> dict[pathlib.Path, bool]:
    """Every environment that is complete: to be seen, so that the cache's links hold, and not to be written."""
    return {other: False for other in environments.iterdir() if (other / _COMPLETE).exists()}


async def _run(
    plan: Mapping[str, object], *, timeout: float, settings: runner_settings.RunnerSettings, log: Callable[[str], None]
) -> None:
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        del lines[:-200]
        if not line.startswith("Using Python "):
            log(line)

    child = process.LocalChild(on_line=on_line, line_bytes=settings.runner_log_line, rate=settings.runner_log_rate)
    try:
        await child.start(sandbox.command(), environ=sandbox.environ(plan), descriptors=())
        ended = await asyncio.wait_for(child.wait(), timeout)
    except TimeoutError as error:
        await child.end(grace=settings.runner_term_grace)
        raise _failed(f"making the environment took longer than {settings.environment_timeout:g} s") from error
    except asyncio.CancelledError:
        await child.end(grace=0)
        raise
    except errors.StartFailed as error:
        raise _failed(f"uv cannot be started: {error}") from error
    if ended.code != 0:
        raise _failed(explain(lines) or f"uv: {ended.message}")


def explain(lines: list[str]) -> str:
    """uv's own words for why it failed, as one sentence: they name the requirement."""
    start = next(
        (place for place, line in enumerate(lines) if line.lstrip().startswith(("error:", "\u00d7"))), len(lines)
    )
    words = [_BOX.sub("", line).removeprefix("error: ").strip() for line in lines[start:]]
    text = " ".join(word for word in words if word)[:2000]
    text = text.rpartition("cause: ")[2]
    if not text:
        return " ".join(lines[-3:])[:2000]
    return f"{REQUIREMENTS} cannot be installed: {text}"


def _failed(message: str) -> errors.BuildFailed:
    return errors.BuildFailed(step="environment", message=message)


@contextlib.asynccontextmanager
async def _lock(path: pathlib.Path, log: Callable[[str], None]) -> AsyncIterator[None]:
    """One maker at a time, across processes; the lock goes with a process that dies."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    log("environment: another worker is making it; waiting")
                told = True
                await asyncio.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
