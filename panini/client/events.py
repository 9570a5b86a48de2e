"""Following a job: its events as they happen, over as many connections as it takes. No I/O."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import msgspec

from panini.client import errors, exchange, logs


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobEvent:
    """Something that happened to a job."""

    number: int
    """Its place in the job's log of events."""
    name: str
    """`queued`, `position`, `started`, `progress`, `output`, or at last `ended`."""
    data: dict[str, Any]
    """position: queue_position. progress: fraction, text. output: output. ended: the whole job."""


class Follow:
    """One job being followed until it ends."""

    def __init__(self, job_id: str, model: str | None, *, after: int = 0) -> None:
        self._path = _path(job_id, model)
        self._last = after
        self._failures = 0
        self._parser = logs.Parser()
        self.ended = False

    def request(self) -> exchange.Request:
        """What to ask for next: the events after the last one seen."""
        self._parser = logs.Parser()
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last:
            headers["Last-Event-ID"] = str(self._last)
        return exchange.Request(
            method="GET",
            path=self._path,
            headers=headers,
            pause=min(0.1 * 4 ** (self._failures - 1), exchange.LONGEST_PAUSE) if self._failures else 0.0,
        )

    def feed(self, piece: bytes) -> Iterator[JobEvent]:
        """Take what arrived; the events that it completes. Raises NotUnderstood."""
        for event in self._parser.feed(piece):
            self._failures = 0
            self._last = int(event.id) if event.id.isdecimal() else self._last
            self.ended = self.ended or event.name == "ended"
            try:
                data = msgspec.json.decode(event.data)
            except msgspec.DecodeError as error:
                raise errors.NotUnderstood(f"an event is not understood: {error}") from error
            yield JobEvent(number=self._last, name=event.name, data=data)

    def lost(self, error: errors.Unreachable | errors.Unavailable | None = None) -> None:
        """The connection ended early. Raises `error` when that happened too often in a row."""
        self._failures += 1
        if self._failures > logs.MOST_FAILURES:
            raise error or errors.Unreachable("the connection ends early again and again; ask for the job instead")


def _path(job_id: str, model: str | None) -> str:
    if model is None:
        return exchange.path("jobs", job_id, "events")
    return exchange.path("models", model, "jobs", job_id, "events")
