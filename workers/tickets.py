"""What goes with a parked job, and when its turn is. Pure.

A job that is to be tried again later lies in a topic of its model, one for each tier of delay, so that each topic is in
order of when its records are due: whoever consumes it waits for the first one only. A delay that is no tier goes by
several: the largest tier that is not longer, again and again, and a rest of up to `IN_PLACE` seconds at the head.
"""

from typing import Final

import msgspec

from wire import names

HEADER: Final = "panini-parked"
"""Header of a parked record; its value is a Ticket in msgpack."""

TIERS: Final = {"10s": 10.0, "1m": 60.0, "10m": 600.0, "1h": 3600.0}
"""The part of a topic's name → seconds."""

IN_PLACE: Final = 5.0
"""Seconds that a job waits where it is: in the worker, or at the head of a tier."""


SLACK: Final = 0.5
"""Seconds by which a tier may be longer than the delay."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the envelope does not say of a job whose first record may be gone. Fields are only ever added."""

    due: int
    """Unix milliseconds before which it is not tried again."""
    place: tuple[int, int, int]
    """Partition, offset, and place in the list, of the record it first came in; bulk partitions as names tells."""
    stamp: int
    """Unix milliseconds at which Kafka took that record: its maximum age counts from there."""
    ours: bool = True
    """Whether Panini made its id."""
    bulk: bool = False
    """Whether it came by the bulk lane."""
    retries: int = 0
    """Tries so far that were not charged."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ticket).decode

Headers = tuple[tuple[str, bytes | None], ...]


def headers(ticket: Ticket) -> tuple[tuple[str, bytes], ...]:
    """The headers of a parked record."""
    return ((HEADER, _encode(ticket)),)


def read(found: Headers) -> Ticket | None:
    """The ticket among a record's headers; none: it has none that can be read."""
    for name, value in found:
        if name == HEADER and value is not None:
            try:
                return _decode(value)
            except msgspec.DecodeError:
                return None
    return None


def tier(delay: float) -> str:
    """The tier for a delay in seconds: the largest that is not longer, else the smallest.

    What is said and done before a job is parked takes some milliseconds of its delay: they count as not yet passed.
    """
    return max((name for name in TIERS if TIERS[name] <= delay + SLACK), key=TIERS.__getitem__, default="10s")


def tier_of(topic: str, account: str, model: str) -> str | None:
    """The tier whose topic that is; none: it is a lane's."""
    name = topic.removeprefix(names.later_topic(account, model, ""))
    return name if name in TIERS and name != topic else None


def ready(ticket: Ticket | None, *, tier: str, parked_at: int) -> int:
    """Unix ms at which a record of a tier has its turn: to be tried, or parked once more.

    In order: records of one tier have it at most `IN_PLACE` seconds after the tier's own delay, so nobody waits longer
    than that for the one before.
    """
    passed = parked_at + int(TIERS[tier] * 1000)
    if ticket is not None and passed < ticket.due <= passed + IN_PLACE * 1000:
        return ticket.due
    return passed


def rest(ticket: Ticket, now: int) -> float:
    """Seconds that it still has to wait when it had its turn at `now` (Unix ms); what is short enough is none."""
    left = (ticket.due - now) / 1000
    return left if left > IN_PLACE else 0.0
