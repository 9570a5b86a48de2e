"""A job inside a worker: its envelope, the record it came in, and when."""

import math

from wire import envelope, names
from workers import source


class Held:
    """A fetched record and how many of its jobs are unfinished: it is finished when all are."""

    __slots__ = ("record", "remaining")

    def __init__(self, record: source.Record, remaining: int) -> None:
        self.record = record
        self.remaining = remaining


class Job:
    """One job on its way through the worker."""

    __slots__ = (
        "accepted_at",
        "envelope",
        "expires_at",
        "id",
        "invalid",
        "ours",
        "place",
        "received",
        "record",
        "timeout",
        "twins",
    )

    def __init__(
        self,
        *,
        job_id: str,
        ours: bool,
        content: envelope.Envelope | None,
        invalid: str | None,
        record: Held,
        place: int,
        received: float,
        max_age: float,
    ) -> None:
        self.id = job_id
        self.ours = ours
        """Whether Panini made the id; a client's own or a derived one is also listed under its record."""
        self.envelope = content
        self.invalid = invalid
        """Why the record holds no job at this place; then there is no envelope."""
        self.record = record
        self.place = place
        """Index within its record."""
        self.received = received
        """Monotonic seconds at which this worker fetched it."""
        stamp = record.record.timestamp
        self.accepted_at = content.accepted_at if ours and content and content.accepted_at else stamp
        """Unix milliseconds. A pipeline's own clock is not believed: the broker's stamp counts."""
        self.expires_at = stamp + int(max_age * 1000)
        """Unix milliseconds at which its maximum age is over."""
        self.twins: list[Job] = []
        """Records of the same id that arrived while this one was on its way: claimed after it, they find it ended."""
        asked = content.timeout if content else None
        self.timeout = asked if asked is not None and 0 < asked < math.inf else None
        """Seconds its predict() call may take; None: the model's setting."""


def read(record: source.Record, *, topic_uuid: str, received: float, max_age: float) -> list[Job]:
    """The jobs of a record, in order. What is no job becomes one with `invalid`, so that it too reaches an end."""
    contents = envelope.decode_record(record.value)
    held = Held(record, len(contents))
    header_id = _header(record, "panini-id") if len(contents) == 1 and record.headers else None
    found = []
    for place, content in enumerate(contents):
        own = content.id or header_id
        job_id = own or names.derived_job_id(topic_uuid, record.partition, record.offset, place)
        invalid = content.message if isinstance(content, envelope.Invalid) else None
        found.append(
            Job(
                job_id=job_id,
                ours=own is not None and own.startswith("j_"),
                content=None if isinstance(content, envelope.Invalid) else content,
                invalid=invalid,
                record=held,
                place=place,
                received=received,
                max_age=max_age,
            )
        )
    return found


def _header(record: source.Record, name: str) -> str | None:
    for key, value in record.headers:
        if key == name and value is not None:
            text = value.decode(errors="replace")
            return text if names.is_job_id(text) else None
    return None
