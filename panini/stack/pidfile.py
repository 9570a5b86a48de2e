"""What process ran here last, told apart from a stranger that got its pid; and how to end one that was left behind."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from panini.stack import errors

POLL = 0.02  # seconds; only a parent can wait for a process, so we look


def identity(pid: int) -> str | None:
    """A string that no other process has had or will have: boot and start time. None: no such process, or a zombie."""
    if sys.platform == "linux":
        return _linux_identity(pid)
    answer = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not answer or answer.startswith("Z") else answer.partition(" ")[2].strip()


def _linux_identity(pid: int) -> str | None:
    """proc(5): field 3 of /proc/PID/stat is the state, 22 the start in ticks since boot; the name may hold spaces."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def write(path: Path, pid: int) -> None:
    """Notes that `pid` runs here. A process that has ended already is not noted."""
    started = identity(pid)
    if started is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps({"pid": pid, "started": started}), encoding="utf-8")
    fresh.replace(path)


def remove(path: Path, pid: int) -> None:
    """Removes the note if it is about `pid`."""
    noted = _read(path)
    if noted and noted[0] == pid:
        path.unlink(missing_ok=True)


def running(path: Path) -> int | None:
    """The pid of the noted process if it still runs."""
    noted = _read(path)
    if noted is None:
        return None
    pid, started = noted
    return pid if identity(pid) == started else None


async def stop_left(path: Path, *, name: str, grace: float) -> bool:
    """Ends the noted process if an earlier run left it: SIGTERM, after `grace` seconds SIGKILL. Whether there was one.

    Raises:
        ProcessLeft: it does not end, or is another user's.
    """
    pid = running(path)
    if pid is None:
        _forget(path)
        return False
    try:
        for number, deadline in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
            _signal(pid, number)
            if await _ended(path, deadline):
                _forget(path)
                return True
    except PermissionError as error:
        raise errors.ProcessLeft(f"{name} of an earlier run (process {pid}) belongs to another user.") from error
    raise errors.ProcessLeft(f"{name} of an earlier run (process {pid}) does not end. End it, then start again.")


def _signal(pid: int, number: signal.Signals) -> None:
    """SIGKILL reaches the whole group (the noted process leads its own), anything gentler the process alone."""
    with contextlib.suppress(ProcessLookupError):
        if number is signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


async def _ended(path: Path, within: float) -> bool:
    end = time.monotonic() + within
    while running(path) is not None:
        if time.monotonic() > end:
            return False
        await asyncio.sleep(POLL)
    return True


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[int, str] | None:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return int(note["pid"]), str(note["started"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
