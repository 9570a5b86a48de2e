"""The source of a worker's jobs: the records that it hands over, and the books about what of them is finished.

`workers.member` fetches them from Kafka; nothing here knows how.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from workers import offsets

Partition = tuple[str, int]
"""Topic and partition number."""


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fetched record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Unix milliseconds, set by the broker."""
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    generation: int
    """Which assignment it was fetched under; a later one makes it void."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Handlers:
    """What the source tells its worker."""

    records: Callable[[list[Record]], None]
    """Records arrived."""
    room: Callable[[str], int]
    """How many jobs of that topic there is room for now; 0: none. Backpressure."""
    opened: Callable[[], "asyncio.Future[None]"]
    """Done when there is room for jobs of a topic that has none now."""
    ready: Callable[[Any], int]
    """Unix milliseconds before which the library's record of a `.later` topic has not its turn; those behind it in its
    partition wait too."""
    revoked: Callable[[], Awaitable[None]]
    """Partitions are about to be taken away: forget what has not started, return when what has is finished."""


class Source:
    """What is assigned to a worker: its partitions, and how far each has come."""

    def __init__(self, handlers: Handlers, *, max_records: int = 500) -> None:
        self.handlers = handlers
        self.max_records = max_records
        """Handed over at once, at most."""
        self.partitions: dict[Partition, offsets.Partition] = {}
        self.generation = 0
        """Counts assignments, and their ends."""
        self.sleeping: dict[Partition, asyncio.TimerHandle] = {}
        """Partitions whose first record has not its turn yet."""

    @property
    def assigned(self) -> list[Partition]:
        """The partitions this worker holds now."""
        return list(self.partitions)

    def room(self, partition: Partition) -> int:
        """How many jobs of a partition may be handed over now; none of one that is not held."""
        return self.handlers.room(partition[0]) if partition in self.partitions else 0

    def assign(self, partitions: Iterable[Partition]) -> None:
        """These are held from now on, and no others."""
        self.generation += 1
        self.partitions = {partition: offsets.Partition() for partition in partitions}

    def revoke(self) -> None:
        """Nothing is held: what was fetched is void, and nothing of it is to be committed."""
        self.generation += 1
        self.partitions = {}
        for timer in self.sleeping.values():
            timer.cancel()  # a rebalance resumes them all
        self.sleeping.clear()

    def deliver(self, fetched: Mapping[Any, list[Record]]) -> None:
        """Hand records over, by their partitions; what is not held is dropped."""
        records: list[Record] = []
        for partition, batch in fetched.items():
            kept = self.partitions.get(partition)
            if batch and kept is not None:
                kept.fetched(*[record.offset for record in batch])
                records += batch
        if records:
            self.handlers.records(records)

    def finished(self, record: Record) -> None:
        """All jobs of `record` are finished or durably parked; its offset may be committed."""
        if record.generation == self.generation:
            self.partitions[record.topic, record.partition].finished(record.offset)

    def due(self) -> dict[Partition, int]:
        """The offsets to be committed."""
        offset_of = {partition: kept.committable() for partition, kept in self.partitions.items()}
        return {partition: offset for partition, offset in offset_of.items() if offset is not None}

    def committed(self, due: Mapping[Partition, int]) -> None:
        """Kafka has these offsets."""
        for partition, offset in due.items():
            if partition in self.partitions:
                self.partitions[partition].committed = offset
