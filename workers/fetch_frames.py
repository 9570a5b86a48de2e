"""Kafka's fetch in its version 11, as bytes. The library's own codec goes field by field: 90 µs for eight partitions.

A request names every partition, and so does its answer, though one of them has records. So a request is packed a
partition at a time, and of an answer only those are kept that have records, or an error.
"""

import io
import struct
from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple, Self

from aiokafka.protocol import api

KEY: Final = 1
"""Kafka's number for a fetch."""
VERSION: Final = 11
"""The last one before fields of variable size."""

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

Topics = Sequence[tuple[str, Sequence[tuple[int, int, int]]]]
"""Partition, offset and most bytes of each wanted partition, by topic."""


class Found(NamedTuple):
    """A partition's part of an answer."""

    topic: str
    partition: int
    error: int
    """Kafka's number; 0: none."""
    aborted: list[tuple[int, int]]
    """Producer and first offset of aborted transactions."""
    records: bytes


class Answer:
    """What is of interest in an answer; made by the library's connection."""

    API_KEY: ClassVar[int] = KEY
    API_VERSION: ClassVar[int] = VERSION

    __slots__ = ("found",)

    def __init__(self, found: list[Found]) -> None:
        self.found = found

    @classmethod
    def decode(cls, data: io.BytesIO) -> Self:
        """From an answer's bytes behind its header."""
        whole, at = data.getvalue(), data.tell() + 10  # behind time of throttling, error and session
        (topics,), found = _COUNT.unpack_from(whole, at), list[Found]()
        at += 4
        for _ in range(topics):
            (size,) = _LENGTH.unpack_from(whole, at)
            name = slice(at + 2, at + 2 + size)
            (partitions,) = _COUNT.unpack_from(whole, name.stop)
            at = name.stop + 4
            for _ in range(partitions):
                number, error, _, _, _, count = _FOUND.unpack_from(whole, at)
                at += _FOUND.size
                aborted = [_ABORTED.unpack_from(whole, at + place * _ABORTED.size) for place in range(count)]
                at += max(count, 0) * _ABORTED.size + 4  # and the replica to read from
                (length,) = _COUNT.unpack_from(whole, at)
                at += 4
                end = at + max(length, 0)
                if error or end > at:
                    found.append(Found(whole[name].decode(), number, error, aborted, whole[at:end]))
                at = end
        return cls(found)


class Request:
    """A request as the library's connection wants one: it is asked for its header, its bytes and its answer's type."""

    API_KEY: ClassVar[int] = KEY
    API_VERSION: ClassVar[int] = VERSION
    RESPONSE_TYPE: ClassVar[type[Answer]] = Answer
    parse_response_header = staticmethod(api.ResponseHeader_v0.decode)

    __slots__ = ("_head", "_topics")

    def __init__(self, topics: Topics, *, wait_ms: int, least: int, most: int, isolation: int) -> None:
        self._topics = topics
        self._head = (-1, wait_ms, least, most, isolation, 0, -1)

    def prepare(self, versions: object) -> Self:  # noqa: ARG002  whoever makes one looked at them before
        """The library's: itself in a version that the broker knows."""
        return self

    def build_request_header(self, *, correlation_id: int, client_id: str) -> Any:
        """What stands before its bytes."""
        return api.RequestHeader_v1(self, correlation_id=correlation_id, client_id=client_id)

    def encode(self) -> bytes:
        """The bytes behind the header."""
        parts = [_HEAD.pack(*self._head), _COUNT.pack(len(self._topics))]
        for topic, partitions in self._topics:
            name = topic.encode()
            parts += (_LENGTH.pack(len(name)), name, _COUNT.pack(len(partitions)))
            parts += [_WANTED.pack(number, -1, offset, -1, most) for number, offset, most in partitions]
        parts.append(b"\0\0\0\0\0\0")  # no topics to forget, no rack
        return b"".join(parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._topics})"


def known(connection: Any) -> bool:
    """Whether the broker at its other end speaks this version."""
    least, most = connection._versions.get(KEY, (0, 0))  # noqa: SLF001  the library tells nobody
    return bool(least <= VERSION <= most)
