"""Records into Kafka: to a partition's leader, again until it acknowledges, each once. Built of kafka-python's parts.

One record of a partition is on its way at a time, so that a record that is sent again keeps its place and its sequence
number: the broker takes it once, however often it comes. Partitions do not wait for each other. A record costs the same
however many topics there are.
"""

import asyncio
import collections
import contextlib
import functools
import logging
import random
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Any, Final

import kafka.errors
from kafka import structs
from kafka.partitioner import default as partitioner
from kafka.protocol import producer as protocol
from kafka.record import default_records

from ingest import errors, network

log = logging.getLogger(__name__)

RETRY: Final = 0.1
"""Seconds until a record that its leader did not take is sent again."""

UNKNOWN_PRODUCER: Final = (
    kafka.errors.OutOfOrderSequenceNumberError,
    kafka.errors.UnknownProducerIdError,
    kafka.errors.InvalidProducerEpochError,
)
"""The broker does not know who numbers these records, or not so."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """Who numbers the records: the broker's word."""

    number: int
    epoch: int


@dataclass(slots=True, eq=False)
class _Partition:
    at: structs.TopicPartition
    request: Any
    """One for all records, since one is on its way at a time."""
    payload: Any
    """Of the request: takes the record."""
    sequence: int = 0
    """Of its next record."""
    identity: _Identity | None = None
    """Whose sequence that is."""
    waiting: "collections.deque[_Record]" = field(default_factory=collections.deque)
    busy: bool = False


@dataclass(slots=True, eq=False)
class _Record:
    value: bytes
    key: bytes | None
    deadline: float
    """Monotonic seconds."""
    acknowledged: Callable[[int, int], None]
    failed: Callable[[errors.KafkaUnavailable], None]
    encoded: bytearray | None = None
    """With its sequence number in it: sent again, it stays the same."""
    tries: int = 0


