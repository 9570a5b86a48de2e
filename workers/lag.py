"""How much work each model has waiting: end offsets minus committed ones, asked from Kafka.

Read-committed, as the workers read: records of an open transaction do not wait yet. A partition in which nothing was
ever committed counts from its first record, so does one whose committed records are gone. Markers of transactions take
offsets: those of a sleeping model count until a worker has stepped over them.

Models at rest cost little: of those the ends alone are asked for, all in one request. With a hundred of them that is a
sixth of what asking everything cost: 8 ms of CPU a look, not 56 (benchmarks/crowd.py).
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

_KINDS: Final = ("jobs", "bulk", "later")
"""Of topics whose records are work."""

PAUSE: Final = 0.1
"""Seconds before a question is repeated that met a topic or coordinator just being made, moved or removed."""

TOPICS: Final = 5.0
"""Seconds for which topics are what they were found to be: a model's own appear with it, those of parked jobs later."""

REVIEW: Final = 30.0
"""Seconds after which a model at rest is asked for its committed offsets all the same: they may be set back by hand."""

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
        self._client: _Client | None = None
        self._lock = asyncio.Lock()
        self._committed: dict[Any, int] = {}
        """What each partition's group had committed when it was last asked."""
        self._reviewed = -REVIEW

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
                if self._client is not None:
                    self._client.forget()
            time.sleep(PAUSE)

    def _asked(self, models: list[Model]) -> dict[Model, Backlog]:
        client = self._connected()
        mine = _partitions(client, models)
        every = [partition for partitions in mine.values() for partition in partitions]
        if not every:
            self._committed = {}
            return {model: Backlog() for model in models}
        latest = dict.fromkeys(every, admin.OffsetSpec.LATEST)
        ends = {
            partition: found.offset
            for partition, found in client.list_partition_offsets(latest, isolation_level="read_committed").items()
        }
        self._learn(client, mine, ends)
        committed = self._committed
        behind = [partition for partition in every if committed.get(partition, 0) < ends[partition]]
        firsts = client.list_partition_offsets(dict.fromkeys(behind, admin.OffsetSpec.EARLIEST)) if behind else {}
        places = {
            partition: _Place(
                done=max(committed.get(partition, 0), firsts[partition].offset if partition in firsts else 0),
                end=ends[partition],
            )
            for partition in every
        }
        return {model: _backlog(model, partitions, places) for model, partitions in mine.items()}

    def _learn(self, client: Any, mine: dict[Model, list[Any]], ends: dict[Any, int]) -> None:
        """Ask for the committed offsets of models that are not at rest: their ends are not what was committed."""
        now = time.monotonic()
        if now - self._reviewed > REVIEW:
            self._committed, self._reviewed = {}, now
        known = {partition: offset for partition, offset in self._committed.items() if partition in ends}
        moved = {
            names.group(*model): partitions
            for model, partitions in mine.items()
            if any(known.get(partition, 0) != ends[partition] for partition in partitions)
        }
        if moved:
            for offsets in client.list_group_offsets(moved).values():
                known |= {partition: found.offset for partition, found in offsets.items() if found.offset >= 0}
        self._committed = known

    def _connected(self) -> "_Client":
        if self._client is None:
            produce.knock(self._connections, self._timeout)
            milliseconds = int(self._timeout * 1000)
            self._client = _Client(
                **self._connections.kafka_python(),
                client_id="panini-lag",
                bootstrap_timeout_ms=milliseconds,
                request_timeout_ms=milliseconds,
            )
        return self._client

    def _forget(self) -> None:
        client, self._client = self._client, None
        self._committed = {}
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


class _Client(produce.Admin):
    """An admin client that keeps what it learned of topics for TOPICS seconds.

    The library's own asks for that before each question about offsets, at a higher price than the question's.
    """

    _learned: Any = None
    _until = 0.0

    def forget(self) -> None:
        """Ask again next time."""
        self._learned = None

    async def _get_cluster_metadata(self, topics: Any) -> Any:  # noqa: ARG002  all of them, whichever were asked for
        if self._learned is None or time.monotonic() > self._until:
            self._until = time.monotonic() + TOPICS
            self._learned = await super()._get_cluster_metadata(None)
        return self._learned


def _partitions(client: _Client, models: list[Model]) -> dict[Model, list[Any]]:
    """The partitions of each model; topics are looked for anew where one has none."""
    found = _found(client, models)
    if not all(found.values()):
        client.forget()
        found = _found(client, models)
    return found


def _found(client: _Client, models: list[Model]) -> dict[Model, list[Any]]:
    mine: dict[Model, list[Any]] = {model: [] for model in models}
    for topic in client.describe_topics():
        account, model, kind = names.parts(topic["name"]) or ("", "", "")
        if (account, model) in mine and kind in _KINDS and not topic.get("error_code"):
            places = (kafka.TopicPartition(topic["name"], number) for number in range(len(topic["partitions"])))
            mine[account, model].extend(places)
    return mine


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
