"""The lines of a runner's stdout and stderr: cut, rated, and never a reason to wait or to grow."""

import collections
import time
from collections.abc import Callable
from typing import Final

_CUT: Final = b" \xe2\x80\xa6"


class Lines:
    """Turns what one pipe delivers into lines for a callback."""

    def __init__(self, on_line: Callable[[str], None], *, line_bytes: int, rate: int) -> None:
        self._on_line = on_line
        self._line_bytes = line_bytes
        self._rate = rate
        self._partial = b""
        self._skipping = False
        self._second = 0
        self._count = 0
        self._dropped = 0
        self.last: collections.deque[str] = collections.deque(maxlen=20)
        """The latest lines, for telling why a runner ended."""

    def feed(self, data: bytes) -> None:
        """Take what the pipe delivered."""
        now = int(time.monotonic())
        if now != self._second:
            self._tell_dropped()
            self._second, self._count = now, 0
        if self._count >= self._rate:
            self._drop(data)
            return
        *whole, rest = (self._partial + data).split(b"\n", self._rate - self._count)
        for line in whole:
            self._line(line)
        if self._count >= self._rate:
            self._partial = b""
            self._drop(rest)
        else:
            self._hold(rest)

    def close(self) -> None:
        """The pipe ended: give the last line, though it has no end, and the count of those dropped."""
        if self._partial:
            self._line(self._partial)
            self._partial = b""
        self._tell_dropped()

    def _line(self, line: bytes) -> None:
        self._count += 1
        if self._skipping:
            self._skipping = False
            return
        self._give(line)

    def _hold(self, rest: bytes) -> None:
        if len(rest) > self._line_bytes:
            if not self._skipping:
                self._give(rest)
            self._skipping, rest = True, b""
        self._partial = rest

    def _give(self, line: bytes) -> None:
        cut = line if len(line) <= self._line_bytes else line[: self._line_bytes] + _CUT
        text = cut.decode("utf-8", "replace").rstrip("\r")
        self.last.append(text)
        self._on_line(text)

    def _drop(self, data: bytes) -> None:
        self._dropped += data.count(b"\n")
        self._skipping = not data.endswith(b"\n")

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._on_line(f"… {self._dropped:,} more lines in one second were dropped")
            self._dropped = 0