class Writer:
    """Connects once, and writes until it is closed."""

    def __init__(self, configuration: dict[str, Any], *, timeout: float) -> None:
        self._timeout = timeout
        """Seconds a record has from `send` to its acknowledgement."""
        self._configuration = configuration
        self._topics: dict[str, list[_Partition]] = {}
        self._identity: _Identity | None = None
        self._identifying: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Connect. Raises KafkaUnavailable, also for a refused password."""
        self._loop = asyncio.get_running_loop()
        self._network = network.Network(self._loop)
        self._manager = network.Manager(
            self._network,
            **self._configuration,
            request_timeout_ms=int(self._timeout * 1000) - 300,
            reconnect_backoff_max_ms=1000,
            socket_connection_setup_timeout_ms=int(self._timeout * 1000),
            max_in_flight_requests_per_connection=1 << 16,
            receive_message_max_bytes=100 << 20,
        )
        self._cluster = self._manager.cluster
        self._cluster.config["allow_auto_create_topics"] = False  # the manager does not pass that on
        try:
            await self._network.settled(self._manager.bootstrap_async(self._timeout * 1000))
            async with asyncio.timeout(self._timeout):
                await self._identify()
        except (kafka.errors.KafkaError, TimeoutError) as error:
            self.close()
            raise errors.KafkaUnavailable(repr(error)) from error
        except asyncio.CancelledError:
            self.close()
            raise
        self._cluster.add_listener(self._refreshed)

    def knows(self, topic: str) -> bool:
        """Whether its partitions were learned."""
        return topic in self._topics

    async def learn(self, topic: str) -> None:
        """Find a topic's partitions. Raises KafkaUnavailable."""
        if topic in self._topics:
            return
        self._cluster.add_topic(topic)
        try:
            async with asyncio.timeout(self._timeout):
                while not self._cluster.partitions_for_topic(topic):
                    if topic in self._cluster.unauthorized_topics:
                        raise kafka.errors.TopicAuthorizationFailedError(topic)
                    with contextlib.suppress(kafka.errors.RetriableError):
                        await self._network.settled(self._cluster.request_update())
        except (kafka.errors.KafkaError, TimeoutError) as error:
            self._forget({topic})
            raise errors.KafkaUnavailable(f"{topic}: {error!r}") from error
        self._topics.setdefault(topic, [])
        self._refreshed(self._cluster)

    def send(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        acknowledged: Callable[[int, int], None],
        failed: Callable[[errors.KafkaUnavailable], None],
    ) -> None:
        """Write a record of a topic that was learned, then call one of both: with its partition and offset, or why not.

        Records of one key share a partition; others go where none is on its way.
        """
        partitions = self._topics.get(topic)
        if not partitions or self._closed:
            failed(errors.KafkaUnavailable(f"{topic} is not known" if not self._closed else "closed"))
            return
        if key is not None:
            partition = partitions[(partitioner.murmur2(key) & 0x7FFFFFFF) % len(partitions)]
        else:
            partition = self._free(partitions)
        partition.waiting.append(_Record(value, key, time.monotonic() + self._timeout, acknowledged, failed))
        self._next(partition)

    def keep(self, topics: Set[str]) -> None:
        """Forget all others, that were removed: the library would ask for them for ever. What waits fails in time."""
        self._forget(self._topics.keys() - topics)

    def _forget(self, topics: Set[str]) -> None:
        self._cluster._topics -= topics  # noqa: SLF001  it has no public way to forget one
        for topic in topics:
            self._topics.pop(topic, None)

    async def drain(self, timeout: float) -> None:
        """Wait until nothing is on its way, so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while any(one.busy for partitions in self._topics.values() for one in partitions):  # noqa: ASYNC110  once
                    await asyncio.sleep(0.01)

    def close(self) -> None:
        """Let go of the connections; what was not acknowledged fails."""
        if self._closed:
            return
        self._closed = True
        if self._identifying is not None:
            self._identifying.cancel()
        self._loop.call_soon(self._close)  # not within a callback of what is closed

    def _close(self) -> None:
        self._manager.close()
        self._network.close()
        for partitions in self._topics.values():
            for partition in partitions:
                self._end(partition)

    # -- a partition's records -----------------------------------------------------------------------------------------

    def _next(self, partition: _Partition) -> None:
        """Send the first that waits, unless one is on its way."""
        if partition.busy or not partition.waiting:
            return
        record = partition.waiting[0]
        if record.encoded is None:
            if self._identity is None:
                return  # asked for: all go on when it is there
            if partition.identity is not self._identity:
                partition.identity, partition.sequence = self._identity, 0
            record.encoded = _encoded(record, self._identity, partition.sequence)
        partition.busy = True
        record.tries += 1
        leader = self._leader(partition)
        if leader is None:
            self._refused(partition, kafka.errors.LeaderNotAvailableError())
            return
        partition.payload.records = record.encoded
        try:
            sent = self._manager.send(partition.request, node_id=leader)
        except kafka.errors.KafkaError as error:  # a password that is refused by now, a broker that is unknown
            self._refused(partition, error)
            return
        sent.add_callback(functools.partial(self._answered, partition))
        sent.add_errback(functools.partial(self._refused, partition))

    def _free(self, partitions: list[_Partition]) -> _Partition:
        """One where nothing is on its way, of those that have a leader, if there are such."""
        found = random.choice([one for one in partitions if not one.busy] or partitions)  # noqa: S311  no secret
        if self._leader(found) is None:
            found = random.choice([one for one in partitions if self._leader(one) is not None] or partitions)  # noqa: S311
        return found

    def _leader(self, partition: _Partition) -> int | None:
        found: int | None = self._cluster.leader_for_partition(partition.at)
        return None if found == -1 else found

    def _answered(self, partition: _Partition, response: Any) -> None:
        answer = response.responses[0].partition_responses[0]
        error = kafka.errors.for_code(answer.error_code)
        if error is kafka.errors.NoError or error is kafka.errors.DuplicateSequenceNumberError:
            record = partition.waiting.popleft()
            partition.busy = False
            partition.sequence += 1
            record.acknowledged(partition.at.partition, answer.base_offset)
            self._next(partition)
        else:
            self._refused(partition, error(answer.error_message))

    def _refused(self, partition: _Partition, error: Exception) -> None:
        """Again a little later, until its time is over; but not what will never be taken."""
        if self._closed:
            return  # all are ended
        record = partition.waiting[0]
        if isinstance(error, UNKNOWN_PRODUCER):
            self._renew()
            if record.tries == 1:  # nothing of it can have been written
                record.encoded = None
                error = kafka.errors.RetriableError(repr(error))
        if isinstance(error, kafka.errors.InvalidMetadataError):
            self._cluster.request_update()
        if isinstance(error, kafka.errors.RetriableError) and time.monotonic() + RETRY < record.deadline:
            log.debug("%s: %r, sent again", partition.at, error)
            self._loop.call_later(RETRY, self._again, partition)
            return
        partition.waiting.popleft()
        partition.busy = False
        if isinstance(error, kafka.errors.RetriableError):
            if record.encoded is not None:
                self._renew()  # whether it was written is not known, and so its sequence number
            record.failed(errors.Expired(f"{partition.at.topic}: {error!r}"))
        else:
            record.failed(errors.KafkaUnavailable(f"{partition.at.topic}: {error!r}"))
        self._next(partition)

    def _again(self, partition: _Partition) -> None:
        partition.busy = False
        if not self._closed:
            self._next(partition)

    def _end(self, partition: _Partition) -> None:
        while partition.waiting:
            partition.waiting.popleft().failed(errors.KafkaUnavailable("closed"))

    # -- what the broker says ------------------------------------------------------------------------------------------

    def _refreshed(self, cluster: Any) -> None:
        """New partitions of topics that are in use."""
        for topic, partitions in self._topics.items():
            known = {partition.at.partition for partition in partitions}
            for number in sorted((cluster.partitions_for_topic(topic) or set()) - known):
                partitions.append(_partition(structs.TopicPartition(topic, number), self._timeout))

    def _renew(self) -> None:
        """Number what comes now anew, from 0 as somebody else."""
        self._identity = None
        if self._identifying is None or self._identifying.done():
            self._identifying = self._loop.create_task(self._identify())

    async def _identify(self) -> None:
        while True:
            request = protocol.InitProducerIdRequest(
                transactional_id=None, transaction_timeout_ms=0, producer_id=-1, producer_epoch=-1, max_version=4
            )
            try:
                response = await self._network.settled(self._manager.send(request))
                if (error := kafka.errors.for_code(response.error_code)) is not kafka.errors.NoError:
                    raise error()
                break
            except kafka.errors.KafkaError as error:
                if not error.retriable:
                    log.warning("Kafka gives this process no producer id, trying again: %r", error)
            await asyncio.sleep(RETRY)
        self._identity = _Identity(response.producer_id, response.producer_epoch)
        for partitions in list(self._topics.values()):
            for partition in partitions:
                self._next(partition)


def _encoded(record: _Record, identity: _Identity, sequence: int) -> bytearray:
    builder = default_records.DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=identity.number,
        producer_epoch=identity.epoch,
        base_sequence=sequence,
        batch_size=0,  # the first record always fits
    )
    builder.append(0, None, record.key, record.value, [])
    made: bytearray = builder.build()
    return made


def _partition(at: structs.TopicPartition, timeout: float) -> _Partition:
    of_topic = protocol.ProduceRequest.TopicProduceData
    payload = of_topic.PartitionProduceData(index=at.partition, records=None)
    request = protocol.ProduceRequest(
        transactional_id=None,
        acks=-1,
        timeout_ms=int(timeout * 1000) - 300,
        topic_data=[of_topic(name=at.topic, partition_data=[payload])],
        min_version=3,
        max_version=9,
    )
    return _Partition(at, request, payload)
