"""Jobs into Kafka: kafka-python's producer behind asyncio. The only kafka import of ingest.

A job is accepted when Kafka acknowledged it with acks=all. Jobs of one topic that arrive while two records of it are on
their way share the next record, so that the cost of a record is paid once for all of them; an idle topic's job goes out
at once. Memory is bounded by a byte budget; the wait by one timeout, whatever Kafka does.
"""

import asyncio
import contextlib
import functools
import logging
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import kafka
import kafka.errors

from ingest import errors
from results import waiting
from wire import envelope, metrics, names

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 2
"""Records of one topic awaiting acknowledgement before further jobs are collected."""

MAX_JOBS: Final = 100
"""Jobs in one record, so that one record's batch is never a worker's whole day."""

MAX_RECORD: Final = 512 << 10
"""Bytes of a shared record; a larger job travels alone."""

FAILURES_BEFORE_RENEWAL: Final = 3


class Place(NamedTuple):
    """Where a job lies in Kafka."""

    partition: int
    offset: int
    member: int = 0
    """Its place among the jobs of the record."""


@dataclass(slots=True)
class _Waiting:
    content: bytes
    accepted: "asyncio.Future[Place]"


class _Lane:
    """A topic's jobs that wait to be sent."""

    __slots__ = ("counted", "in_flight", "jobs", "scheduled")

    def __init__(self, topic: str) -> None:
        self.counted = metrics.JOBS_ACCEPTED.labels(*names.model_of(topic))
        """Found once: a lookup by labels costs more than counting does."""
        self.jobs: list[_Waiting] = []
        self.in_flight = 0
        self.scheduled = False


@dataclass(frozen=True, slots=True)
class _Sent:
    """A record on its way."""

    topic: str
    lane: _Lane
    jobs: list[_Waiting]
    epoch: int
    """Whose: a producer that was replaced no longer frees a place in the lane."""
    count: int
    """Of jobs in it."""
    key: bytes | None = None
    """Chooses its partition; none: any."""


