"""Versions' logs: append-only text with numbered lines, in files of bounded size, the newest kept.

A log is a folder of at most two segments, each named by the number of its first line. When the last one has half the
allowed size a new one begins, and older ones go. Lines count from 1 and keep their numbers for ever.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import re
import shutil
from collections.abc import AsyncIterator, Iterable

from registry import bundles, changes

MAX_LINE = 16 << 10
"""Bytes of a line that are kept."""
READ_LINES = 1000
"""Lines handed on at once."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    number: int
    """From 1."""
    text: str


@dataclasses.dataclass(kw_only=True, slots=True)
class Cursor:
    """A reader's place in a log."""

    after: int = 0
    """Number of the last line read."""
    segment: int = -1
    """The segment read last, and up to which byte: so that a follower never reads a line twice."""
    offset: int = 0


class Log:
    """One version's log. `changes` is bumped with every line, and by the registry when the version's state changes."""

    def __init__(self, folder: pathlib.Path, max_bytes: int) -> None:
        self.changes = changes.Changes()
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = asyncio.Lock()
        self._next: int | None = None

    async def append(self, text: str) -> int:
        """Add the lines of `text`; the number of the last. Raises StorageFailed."""
        lines = [clean(line) for line in text.removesuffix("\n").split("\n")]
        async with self._lock:
            last = await asyncio.to_thread(self._append, lines)
        self.changes.bump()
        return last

    async def read(self, cursor: Cursor) -> list[Line]:
        """The next lines, at most READ_LINES; the cursor moves behind them. Raises StorageFailed."""
        return await asyncio.to_thread(self._read, cursor)

    async def every(self, after: int = 0) -> AsyncIterator[Line]:
        """All lines there are behind number `after`."""
        cursor = Cursor(after=after)
        while lines := await self.read(cursor):
            for line in lines:
                yield line

    async def remove(self) -> None:
        """Forget the log, and wake its followers."""
        async with self._lock:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        self.changes.release()

    def _append(self, lines: Iterable[str]) -> int:
        with bundles.translated():
            segment = self._open_segment()
            number = self._next or 1
            size = segment.stat().st_size
            pending: list[bytes] = []
            for line in lines:
                if size >= self._max_bytes // 2:
                    _write(segment, pending)
                    segment, size, pending = self._folder / f"{number}.log", 0, []
                pending.append(line.encode() + b"\n")
                size += len(pending[-1])
                number += 1
            _write(segment, pending)
            self._next = number
            for old in self._segments()[:-2]:
                old.unlink()
            return number - 1

    def _open_segment(self) -> pathlib.Path:
        """The last segment, whole: a line that a crash cut off is ended."""
        segments = self._segments()
        if self._next is not None and segments:
            return segments[-1]
        if not segments:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._next = 1
            first = self._folder / "1.log"
            first.touch()
            return first
        content = segments[-1].read_bytes()
        if content and not content.endswith(b"\n"):
            _write(segments[-1], [b"\n"])
            content += b"\n"
        self._next = _first(segments[-1]) + content.count(b"\n")
        return segments[-1]

    def _read(self, cursor: Cursor) -> list[Line]:
        found: list[Line] = []
        segments = self._segments()
        for place, segment in enumerate(segments):
            following = _first(segments[place + 1]) if place + 1 < len(segments) else None
            if following is not None and following <= cursor.after + 1:
                continue
            with bundles.translated(), contextlib.suppress(FileNotFoundError):  # rotated away meanwhile
                _read_on(segment, cursor, found)
            if len(found) >= READ_LINES:
                break
        return found

    def _segments(self) -> list[pathlib.Path]:
        return sorted(self._folder.glob("*.log"), key=_first)


class Logs:
    """Every version's log, one object each, so that followers and writers meet."""

    def __init__(self, root: pathlib.Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._logs: dict[tuple[int, int], Log] = {}

    def of(self, model_uid: int, version: int) -> Log:
        """The log of a version."""
        key = (model_uid, version)
        if key not in self._logs:
            self._logs[key] = Log(self._root / str(model_uid) / str(version), self._max_bytes)
        return self._logs[key]

    async def remove(self, model_uid: int) -> None:
        """Forget the logs of a model."""
        for key in [key for key in self._logs if key[0] == model_uid]:
            await self._logs.pop(key).remove()
        await asyncio.to_thread(shutil.rmtree, self._root / str(model_uid), ignore_errors=True)

    def release(self) -> None:
        """End every follower's wait."""
        for log in self._logs.values():
            log.changes.release()


def clean(line: str) -> str:
    """A line as a terminal would show it last: progress bars overwritten, colours and control characters gone."""
    shown = _ANSI.sub("", line.rstrip("\r").rpartition("\r")[2])
    shown = "".join(character for character in shown if character == "\t" or character.isprintable())
    cut = shown.encode("utf-8", "replace")[:MAX_LINE]
    return cut.decode("utf-8", "ignore")


def _first(segment: pathlib.Path) -> int:
    return int(segment.stem) if segment.stem.isdigit() else 0


def _read_on(segment: pathlib.Path, cursor: Cursor, found: list[Line]) -> None:
    """Read a segment from the cursor's place on, whole lines only."""
    first = _first(segment)
    with segment.open("rb") as file:
        number = first - 1
        if cursor.segment == first:
            file.seek(cursor.offset)
            number = cursor.after
        else:
            cursor.segment, cursor.offset = first, 0
        for line in file:
            if not line.endswith(b"\n"):
                return  # still being written
            cursor.offset += len(line)
            number += 1
            if number <= cursor.after:
                continue
            cursor.after = number
            found.append(Line(number, line[:-1].decode("utf-8", "replace")))
            if len(found) >= READ_LINES:
                return


def _write(segment: pathlib.Path, lines: list[bytes]) -> None:
    with segment.open("ab") as file:
        file.write(b"".join(lines))
