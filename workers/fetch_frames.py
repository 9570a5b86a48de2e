"""Kafka's fetch in its version 11, as bytes. The library's own codec goes field by field: 90 µs for eight partitions.

A request names every partition, and so does its answer, though one of them has records. So a request is packed a
partition at a time, and of an answer only those are kept that have records, or an error.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

KEY: Final = 1
"""Kafka's number for a fetch."""
VERSION: Final = 11
"""The last one before fields of variable size."""

_FRAME: Final = struct.Struct(">ihhi")
"""Length of what follows, key, version, number of the request."""
_HEAD: Final = struct.Struct(">iiiibii")
"""Replica, longest wait (ms), least and most bytes, isolation level, session and its epoch."""
_WANTED: Final = struct.Struct(">iiqqi")
"""Partition, epoch of its leader, offset, first offset of its log, most bytes."""
_FOUND: Final = struct.Struct(">ihqqqi")
"""Partition, error, end of the log, last stable offset, first offset of the log, aborted transactions."""
_ABORTED: Final = struct.Struct(">qq")
"""Producer, first offset."""
_COUNT: Final = struct.Struct(">i")
_LENGTH: Final = struct.Struct(">h")
_TOPICS_AT: Final = 14
"""Where an answer's topics begin: behind its number, time of throttling, error and session."""


Broken: Final = struct.error
"""An answer that ends before it says what it announced."""


class Wanted(NamedTuple):
    """What is asked for."""

    topics: Sequence[tuple[str, Sequence[tuple[int, int, int]]]]
    """Partition, offset and most bytes of each wanted partition, by topic."""
    wait_ms: int
    """The broker answers after so long, whatever there is."""
    least: int
    """And at once where it has so many bytes."""
    most: int
    """Bytes of the whole answer."""
    isolation: int
    """1: nothing of a transaction that was not committed."""


class Found(NamedTuple):
    """A partition's part of an answer."""

    topic: str
    partition: int
    error: int
    """Kafka's number; 0: none."""
    aborted: list[tuple[int, int]]
    """Producer and first offset of aborted transactions."""
    records: bytes


class Answer(NamedTuple):
    """What is of interest in an answer."""

    found: list[Found]


def request(wanted: Wanted, *, number: int, client: str) -> bytes:
    """The bytes of a request of that number, its length and its header included."""
    name = client.encode()
    parts = [
        _LENGTH.pack(len(name)),
        name,
        _HEAD.pack(-1, wanted.wait_ms, wanted.least, wanted.most, wanted.isolation, 0, -1),
        _COUNT.pack(len(wanted.topics)),
    ]
    for topic, partitions in wanted.topics:
        name = topic.encode()
        parts += (_LENGTH.pack(len(name)), name, _COUNT.pack(len(partitions)))
        parts += [_WANTED.pack(partition, -1, offset, -1, most) for partition, offset, most in partitions]
    parts.append(b"\0\0\0\0\0\0")  # no topics to forget, no rack
    rest = b"".join(parts)
    return _FRAME.pack(_FRAME.size - _COUNT.size + len(rest), KEY, VERSION, number) + rest


def number(frame: bytes) -> int:
    """Of the request that an answer (its bytes behind their length) is to."""
    found: int = _COUNT.unpack_from(frame)[0]
    return found


def answer(frame: bytes) -> Answer:
    """An answer of its bytes behind their length. Raises Broken."""
    (topics,), found, at = _COUNT.unpack_from(frame, _TOPICS_AT), list[Found](), _TOPICS_AT + _COUNT.size
    for _ in range(topics):
        (size,) = _LENGTH.unpack_from(frame, at)
        name = slice(at + 2, at + 2 + size)
        (partitions,) = _COUNT.unpack_from(frame, name.stop)
        at = name.stop + 4
        for _ in range(partitions):
            partition, error, _, _, _, count = _FOUND.unpack_from(frame, at)
            at += _FOUND.size
            aborted = [_ABORTED.unpack_from(frame, at + place * _ABORTED.size) for place in range(count)]
            at += max(count, 0) * _ABORTED.size + 4  # and the replica to read from
            (length,) = _COUNT.unpack_from(frame, at)
            at += 4
            end = at + max(length, 0)
            if error or end > at:
                found.append(Found(frame[name].decode(), partition, error, aborted, frame[at:end]))
            at = end
    return Answer(found)


def known(connection: Any) -> bool:
    """Whether the broker at its other end speaks this version."""
    least, most = connection._versions.get(KEY, (0, 0))  # noqa: SLF001  the library tells nobody
    return bool(least <= VERSION <= most)
