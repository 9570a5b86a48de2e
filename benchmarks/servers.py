"""Processes that a benchmark starts, waits for, and ends by their pid, whatever happened."""

import contextlib
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from panini.stack import ports, process, valkey

START: Final = 120.0
"""Seconds until a start counts as failed."""

GRACE: Final = 20.0
"""Seconds between SIGTERM and SIGKILL."""


class Failed(Exception):
    """A process ended, or did not answer in time; the end of its log is in the message."""


class Server:
    """One process, leader of a group of its own."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | pathlib.Path],
        *,
        folder: pathlib.Path,
        environ: Mapping[str, str] | None = None,
        cwd: pathlib.Path | None = None,
        stdin: bytes = b"",
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._argv, self._cwd, self._stdin = [str(part) for part in argv], cwd or folder, stdin
        # the kernel ends it when we end without doing so; SIGINT is what `panini up` and the others drain upon
        self._tied = [sys.executable, "-I", "-S", str(process.LAUNCHER), str(os.getpid()), str(int(signal.SIGINT))]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PANINI_")}
        self._environ = clean | dict(environ or {})
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id. Raises Failed before the start."""
        if self._popen is None:
            raise Failed(f"{self.name} was not started")
        return self._popen.pid

    def start(self) -> "Server":
        """Start it; it may not answer yet."""
        with self.log.open("wb") as out:
            self._popen = subprocess.Popen(
                [*self._tied, *self._argv],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=self._cwd,
                env=self._environ,
                start_new_session=True,
            )
        if self._popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.write(self._stdin)
                self._popen.stdin.close()
        return self

    def until(self, look: Callable[[], bool], what: str, *, within: float = START) -> None:
        """Wait until `look` finds it so. Raises Failed when the process ends or the time is over."""
        ends = time.monotonic() + within
        while not look():
            if self._popen is not None and self._popen.poll() is not None:
                raise Failed(f"{self.name} ended with {self._popen.returncode}:\n{self.words()}")
            if time.monotonic() > ends:
                raise Failed(f"{self.name}: not within {within:g} s: {what}\n{self.words()}")
            time.sleep(0.05)

    def words(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and everything of its group; the exit code."""
        if self._popen is None:
            return 0
        if self._popen.poll() is None:
            self._popen.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(GRACE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        code = self._popen.wait()
        ends = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):  # until nothing of the group is left
            while time.monotonic() < ends:
                os.killpg(self._popen.pid, signal.SIGKILL)
                time.sleep(0.01)
        return code


class Valkey:
    """A Valkey of the same program and with the same configuration as Panini's own, but that it forces its append-only
    file onto the disk once a second by itself: for Panini's the stack does that.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        port, password = ports.any_free(), secrets.token_hex(16)
        self.port = port
        self.url = f"redis://:{password}@{ports.HOST}:{port}/0"
        data = folder / "valkey"
        data.mkdir()
        text = valkey.configuration(port, password, 2048).replace("appendfsync no", "appendfsync everysec")
        self.server = Server("valkey", [valkey.find(), "-"], folder=folder, cwd=data, stdin=text.encode())

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.server.start()
        self.server.until(lambda: listens(self.port), "it listens")


def listens(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((ports.HOST, port)) == 0
