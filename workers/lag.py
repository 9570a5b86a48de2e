"""How much work each model has waiting: end offsets minus committed ones, asked from Kafka.

Read-committed, as the workers read: records of an open transaction do not wait yet. A partition in which nothing was
ever committed counts from its first record, so does one whose committed records are gone. Markers of transactions take
offsets: those of a sleeping model count until a worker has stepped over them.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import kafka
import kafka.errors
from kafka import admin

from wire import names
from wire import settings as wire_settings
from workers import errors, produce

Model = tuple[str, str]
"""Account and model."""

PAUSE: Final = 0.1
"""Seconds before a question is repeated that met a topic or coordinator just being made, moved or removed."""

_PASSING: Final = (
    kafka.errors.UnknownTopicOrPartitionError,
    kafka.errors.NotCoordinatorError,
    kafka.errors.CoordinatorNotAvailableError,
    kafka.errors.CoordinatorLoadInProgressError,
    kafka.errors.NotLeaderForPartitionError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """What one model has waiting."""

    records: int = 0
    """Records of its lanes that are not finished."""
    parked: int = 0
    """Records of its `later` topics that are not finished."""
    finished: int = 0
    """Sum of the lanes' committed offsets; rises as records are finished."""
    partitions: int = 0
    """Partitions of its lanes, those of an empty bulk lane left out: the most workers that have something to do."""


class Lag:
    """Asks one Kafka for the lag of models. One client, made at the first question and again after a failure."""

    def __init__(self, connections: wire_settings.Connections, *, timeout: float = 5.0) -> None:
        self._connections = connections
        self._timeout = timeout
        self._client: Any = None
        self._lock = asyncio.Lock()

    async def of(self, models: Iterable[Model]) -> dict[Model, Backlog]:
        """Each model's backlog; a model whose topic does not exist yet has an empty one. Raises LagUnknown."""
        wanted = list(models)
        if not wanted:
            return {}
        async with self._lock:
            return await asyncio.to_thread(self._of, wanted)

    async def close(self) -> None:
        """Close the connection; a later question makes a new one."""
        async with self._lock:
            await asyncio.to_thread(self._forget)

    def _of(self, models: list[Model]) -> dict[Model, Backlog]:
        until = time.monotonic() + self._timeout
        while True:
            try:
                return self._asked(models)
            except (kafka.errors.KafkaError, OSError) as error:
                if not isinstance(error, _PASSING) or time.monotonic() > until:
                    self._forget()
                    raise self._unknown(error) from error
            time.sleep(PAUSE)

    def _asked(self, models: list[Model]) -> dict[Model, Backlog]:
        client = self._connected()
        counts = {
            topic["name"]: len(topic["partitions"])
            for topic in client.describe_topics()
            if not topic.get("error_code") and topic["name"].startswith("panini.")
        }
        topics = {model: _topics(model, counts) for model in models}
        mine = {
            model: [kafka.TopicPartition(name, number) for name in found for number in range(counts[name])]
            for model, found in topics.items()
        }
        every = [partition for partitions in mine.values() for partition in partitions]
        if not every:
            return {model: Backlog() for model in models}
        committed = _committed(client, {names.group(*model): parts for model, parts in mine.items() if parts})
        firsts = client.list_partition_offsets(dict.fromkeys(every, admin.OffsetSpec.EARLIEST))
        ends = client.list_partition_offsets(
            dict.fromkeys(every, admin.OffsetSpec.LATEST), isolation_level="read_committed"
        )
        places = {
            partition: _Place(
                done=max(firsts[partition].offset, committed.get((names.group(*model), partition), -1)),
                end=ends[partition].offset,
            )
            for model, partitions in mine.items()
            for partition in partitions
        }
        return {model: _backlog(model, partitions, places) for model, partitions in mine.items()}

    def _connected(self) -> Any:
        if self._client is None:
            produce.knock(self._connections, self._timeout)
            milliseconds = int(self._timeout * 1000)
            self._client = produce.Admin(
                **self._connections.kafka_python(),
                client_id="panini-lag",
                bootstrap_timeout_ms=milliseconds,
                request_timeout_ms=milliseconds,
            )
        return self._client

    def _forget(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(kafka.errors.KafkaError, OSError):
                client.close()

    def _unknown(self, error: BaseException) -> errors.LagUnknown:
        return errors.LagUnknown(
            f"Kafka at {self._connections.kafka} did not tell the lag ({type(error).__name__}: {error}); "
            "check its address and password"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """One partition: its first unfinished offset and its end."""

    done: int
    end: int

    @property
    def lag(self) -> int:
        return max(self.end - self.done, 0)


def _topics(model: Model, counts: dict[str, int]) -> list[str]:
    later = names.later_topic(*model, "")
    lanes = (names.jobs_topic(*model), names.bulk_topic(*model))
    return [topic for topic in counts if topic in lanes or topic.startswith(later)]


def _committed(client: Any, groups: dict[str, list[Any]]) -> dict[tuple[str, Any], int]:
    """(group, partition) → committed offset, for those in which anything was committed."""
    return {
        (group, partition): found.offset
        for group, offsets in client.list_group_offsets(groups).items()
        for partition, found in offsets.items()
        if found.offset >= 0
    }


def _backlog(model: Model, partitions: list[Any], places: dict[Any, _Place]) -> Backlog:
    jobs = [places[p] for p in partitions if p.topic == names.jobs_topic(*model)]
    bulk = [places[p] for p in partitions if p.topic == names.bulk_topic(*model)]
    lanes = jobs + bulk
    later = sum(places[p].lag for p in partitions) - sum(place.lag for place in lanes)
    return Backlog(
        records=sum(place.lag for place in lanes),
        parked=later,
        finished=sum(place.done for place in lanes),
        partitions=len(jobs) + (len(bulk) if any(place.lag for place in bulk) else 0),
    )
