"""Following a log: server-sent events to lines, and where to go on after a lost connection. No I/O."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Final, Protocol, TypeVar

import msgspec

from panini.client import calls, errors, exchange, records

T_co = TypeVar("T_co", covariant=True)

LINE_END: Final = re.compile(rb"\r\n|\n|\r")

SILENCE: Final = 90.0
"""Seconds without a byte after which a connection counts as lost: servers send a comment every 15 s."""

MOST_FAILURES: Final = 5
"""Connections in a row that bring nothing before following gives up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """One server-sent event (WHATWG HTML, section 9.2)."""

    name: str
    data: str
    id: str


class Parser:
    """Bytes of an event stream to events. Lines end as the standard says, nowhere else: logs hold form feeds."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._id = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Take what arrived; the events that it completes."""
        held = self._rest + piece
        if held.endswith(b"\r"):  # its \n may be on the way
            held, tail = held[:-1], b"\r"
        else:
            tail = b""
        *lines, rest = LINE_END.split(held)
        self._rest = rest + tail
        for line in lines:
            event = self._line(line.decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id":
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        event = Event(name=self._name or "message", data="\n".join(self._data), id=self._id) if self._data else None
        self._name, self._data = "", []
        return event


class Watch(Protocol[T_co]):
    """A stream of events that is followed: what the clients carry."""

    @property
    def ended(self) -> bool:
        """Whether there is no more to come."""
        ...

    def request(self) -> exchange.Request:
        """What to ask for next."""
        ...

    def feed(self, piece: bytes) -> Iterator[T_co]:
        """Take what arrived."""
        ...

    def lost(self, error: errors.Unreachable | errors.Unavailable | None = None) -> None:
        """The connection ended early."""
        ...


class Follow:
    """One log being followed, over as many connections as it takes.

    A version's ends with its build, and `state` is the version then. A model's, which tells its version's state in
    between, has no end.
    """

    def __init__(self, model: str, version: int | None, *, after: int = 0) -> None:
        self._model = model
        self._version = version
        self._last = after
        self._failures = 0
        self._parser = Parser()
        self.state: records.Version | None = None

    def request(self) -> exchange.Request:
        """What to ask for next: the lines after the last one seen."""
        self._parser = Parser()
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last:
            headers["Last-Event-ID"] = str(self._last)
        return exchange.Request(
            method="GET",
            path=calls.log_path(self._model, self._version),
            headers=headers,
            pause=min(0.1 * 4 ** (self._failures - 1), exchange.LONGEST_PAUSE) if self._failures else 0.0,
        )

    @property
    def ended(self) -> bool:
        """Whether there is no more to come."""
        return self.state is not None

    def feed(self, piece: bytes) -> Iterator[records.Line]:
        """Take what arrived; the lines of the log that it completes. Raises NotUnderstood."""
        for event in self._parser.feed(piece):
            self._failures = 0
            if event.name == "state":
                self._take_state(event.data)
            elif event.name == "line":
                self._last = int(event.id) if event.id.isdecimal() else self._last
                yield records.Line(number=self._last, text=event.data)

    def lost(self, error: errors.Unreachable | errors.Unavailable | None = None) -> None:
        """The connection ended early. Raises `error` when that happened too often in a row."""
        error = error or errors.Unreachable(
            "the log's connection ends early again and again; see it with `panini logs`"
        )
        self._failures += 1
        if self._failures > MOST_FAILURES:
            raise error

    def _take_state(self, data: str) -> None:
        try:
            document = msgspec.json.decode(data)
        except msgspec.DecodeError as error:
            raise errors.NotUnderstood(f"the log's end is not understood: {error}") from error
        state = records.version(document, model=self._model)
        if state.done and self._version is not None:
            self.state = state