class Producer:
    """Sends jobs; one a process."""

    def __init__(self, *, kafka_python: dict[str, Any], buffer_bytes: int, ack_timeout: float) -> None:
        self._configuration = kafka_python
        self._budget = buffer_bytes
        self._ack_timeout = ack_timeout
        self._lanes: dict[str, _Lane] = {}
        self._warm: set[str] = set()
        self._producer: kafka.KafkaProducer | None = None
        self._failures = 0
        self._epoch = 0
        self._connecting: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to connect. Kafka may be away: then jobs are refused until it is back."""
        self._loop = asyncio.get_running_loop()
        self._connecting = asyncio.create_task(self._connect())

    async def stop(self) -> None:
        """Wait shortly for what is on its way, then close."""
        if self._connecting is not None:
            self._connecting.cancel()
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.to_thread(producer.close, timeout=self._ack_timeout)

    @property
    def connected(self) -> bool:
        """Whether a broker answered; readiness."""
        return self._producer is not None

    async def accept(self, topic: str, content: bytes) -> Place:
        """Write one encoded envelope. Returns after Kafka acknowledged it. Raises KafkaUnavailable or Full."""
        if len(content) > self._budget:
            raise errors.Full
        loop = asyncio.get_running_loop()
        one = _Waiting(content, loop.create_future())
        epoch = self._epoch
        self._budget -= len(content)
        try:
            lane = self._lane(topic)
            lane.jobs.append(one)
            if not lane.scheduled and lane.in_flight < IN_FLIGHT:
                lane.scheduled = True
                loop.call_soon(self._flush, topic, lane)
            return await waiting.within(one.accepted, self._ack_timeout)
        except TimeoutError as error:
            if one in lane.jobs:
                lane.jobs.remove(one)
            self._renew(epoch)
            raise errors.KafkaUnavailable from error
        finally:
            self._budget += len(content)

    async def accept_record(self, topic: str, value: bytes, *, jobs: int, key: bytes | None = None) -> Place:
        """Write one whole record of so many jobs, which shares with nobody. Records of one `key` share a partition.

        Raises KafkaUnavailable or Full.
        """
        if len(value) > self._budget:
            raise errors.Full
        one = _Waiting(value, asyncio.get_running_loop().create_future())
        epoch = self._epoch
        self._budget -= len(value)
        self._lane(topic)
        lane = _Lane(topic)
        lane.in_flight = 1
        try:
            async with asyncio.timeout(self._ack_timeout):
                if topic not in self._warm:
                    await self.warm(topic)
                self._send(_Sent(topic, lane, [one], epoch, jobs, key))
                return await one.accepted
        except TimeoutError as error:
            self._renew(epoch)
            raise errors.KafkaUnavailable from error
        finally:
            self._budget += len(value)

    async def warm(self, topic: str) -> None:
        """Learn a topic's partitions off the loop, so that `send` never waits for them. Raises KafkaUnavailable."""
        if self._producer is None:
            raise errors.KafkaUnavailable
        try:
            await asyncio.to_thread(self._producer.partitions_for, topic)
        except kafka.errors.KafkaError as error:
            raise errors.KafkaUnavailable from error
        self._warm.add(topic)

    def keep(self, topics: set[str]) -> None:
        """Forget every other topic: the library asks for one that was removed ten times a second, for ever."""
        gone = self._warm - topics
        self._warm -= gone
        for topic in gone:
            lane = self._lanes.get(topic)
            if lane is not None and not lane.jobs and not lane.in_flight:
                del self._lanes[topic]
        if gone and self._producer is not None:
            cluster = self._producer._metadata  # noqa: SLF001  it has no public way to forget a topic
            cluster._topics = cluster._topics - gone  # noqa: SLF001  a new set: its own thread may read the old one

    def _lane(self, topic: str) -> _Lane:
        found = self._lanes.get(topic)
        if found is None:
            found = self._lanes[topic] = _Lane(topic)
        return found

    def _flush(self, topic: str, lane: _Lane) -> None:
        lane.scheduled = False
        while lane.jobs and lane.in_flight < IN_FLIGHT:
            taken = _take(lane.jobs)
            one = _Sent(topic, lane, taken, self._epoch, len(taken))
            lane.in_flight += 1
            if topic in self._warm and self._producer is not None:
                self._send(one)
            else:
                task = asyncio.ensure_future(self._send_cold(one))
                task.add_done_callback(_retrieve)

    async def _send_cold(self, one: _Sent) -> None:
        try:
            await self.warm(one.topic)
        except errors.KafkaUnavailable as error:
            self._failed(one, error)
            return
        self._send(one)

    def _send(self, one: _Sent) -> None:
        jobs = one.jobs
        value = jobs[0].content if len(jobs) == 1 else envelope.join_record([job.content for job in jobs])
        producer, loop = self._producer, self._loop
        if producer is None or loop is None:
            self._failed(one, errors.KafkaUnavailable())
            return
        began = time.perf_counter()
        try:
            sent = producer.send(one.topic, value, key=one.key)
        except (kafka.errors.KafkaError, AssertionError, ValueError) as error:
            self._failed(one, error)
            return
        sent.add_callback(_crossing(loop, self._acknowledged, one, began))
        sent.add_errback(_crossing(loop, self._undelivered, one))

    def _acknowledged(self, one: _Sent, began: float, metadata: Any) -> None:
        self._failures = 0
        metrics.PRODUCE_SECONDS.observe(time.perf_counter() - began)
        one.lane.counted.inc(one.count)
        for member, job in enumerate(one.jobs):
            if not job.accepted.done():
                job.accepted.set_result(Place(metadata.partition, metadata.offset, member))
        self._landed(one)

    def _undelivered(self, one: _Sent, error: BaseException) -> None:
        """It was sent and not acknowledged. Where it expired, later ones would wait behind it for ever."""
        if isinstance(error, kafka.errors.KafkaTimeoutError):
            self._renew(one.epoch)
        self._failed(one, error)

    def _failed(self, one: _Sent, error: BaseException) -> None:
        log.warning("%d jobs not acknowledged by %s: %r", len(one.jobs), one.topic, error)
        self._warm.discard(one.topic)
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_RENEWAL:
            self._renew(one.epoch)
        for job in one.jobs:
            if not job.accepted.done():
                job.accepted.set_exception(errors.KafkaUnavailable(str(error)))
        self._landed(one)

    def _landed(self, one: _Sent) -> None:
        if one.epoch == self._epoch:
            one.lane.in_flight -= 1
        if one.lane.jobs and not one.lane.scheduled:
            self._flush(one.topic, one.lane)

    def _renew(self, epoch: int) -> None:
        """Replace the producer of `epoch`, unless that was done.

        One whose record expired or that stays silent does not recover: the library neither sends nor fails what comes
        behind. After several other failures in a row, too, since one that lost its epoch may not.
        """
        if epoch != self._epoch or self._producer is None:
            return
        self._epoch += 1
        for lane in self._lanes.values():
            lane.in_flight = 0
        old, self._producer = self._producer, None
        self._failures = 0
        self._warm.clear()
        if old is not None and self._loop is not None:
            self._loop.run_in_executor(None, lambda: old.close(timeout=0))
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        delay = 0.1
        while self._producer is None:
            try:
                self._producer = await asyncio.to_thread(self._make)
            except kafka.errors.KafkaError as error:
                log.warning("Kafka does not answer (or refuses the password), trying again: %s", error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    def _make(self) -> kafka.KafkaProducer:
        milliseconds = int(self._ack_timeout * 1000)
        return _KafkaProducer(
            **self._configuration,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            batch_size=256 << 10,
            max_request_size=32 << 20,
            max_block_ms=milliseconds - 500,
            request_timeout_ms=milliseconds - 500,
            delivery_timeout_ms=milliseconds - 200,
            reconnect_backoff_max_ms=1000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
            bootstrap_timeout_ms=milliseconds,
            selector=_Selector,
        )


class _KafkaProducer(kafka.KafkaProducer):  # type: ignore[misc]  # the library is untyped
    """One whose close() always closes: the library's own gives up where flush() does, and leaves its thread running."""

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything is acknowledged, `timeout` seconds at most."""
        with contextlib.suppress(kafka.errors.KafkaTimeoutError):
            super().flush(timeout)


class _Selector(selectors.DefaultSelector):
    """One that says cheaply that it does not know a socket.

    The library asks that before each wait; the standard one then describes the socket in its error, with two system
    calls, which made a tenth of what the library's thread does for a record.
    """

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """See selectors.BaseSelector. Raises KeyError, and ValueError for a closed one."""
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if number < 0:
            raise ValueError(number)
        found: selectors.SelectorKey = self._fd_to_key[number]  # type: ignore[attr-defined]  # of the standard one
        return found


def _take(waiting: list[_Waiting]) -> list[_Waiting]:
    """The jobs of the next record: the first, and those behind it that fit."""
    size, count = len(waiting[0].content), 1
    while count < min(len(waiting), MAX_JOBS) and size + len(waiting[count].content) <= MAX_RECORD:
        size += len(waiting[count].content)
        count += 1
    taken = waiting[:count]
    del waiting[:count]
    return taken


def _crossing(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: Any) -> Callable[[Any], None]:
    """From the producer's thread to the loop; a loop that is closing has nobody left to tell."""

    def cross(result: Any) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(functools.partial(call, *arguments, result))

    return cross


def _retrieve(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("sending failed", exc_info=task.exception())
