"""Fetches whose records are taken in the step that read them, and that are followed by the next at once.

The library has a task for each fetch, a routine that waits for these tasks and sends the next, and readers that wait
for the routine: a dozen steps of the loop and some timers a record, 400 µs. Here one task a broker asks, has the
records taken and asks again. Whatever is unusual (a new connection, an error, an old broker, a position that is not
known yet, records that nobody has room for) is left to the library: the task ends, and its routine goes on.

Names inside aiokafka are used here; `check_library()` proves at import that it is what this module was written for.
"""

import asyncio
import collections
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiokafka
import aiokafka.errors
from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.consumer import fetcher
from aiokafka.protocol import fetch
from aiokafka.record import memory_records
from aiokafka.structs import TopicPartition

from wire import envelope, names
from workers import errors, fetch_frames, source

WRITTEN_FOR: Final = "0.14.0"

Make = Callable[[TopicPartition, Any], Any]
"""Of a partition and a record in the library's form a record of ours."""

_NAP: Final = 60.0
"""Seconds that a partition sleeps at most before its first record is looked at again: clocks may be set."""

_NO_LEADER: Final = (None, -1)


class Fetcher(fetcher.Fetcher):  # type: ignore[misc]  # the library has no types
    """Takes the place of a consumer's own; it makes records of ours, and says when to take them."""

    def __init__(self, *of_consumer: Any, make: Make, take: Callable[[], object], **settings: Any) -> None:
        super().__init__(*of_consumer, **settings)
        self._make = make
        self._take = take
        self._tps: frozenset[TopicPartition] = frozenset()
        self._order: collections.deque[TopicPartition] = collections.deque()

    def read(self, room: Callable[[TopicPartition], int], most: int) -> dict[TopicPartition, list[Any]]:
        """Records that lie unread, `most` of them, as long as their topics have room for a job more: their partitions'
        positions are behind them from now on."""
        found, left = dict[TopicPartition, list[Any]](), dict[str, int]()
        for tp in [tp for tp, kept in self._records.items() if type(kept) is fetcher.FetchResult]:
            free = room(tp)
            free = left.setdefault(tp.topic, free) if free else 0
            if free <= 0 or most <= 0:
                continue
            try:
                some, left[tp.topic] = self._some(tp, free, most)
            except aiokafka.errors.KafkaError as error:  # damaged: whoever reads next is told
                del self._records[tp]
                self._set_error(tp, error)
                continue
            if some:
                found[tp] = some
                most -= len(some)
        return found

    def _some(self, tp: TopicPartition, free: int, most: int) -> tuple[list[Any], int]:
        """A partition's, until `most` are there or their jobs fill what is free; and what is free then. The library's
        own `getall` counts records alone."""
        unread, some = self._records[tp], list[Any]()
        if unread.check_assignment(tp) and unread.has_more():
            for record in unread._partition_records:  # noqa: SLF001
                some.append(record if type(record) is source.Record else self._make(tp, record))
                free -= envelope.jobs_in(record.value)
                if free <= 0 or len(some) >= most:
                    unread._update_position()  # noqa: SLF001
                    break
            else:
                unread._update_position()  # noqa: SLF001
                unread._partition_records = None  # noqa: SLF001
        if not unread.has_more():
            del self._records[tp]
        return some, free

    def ask(self) -> None:
        """Have the library see which partitions were emptied, so that their broker is asked for more: for who reads
        outside a fetch."""
        self._notify(self._wait_consume_future)

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> bool:
        """Ask one broker until something is for the library; whether records lie unread then."""
        while True:
            try:
                answer = await self._ask(node_id, request)
            except asyncio.CancelledError:  # as the library: what comes is of no interest any more
                return False
            if answer is None or not self._keep(assignment, request, answer):
                return bool(await super()._proc_fetch_request(assignment, node_id, request))
            # nothing is awaited from here to the next request: no position moves unseen
            if answer.found:
                self._take()
            request = self._next(assignment, node_id)
            if request is None:
                return bool(self._records)

    async def _ask(self, node: int, request: Any) -> fetch_frames.Answer | None:
        """None: the library shall ask."""
        connection = self._client._conns.get((node, ConnectionGroup.DEFAULT))  # noqa: SLF001  else a task and a lock
        if connection is None or not connection.connected() or not fetch_frames.known(connection):
            return None
        lean = fetch_frames.Request(
            request.topics,
            wait_ms=self._fetch_max_wait_ms,
            least=self._fetch_min_bytes,
            most=self._fetch_max_bytes,
            isolation=self._isolation_level,
        )
        try:
            answer: fetch_frames.Answer = await connection.send(lean)
        except TimeoutError:
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            return None
        except aiokafka.errors.KafkaError:
            return None
        return answer

    def _keep(self, assignment: Any, request: Any, answer: fetch_frames.Answer) -> bool:
        """Put the records where readers look for them. False: there is something that the library shall see."""
        if not assignment.active or not answer.found:
            return True
        if any(found.error for found in answer.found):
            return False
        asked = {(topic, wanted[0]): wanted[1] for topic, partitions in request.topics for wanted in partitions}
        for topic, number, _, aborted, data in answer.found:
            tp, offset = TopicPartition(topic, number), asked[topic, number]
            state = assignment.state_value(tp)
            if not state.has_valid_position or state.position != offset:
                continue  # sought meanwhile
            records = memory_records.MemoryRecords(data)
            if not records.has_next():
                return False  # larger than a fetch may be
            unread = _Unread(tp, records, aborted, offset, None, None, self._check_crcs, self._isolation_level)
            unread.make = self._make
            self._records[tp] = fetcher.FetchResult(
                tp, partition_records=unread, assignment=assignment, backoff=self._prefetch_backoff
            )
        return True

    def _next(self, assignment: Any, node: int) -> Any:
        """The next request to a broker; None: the library shall see what there is to do."""
        if self._closed or not assignment.active:
            return None
        if self._tps is not assignment.tps:
            self._tps, self._order = assignment.tps, collections.deque(assignment.tps)
        self._order.rotate(1)  # an answer's bytes are bounded: none shall always be the last one
        wanted: dict[str, list[tuple[int, int, int]]] = {}
        for tp in self._order:
            state, leader = assignment.state_value(tp), self._select_read_replica(tp)
            if leader in _NO_LEADER or not state.has_valid_position or (self._records and self._fresh(tp)):
                return None
            if leader == node and not state.paused and tp not in self._records:
                partition = (tp.partition, state.position, self._max_partition_fetch_bytes)
                wanted.setdefault(tp.topic, []).append(partition)
        if not wanted:
            return None
        bounds = (self._fetch_max_wait_ms, self._fetch_min_bytes, self._fetch_max_bytes, self._isolation_level)
        return fetch.FetchRequest(*bounds, list(wanted.items()))

    def _fresh(self, tp: TopicPartition) -> bool:
        """Whether records of it lie unread, and not for long: its broker is asked for nothing then."""
        unread = self._records.get(tp)
        return unread is not None and unread.calculate_backoff() > 0


