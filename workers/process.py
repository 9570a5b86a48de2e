"""The operating system's side of a runner: started, listened to, ended."""

import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from wire import jobs
from workers import errors, logs

_MEMORY_WORDS: Final = ("MemoryError", "bad_alloc", "Cannot allocate memory", "out of memory", "can't allocate memory")
_NOT_ENCLOSED: Final = 97
"""The bootstrap's exit code where it could not become the runner; its last line says why."""
_VMSTAT: Final = pathlib.Path("/proc/vmstat")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a runner's process ended."""

    type: jobs.ErrorType
    """crashed, or out_of_memory."""
    message: str
    code: int = 0
    """Exit code; negative: the signal that ended it."""
    asked: bool = False
    """Panini itself ended it, and not for anything it did."""


class Child(Protocol):
    """The process behind a channel, wherever it runs."""

    async def wait(self) -> Ended:
        """Wait for its end."""
        ...

    async def end(self, *, grace: float) -> Ended:
        """TERM, `grace` seconds, KILL of the whole group; at once KILL where `grace` is 0."""
        ...


class LocalChild(asyncio.SubprocessProtocol):
    """A child process of this one, in a session and process group of its own."""

    def __init__(self, *, on_line: Callable[[str], None], line_bytes: int, rate: int) -> None:
        self._lines = {fd: logs.Lines(on_line, line_bytes=line_bytes, rate=rate) for fd in (1, 2)}
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended: asyncio.Future[Ended] | None = None
        self._oom_kills = 0
        self._pid = 0

    async def start(self, command: Sequence[str], *, environ: Mapping[str, str], descriptors: Sequence[int]) -> None:
        """Start `command`. Raises StartFailed."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        self._oom_kills = _oom_kills()
        try:
            transport, _ = await loop.subprocess_exec(
                lambda: self, *command, env=dict(environ), cwd="/", stdin=subprocess.DEVNULL,
                start_new_session=True, close_fds=True, pass_fds=tuple(descriptors),
            )  # fmt: skip
        except OSError as error:
            raise errors.StartFailed(f"a runner cannot be started: {error}") from error
        self._transport = transport
        self._pid = transport.get_pid() or 0

    @property
    def pid(self) -> int:
        """The process that this one started; also the number of its group."""
        return self._pid

    def memory(self) -> str:
        """The latest lines of its stderr and stdout."""
        return "\n".join([*self._lines[1].last, *self._lines[2].last])

    async def wait(self) -> Ended:
        assert self._ended is not None  # noqa: S101  start() was called
        return await asyncio.shield(self._ended)

    async def end(self, *, grace: float) -> Ended:
        if grace > 0:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self.wait(), grace)
        self._signal(signal.SIGKILL)
        return await self.wait()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._lines[fd].feed(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002  the loop's interface
        if fd in self._lines:
            self._lines[fd].close()

    def process_exited(self) -> None:
        self._kill_group()
        asyncio.get_running_loop().call_later(0.05, self._settle)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the loop's interface
        self._settle()

    def _settle(self) -> None:
        """Every pipe ended, or a stray grandchild holds one longer than we wait."""
        if self._ended is None or self._ended.done() or self._transport is None:
            return
        code = self._transport.get_returncode() or 0
        kind, message = _judge(code, oom=_oom_kills() > self._oom_kills, memory=self.memory())
        if code == _NOT_ENCLOSED and self._lines[2].last:
            message = self._lines[2].last[-1]
        self._ended.set_result(Ended(type=kind, message=message, code=code))
        self._transport.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._ended is not None and not self._ended.done() and self._pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)

    def _kill_group(self) -> None:
        """What the runner forked and left in its group goes with it.

        One whose start was canceled has no number yet, and group 0 would be our own: its own end is all there is.
        """
        if self._pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)


def _judge(code: int, *, oom: bool, memory: str) -> tuple[jobs.ErrorType, str]:
    """Why it ended, and in words. `memory` is what it last printed."""
    number = -code if code < 0 else 0
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    how = name if number else f"exit code {code}"
    if number == signal.SIGKILL and oom:
        return jobs.ErrorType.OUT_OF_MEMORY, "the system killed the runner: out of memory"
    if code and any(word in memory for word in _MEMORY_WORDS):
        return jobs.ErrorType.OUT_OF_MEMORY, f"the runner ran out of memory ({how})"
    words: dict[int, str] = {
        signal.SIGSEGV: " (segmentation fault)",
        signal.SIGABRT: " (abort)",
        signal.SIGKILL: " (from outside)",
    }
    if number:
        return jobs.ErrorType.CRASHED, f"the runner was ended by {how}{words.get(number, '')}"
    return jobs.ErrorType.CRASHED, f"the runner ended by itself with {how}"


def _oom_kills() -> int:
    """How many processes this system's memory killer has ended so far; 0 where it does not tell."""
    try:
        text = _VMSTAT.read_text(encoding="ascii")
    except OSError:
        return 0
    found = [line for line in text.splitlines() if line.startswith("oom_kill ")]
    return int(found[0].split()[1]) if found else 0
