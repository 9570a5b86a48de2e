"""Jobs into Kafka.

A job is accepted when Kafka acknowledged it with acks=all. Records of one topic keep a distance that grows with the
jobs in them, and jobs that arrive meanwhile share the next one, so that the cost of a record is paid once for all of
them; an idle topic's job goes out at once. Memory is bounded by a byte budget; the wait by one timeout, whatever Kafka
does.
"""

import asyncio
import functools
import logging
import time
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ingest import errors, writer
from results import waiting
from wire import envelope, metrics, names

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 2
"""Records of one topic awaiting acknowledgement before further jobs are collected."""

APART: Final = 0.0003
"""Seconds that a record keeps the next one of its topic back, for each job in it.

A record costs the system more than a millisecond of CPU whatever it holds. A lone user's next job comes later than this
and never waits; in company the distance grows with the load, to `APART_MOST`, and the records with it.
"""

APART_MOST: Final = 0.003

SHORT: Final = 0.0005
"""Seconds that are not waited for: half of what the loop's timers resolve."""

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

    __slots__ = ("counted", "in_flight", "jobs", "next", "scheduled")

    def __init__(self, topic: str) -> None:
        self.counted = metrics.JOBS_ACCEPTED.labels(*names.model_of(topic))
        """Found once: a lookup by labels costs more than counting does."""
        self.jobs: list[_Waiting] = []
        self.in_flight = 0
        self.scheduled = False
        self.next = 0.0
        """When the next record is due, by the loop's clock."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A record on its way."""

    topic: str
    lane: _Lane
    jobs: list[_Waiting]
    epoch: int
    """Whose: a writer that was replaced no longer frees a place in the lane."""
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
        self._writer: writer.Writer | None = None
        self._failures = 0
        self._epoch = 0
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to connect. Kafka may be away: then jobs are refused until it is back."""
        self._connecting = asyncio.create_task(self._connect())

    async def stop(self) -> None:
        """Wait shortly for what is on its way, then close."""
        if self._connecting is not None:
            self._connecting.cancel()
        made, self._writer = self._writer, None
        if made is not None:
            await made.drain(self._ack_timeout)
            made.close()

    @property
    def connected(self) -> bool:
        """Whether a broker answered; readiness."""
        return self._writer is not None

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
                await self.warm(topic)
                self._send(_Sent(topic, lane, [one], epoch, jobs, key))
                return await one.accepted
        except TimeoutError as error:
            self._renew(epoch)
            raise errors.KafkaUnavailable from error
        finally:
            self._budget += len(value)

    async def warm(self, topic: str) -> None:
        """Learn a topic's partitions. Raises KafkaUnavailable."""
        if self._writer is None:
            raise errors.KafkaUnavailable
        await self._writer.learn(topic)

    def keep(self, topics: set[str]) -> None:
        """Forget every other topic."""
        for topic in self._lanes.keys() - topics:
            lane = self._lanes[topic]
            if not lane.jobs and not lane.in_flight:
                del self._lanes[topic]
        if self._writer is not None:
            self._writer.keep(topics)

    def _lane(self, topic: str) -> _Lane:
        found = self._lanes.get(topic)
        if found is None:
            found = self._lanes[topic] = _Lane(topic)
        return found

    def _flush(self, topic: str, lane: _Lane) -> None:
        lane.scheduled = False
        loop = asyncio.get_running_loop()
        while lane.jobs and lane.in_flight < IN_FLIGHT:
            now = loop.time()
            if lane.next - now > SHORT and len(lane.jobs) < MAX_JOBS:
                lane.scheduled = True
                loop.call_at(lane.next, self._flush, topic, lane)
                return
            taken = _take(lane.jobs)
            lane.next = now + min(APART * len(taken), APART_MOST)
            one = _Sent(topic, lane, taken, self._epoch, len(taken))
            lane.in_flight += 1
            if self._writer is not None and self._writer.knows(topic):
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
        if self._writer is None:
            self._failed(one, errors.KafkaUnavailable())
            return
        acknowledged = functools.partial(self._acknowledged, one, time.perf_counter())
        self._writer.send(one.topic, value, one.key, acknowledged, functools.partial(self._undelivered, one))

    def _acknowledged(self, one: _Sent, began: float, partition: int, offset: int) -> None:
        self._failures = 0
        metrics.PRODUCE_SECONDS.observe(time.perf_counter() - began)
        one.lane.counted.inc(one.count)
        for member, job in enumerate(one.jobs):
            if not job.accepted.done():
                job.accepted.set_result(Place(partition, offset, member))
        self._landed(one)

    def _undelivered(self, one: _Sent, error: errors.KafkaUnavailable) -> None:
        """It was sent and not acknowledged."""
        if isinstance(error, errors.Expired):
            self._renew(one.epoch)
        self._failed(one, error)

    def _failed(self, one: _Sent, error: errors.KafkaUnavailable) -> None:
        log.warning("%d jobs not acknowledged by %s: %r", len(one.jobs), one.topic, error)
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_RENEWAL:
            self._renew(one.epoch)
        for job in one.jobs:
            if not job.accepted.done():
                job.accepted.set_exception(error)
        self._landed(one)

    def _landed(self, one: _Sent) -> None:
        if one.epoch == self._epoch:
            one.lane.in_flight -= 1
        if one.lane.jobs and not one.lane.scheduled:
            self._flush(one.topic, one.lane)

    def _renew(self, epoch: int) -> None:
        """Replace the writer of `epoch`, unless that was done.

        After a silence, so that nothing which was refused meanwhile is written later, and this process is not ready
        until a broker answers; and after several failures in a row: brokers may have moved, and the addresses given are
        asked again.
        """
        if epoch != self._epoch or self._writer is None:
            return
        self._epoch += 1
        for lane in self._lanes.values():
            lane.in_flight = 0
        self._writer.close()
        self._writer = None
        self._failures = 0
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        delay = 0.1
        while self._writer is None:
            made = self._make()
            try:
                await made.start()
                self._writer = made
            except errors.KafkaUnavailable as error:
                log.warning("Kafka does not answer (or refuses the password), trying again: %s", error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    def _make(self) -> writer.Writer:
        return writer.Writer(self._configuration, timeout=self._ack_timeout - 0.2)


def _take(waiting: list[_Waiting]) -> list[_Waiting]:
    """The jobs of the next record: the first, and those behind it that fit."""
    size, count = len(waiting[0].content), 1
    while count < min(len(waiting), MAX_JOBS) and size + len(waiting[count].content) <= MAX_RECORD:
        size += len(waiting[count].content)
        count += 1
    taken = waiting[:count]
    del waiting[:count]
    return taken


def _retrieve(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("sending failed", exc_info=task.exception())