class _Unread(fetcher.PartitionRecords):  # type: ignore[misc]  # the library has no types
    """Records of a partition that become ours as they are read."""

    make: Make

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Any:
        return self.make(tp, record)


def ours(tp: TopicPartition, record: Any, generation: int) -> source.Record:
    """A record of ours of the library's."""
    return source.Record(
        topic=tp.topic,
        partition=tp.partition,
        offset=record.offset,
        timestamp=record.timestamp,
        value=record.value,
        headers=tuple(record.headers),
        generation=generation,
    )


def with_turn(
    kept: source.Source, consumer: aiokafka.AIOKafkaConsumer, fetched: Mapping[Any, list[Any]]
) -> dict[Any, list[Any]]:
    """The records whose turn it is; a partition whose next one is for later sleeps, and holds none of it in memory."""
    now = time.time_ns() // 1_000_000
    found: dict[Any, list[Any]] = {}
    for tp, batch in fetched.items():
        found[tp] = batch
        for place, record in enumerate(batch if names.is_later(tp.topic) else ()):
            ready = kept.handlers.ready(record)
            if ready > now:
                found[tp] = batch[:place]
                _sleep(kept, consumer, tp, record.offset, (ready - now) / 1000)
                break
    return found


def _sleep(
    kept: source.Source, consumer: aiokafka.AIOKafkaConsumer, tp: TopicPartition, offset: int, seconds: float
) -> None:
    """Fetch nothing of a partition for a while, then go on at `offset`."""

    def wake() -> None:
        kept.sleeping.pop(tp, None)
        with contextlib.suppress(aiokafka.errors.IllegalStateError):  # not ours any more
            consumer.resume(tp)

    try:
        consumer.seek(tp, offset)
        consumer.pause(tp)
    except aiokafka.errors.IllegalStateError:
        return
    kept.sleeping[tp] = asyncio.get_running_loop().call_later(min(seconds, _NAP), wake)


def give_back(consumer: aiokafka.AIOKafkaConsumer, fetched: Mapping[TopicPartition, list[Any]]) -> None:
    """A fetch that spanned a rebalance brought records of the new assignment before we knew of it.

    The library's position is past them already: without this they would not come again, and would be committed over.
    """
    for tp, batch in fetched.items():
        with contextlib.suppress(aiokafka.errors.IllegalStateError):  # not ours any more
            consumer.seek(tp, batch[0].offset)


def check_library() -> None:
    """Raises LibraryChanged."""
    if aiokafka.__version__ != WRITTEN_FOR:
        raise errors.LibraryChanged(f"aiokafka is {aiokafka.__version__}, written for {WRITTEN_FOR}")


check_library()
