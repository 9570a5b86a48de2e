"""A job inside a worker: its envelope, the record it came in, and when."""

import asyncio
import math
from typing import NamedTuple

import msgspec

from results import protocol
from wire import envelope, names
from workers import lanes, outcomes, source, tickets


class Held:
    """A fetched record and how many of its jobs are unfinished: it is finished when all are."""

    __slots__ = ("record", "remaining")

    def __init__(self, record: source.Record, remaining: int) -> None:
        self.record = record
        self.remaining = remaining


class Known(NamedTuple):
    """An answer that identical jobs may have."""

    output: outcomes.Output
    at: int
    """Unix milliseconds at which a run gave it."""


class Job:
    """One job on its way through the worker."""

    __slots__ = (
        "accepted_at",
        "answer",
        "apart",
        "canceled",
        "canceling",
        "claimed",
        "digest",
        "envelope",
        "expires_at",
        "followers",
        "given",
        "id",
        "invalid",
        "lane",
        "marked",
        "origin",
        "ours",
        "parked",
        "place",
        "received",
        "record",
        "reply_to",
        "retries",
        "sent",
        "stamp",
        "started_at",
        "streamed",
        "timeout",
        "twins",
    )

    def __init__(  # noqa: PLR0915  a line a slot
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
        lane: lanes.Lane = lanes.Lane.INTERACTIVE,
        ticket: tickets.Ticket | None = None,
        reply_to: str | None = None,
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
        self.lane = lane if ticket is None else lanes.Lane.BULK if ticket.bulk else lanes.Lane.INTERACTIVE
        self.parked = ticket is not None
        """Whether it comes from having been parked."""
        self.retries = ticket.retries if ticket is not None else 0
        """Tries so far that were not charged."""
        self.origin = (
            ticket.place if ticket is not None else (_partition(record.record, lane), record.record.offset, place)
        )
        """Partition, offset and place in the list of the record it first came in."""
        stamp = ticket.stamp if ticket is not None else record.record.timestamp
        self.stamp = stamp
        """Unix milliseconds at which Kafka took that record."""
        self.accepted_at = content.accepted_at if ours and content and content.accepted_at else stamp
        """Unix milliseconds. A pipeline's own clock is not believed: the broker's stamp counts."""
        self.expires_at = stamp + int(max_age * 1000)
        """Unix milliseconds at which its maximum age is over."""
        self.claimed: protocol.Claimed | None = None
        """Its claim, once it runs."""
        self.started_at = 0
        """Unix milliseconds of the claim."""
        self.canceled = False
        """Cancel was asked since it was claimed."""
        self.sent = False
        """It was handed to a runner since it was claimed."""
        self.canceling: asyncio.Task[None] | None = None
        """Carries the cancel out; its record is not finished before that is."""
        self.twins: list[Job] = []
        """Records of the same id that arrived while this one was on its way: claimed after it, they find it ended."""
        self.digest: bytes | None = None
        """What identical jobs have in common; None: it is not to be answered from the cache."""
        self.marked = 0
        """The version that the digest names."""
        self.given: Known | None = None
        """The answer of an identical job: it ends with that, without running."""
        self.answer: Known | None = None
        """What it was answered itself, once that is stored and where identical jobs may have it."""
        self.followers: list[Job] = []
        """Identical jobs that wait for its answer."""
        self.apart = False
        """Whether it waits for no identical job: one that it waited for has failed, or its deadline has passed."""
        self.streamed = False
        """Whether it yielded outputs while it ran."""
        self.reply_to = reply_to
        """The topic that its client wants the finished job in; None: not asked for."""
        asked = content.timeout if content else None
        self.timeout = asked if asked is not None and 0 < asked < math.inf else None
        """Seconds its predict() call may take; None: the model's setting."""

    @property
    def size(self) -> int:
        """Bytes of its input."""
        return memoryview(self.envelope.input).nbytes if self.envelope is not None else 0

    @property
    def deadline(self) -> int:
        """Unix milliseconds after which it does not start: its own deadline or its maximum age."""
        own = self.envelope.deadline if self.envelope is not None else None
        return self.expires_at if own is None else min(own, self.expires_at)

    def leaves(self) -> bool:
        """It goes to a runner now; True: it need not, it was canceled."""
        self.sent = True
        return self.canceled

    def named(self) -> envelope.Envelope:
        """Its envelope with its id and what its record's headers said, for another record."""
        assert self.envelope is not None  # noqa: S101  what is no job fails at once
        return msgspec.structs.replace(self.envelope, id=self.id, reply_to=self.reply_to)


def read(
    record: source.Record,
    *,
    topic_uuid: str,
    received: float,
    max_age: float,
    lane: lanes.Lane = lanes.Lane.INTERACTIVE,
    ticket: tickets.Ticket | None = None,
) -> list[Job]:
    """The jobs of a record, in order. What is no job becomes one with `invalid`, so that it too reaches an end.

    `lane`: whose topic it came by; `ticket`: of a record that was parked.
    """
    contents = envelope.decode_record(record.value)
    held = Held(record, len(contents))
    header_id = _header(record, "panini-id") if len(contents) == 1 and record.headers else None
    header_reply = _header(record, "reply-to") if record.headers else None
    found = []
    for place, content in enumerate(contents):
        own = content.id or header_id
        job_id = own or names.derived_job_id(topic_uuid, _partition(record, lane), record.offset, place)
        invalid = content.message if isinstance(content, envelope.Invalid) else None
        found.append(
            Job(
                job_id=job_id,
                ours=ticket.ours if ticket is not None else own is not None and own.startswith("j_"),
                content=None if isinstance(content, envelope.Invalid) else content,
                invalid=invalid,
                record=held,
                place=place,
                received=received,
                max_age=max_age,
                lane=lane,
                ticket=ticket,
                reply_to=(content.reply_to if isinstance(content, envelope.Envelope) else None) or header_reply,
            )
        )
    return found


def _partition(record: source.Record, lane: lanes.Lane) -> int:
    """The partition's number, which no other lane's has."""
    return record.partition + (names.BULK_PARTITION if lane is lanes.Lane.BULK else 0)


def _header(record: source.Record, name: str) -> str | None:
    for key, value in record.headers:
        if key == name and value is not None:
            text = value.decode(errors="replace")
            return text if names.is_job_id(text) else None
    return None
