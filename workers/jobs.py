"""A job inside a worker: its envelope, the record it came in, and when."""

import asyncio
import math
from typing import NamedTuple

import msgspec

from results import protocol
from wire import envelope, names
from workers import lanes, outcomes, source, tickets


class Held:
    """A fetched record, what all its jobs have from it, and how many of them are unfinished: it is finished when all
    are."""

    __slots__ = ("expires_at", "lane", "partition", "record", "remaining", "stamp", "ticket")

    def __init__(
        self, record: source.Record, remaining: int, *, max_age: float, lane: lanes.Lane, ticket: tickets.Ticket | None
    ) -> None:
        self.record = record
        self.remaining = remaining
        self.ticket = ticket
        """Of a record that was parked."""
        self.lane = lane if ticket is None else lanes.Lane.BULK if ticket.bulk else lanes.Lane.INTERACTIVE
        self.partition = record.partition + (names.BULK_PARTITION if lane is lanes.Lane.BULK else 0)
        """The partition's number, which no other lane's has."""
        self.stamp = ticket.stamp if ticket is not None else record.timestamp
        """Unix milliseconds at which Kafka took the record that its jobs first came in."""
        self.expires_at = self.stamp + int(max_age * 1000)


class Known(NamedTuple):
    """An answer that identical jobs may have."""

    output: outcomes.Output
    at: int
    """Unix milliseconds at which a run gave it."""


class Job:
    """One job on its way through the worker. What is not said of it yet is said here."""

    claimed: protocol.Claimed | None = None
    """Its claim, once it runs."""
    started_at = 0
    """Unix milliseconds of the claim."""
    canceled = False
    """Cancel was asked since it was claimed."""
    sent = False
    """It was handed to a runner since it was claimed."""
    canceling: asyncio.Task[None] | None = None
    """Carries the cancel out; its record is not finished before that is."""
    twins: "list[Job] | None" = None
    """Records of the same id that arrived while this one was on its way: claimed after it, they find it ended."""
    digest: bytes | None = None
    """What identical jobs have in common; None: it is not to be answered from the cache."""
    marked = 0
    """The version that the digest names."""
    given: Known | None = None
    """The answer of an identical job: it ends with that, without running."""
    answer: Known | None = None
    """What it was answered itself, once that is stored and where identical jobs may have it."""
    followers: "list[Job] | None" = None
    """Identical jobs that wait for its answer."""
    fenced = False
    """The store refused its end, or to have it back: another worker claimed it since."""
    apart = False
    """Whether it waits for no identical job: one that it waited for has failed, or its deadline has passed."""
    streamed = False
    """Whether it yielded outputs while it ran."""
    timeout: float | None = None
    """Seconds its predict() call may take; None: the model's setting."""
    parked = False
    """Whether it comes from having been parked."""
    retries = 0
    """Tries so far that were not charged."""

    def __init__(
        self, held: Held, place: int, job_id: str, *, ours: bool, content: envelope.Envelope | None,
        invalid: str | None = None, reply_to: str | None = None,
    ) -> None:  # fmt: skip
        """`place`: its index in its record."""
        self.id = job_id
        self.ours = ours
        """Whether Panini made the id; a client's own or a derived one is also listed under its record."""
        self.envelope = content
        self.invalid = invalid
        """Why the record holds no job at this place; then there is no envelope."""
        self.record = held
        self.lane = held.lane
        self.stamp = held.stamp
        self.expires_at = held.expires_at
        """Unix milliseconds at which its maximum age is over."""
        self.reply_to = reply_to
        """The topic that its client wants the finished job in; None: not asked for."""
        self.accepted_at = held.stamp
        """Unix milliseconds. A pipeline's own clock is not believed: the broker's stamp counts."""
        if content is not None:
            if ours and content.accepted_at:
                self.accepted_at = content.accepted_at
            asked = content.timeout
            if asked is not None and 0 < asked < math.inf:
                self.timeout = asked
        ticket = held.ticket
        if ticket is None:
            self.origin = (held.partition, held.record.offset, place)
            """Partition, offset and place in the list of the record it first came in."""
        else:
            self.origin, self.parked, self.retries = ticket.place, True, ticket.retries

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
    max_age: float,
    lane: lanes.Lane = lanes.Lane.INTERACTIVE,
    ticket: tickets.Ticket | None = None,
) -> list[Job]:
    """The jobs of a record, in order. What is no job becomes one with `invalid`, so that it too reaches an end.

    `lane`: whose topic it came by; `ticket`: of a record that was parked.
    """
    contents = envelope.decode_record(record.value)
    held = Held(record, len(contents), max_age=max_age, lane=lane, ticket=ticket)
    header_id = _header(record, "panini-id") if record.headers and len(contents) == 1 else None
    header_reply = _header(record, "reply-to") if record.headers else None
    found = []
    for place, content in enumerate(contents):
        own = content.id or header_id
        job_id = own or names.derived_job_id(topic_uuid, held.partition, record.offset, place)
        ours = ticket.ours if ticket is not None else own is not None and own.startswith("j_")
        if type(content) is envelope.Envelope:
            reply_to = content.reply_to or header_reply
            found.append(Job(held, place, job_id, ours=ours, content=content, reply_to=reply_to))
        else:
            why = content.message if isinstance(content, envelope.Invalid) else None
            found.append(Job(held, place, job_id, ours=ours, content=None, invalid=why, reply_to=header_reply))
    return found


def _header(record: source.Record, name: str) -> str | None:
    for key, value in record.headers:
        if key == name and value is not None:
            text = value.decode(errors="replace")
            return text if names.is_job_id(text) else None
    return None
