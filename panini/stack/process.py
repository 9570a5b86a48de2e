"""A child process: started in its own session, written down, watched, stopped with a deadline, never left behind."""

import asyncio
import contextlib
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from panini.stack import errors, pidfile

LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT = 16 * 2**20  # bytes of a log after which the next start moves it aside
KILL_DEADLINE = 10.0  # seconds after SIGKILL; only a process stuck in the kernel takes longer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run and how."""

    name: str  # for messages and files
    argv: Sequence[str]  # program first; never a secret, as everybody on the machine can read it
    cwd: Path
    log: Path  # stdout and stderr are appended
    pid_file: Path
    env: Mapping[str, str] | None = None  # the whole environment; None: ours
    stdin: bytes = b""  # read by the child before end of file, at most 16 KiB; for what may not lie in argv or files
    orphan_signal: signal.Signals = signal.SIGTERM  # sent by the kernel when we end without stopping it (Linux)


class Child:
    """One run of a `Spec`. Make a new one to run it again.

    Start it from the main thread: Linux sends the orphan signal when the *thread* that started the child ends.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.started_at = 0.0  # time.monotonic()
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Its process id, which is its group's and its session's too."""
        return self._running().pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.returncode if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts it. Whether the program could be executed shows only in its end and its log.

        Raises:
            ServerFailed: the folder or the log cannot be used.
        """
        spec = self.spec
        argv = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(spec.orphan_signal)), *spec.argv]
        try:
            spec.log.parent.mkdir(parents=True, exist_ok=True)
            self._log_start = _rotate(spec.log)
            with spec.log.open("ab") as log, _preloaded(spec.stdin) as stdin:
                self._process = await asyncio.create_subprocess_exec(
                    *argv,
                    cwd=spec.cwd,
                    env=spec.env,
                    stdin=stdin,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise errors.ServerFailed(f"{spec.name} could not be started: {error}") from error
        self.started_at = time.monotonic()
        pidfile.write(spec.pid_file, self._process.pid)

    async def wait(self) -> int:
        """Waits for its end; its return code. May be cancelled and called again, by several tasks."""
        code = await self._running().wait()
        pidfile.remove(self.spec.pid_file, self._running().pid)
        return code

    async def stop(self, grace: float) -> int:
        """SIGTERM to the process, after `grace` seconds SIGKILL to its whole group; its return code.

        Children it left in its group are killed too. Stopping what has ended, or never started, is no error.
        """
        if self._process is None:
            return 0
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.wait()
        self._kill_group()
        async with asyncio.timeout(KILL_DEADLINE):
            return await self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process alone; nothing where it has ended."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._running().send_signal(number)

    def log_of_this_run(self, limit: int = 65536) -> str:
        """What it wrote since its start, at most the last `limit` bytes."""
        try:
            with self.spec.log.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, end - limit))
                return log.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self.pid, signal.SIGKILL)

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise errors.ServerFailed(f"{self.spec.name} was not started.")
        return self._process


def _rotate(log: Path) -> int:
    """Moves a log that grew large aside; where the next run's lines will start, in bytes."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size < LOG_LIMIT:
        return size
    log.replace(log.with_name(log.name + ".1"))
    return 0


@contextlib.contextmanager
def _preloaded(data: bytes) -> Iterator[int]:
    """The read end of a pipe that holds `data`, then end of file."""
    read, write = os.pipe()
    try:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(data)
        yield read
    finally:
        os.close(read)
