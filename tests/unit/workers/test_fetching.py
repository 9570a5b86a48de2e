"""What the fetcher does with an answer, without a broker: the library's connection is a double."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiokafka.errors
import pytest
import pytest_asyncio
from aiokafka.client import ConnectionGroup
from aiokafka.consumer import fetcher, subscription_state
from aiokafka.record import default_records, memory_records
from aiokafka.structs import TopicPartition

from workers import errors, fetch_frames, fetching, source

FIRST, SECOND = TopicPartition("jobs", 0), TopicPartition("bulk", 0)
NODE = 1


def batch(*values: bytes, offset: int) -> bytes:
    """Records as a broker keeps them."""
    made = default_records.DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for place, value in enumerate(values):
        made.append(place, timestamp=1, key=None, value=value, headers=[])
    built = bytearray(made.build())
    built[0:8] = offset.to_bytes(8, "big")
    return bytes(built)


class Broker:
    """A connection whose answers come when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[dict[str, dict[int, int]]] = asyncio.Queue()
        self.answers: asyncio.Queue[fetch_frames.Answer | BaseException] = asyncio.Queue()
        self.closed = False
        self._versions = {1: (4, 17)}

    def connected(self) -> bool:
        return True

    def close(self, *, reason: object) -> None:
        self.closed = True

    async def send(self, request: Any) -> fetch_frames.Answer:
        """The positions that were asked for are noted."""
        topics = {topic: {number: offset for number, offset, _ in wanted} for topic, wanted in request._topics}
        self.asked.put_nowait(topics)
        answer = await self.answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def answer(self, tp: TopicPartition, data: bytes, *, error: int = 0) -> None:
        self.answers.put_nowait(fetch_frames.Answer([fetch_frames.Found(tp.topic, tp.partition, error, [], data)]))


class Bench:
    """A fetcher with two partitions of one broker, at offset 5."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.taken: list[source.Record] = []
        self.wanted = {FIRST, SECOND}
        self.usual: list[Any] = []
        client = SimpleNamespace(
            _loop=asyncio.get_running_loop(),
            _metadata_max_age_ms=30_000,
            _conns={(NODE, ConnectionGroup.DEFAULT): self.broker},
            cluster=SimpleNamespace(leader_for_partition=lambda _: NODE),
            send=self._send,
        )
        self.state = subscription_state.SubscriptionState()
        self.state.subscribe({"jobs", "bulk"})
        self.fetcher = fetching.Fetcher(
            client,
            self.state,
            make=lambda tp, record: fetching.ours(tp, record, 3),
            take=self._take,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            prefetch_backoff=0.02,
        )

    def begin(self) -> None:
        """Both partitions are assigned; the library's routine asks for the first records."""
        self.state.assign_from_subscribed({FIRST, SECOND})
        for tp in (FIRST, SECOND):
            self.state.seek(tp, 5)

    def _take(self) -> None:
        for some in self.fetcher.read(lambda tp: 100 if tp in self.wanted else 0, 100).values():
            self.taken += some

    @property
    def took(self) -> list[tuple[str, int, bytes | None]]:
        """Topic, offset and value of what was taken."""
        return [(record.topic, record.offset, record.value) for record in self.taken]

    def lies(self, tp: TopicPartition, *values: bytes) -> None:
        """The library has fetched these itself, from offset 5, and nobody has read them."""
        assignment = self.state.subscription.assignment
        records = memory_records.MemoryRecords(batch(*values, offset=5))
        unread = fetcher.PartitionRecords(tp, records, [], 5, None, None, True, 0)
        self.fetcher._records[tp] = fetcher.FetchResult(
            tp, partition_records=unread, assignment=assignment, backoff=0.02
        )

    async def _send(self, _node: int, request: Any) -> Any:
        """The library's own way."""
        self.usual.append(request)
        await asyncio.sleep(0)
        raise aiokafka.errors.KafkaConnectionError


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    try:
        yield made
    finally:
        await made.fetcher.close()


async def test_records_are_taken_and_the_next_are_asked_for(bench: Bench) -> None:
    bench.begin()
    assert await bench.broker.asked.get() == {"jobs": {0: 5}, "bulk": {0: 5}}
    bench.broker.answer(FIRST, batch(b"a", b"b", offset=5))
    assert await bench.broker.asked.get() == {"jobs": {0: 7}, "bulk": {0: 5}}
    assert bench.took == [("jobs", 5, b"a"), ("jobs", 6, b"b")]
    assert bench.usual == []


async def test_what_the_library_fetched_is_read_as_ours_and_as_its_jobs_fit(bench: Bench) -> None:
    """The library fetches by itself where a connection is new, was lost, or a broker is old.

    Catches its records handed on as they are, and room counted in records.
    """
    bench.begin()
    await bench.broker.asked.get()
    many = b"\x93\x80\x80\x80"
    # Given two partitions of one topic with records of three jobs, and one of another
    bench.lies(FIRST, many, many, many, b"\x80")
    bench.lies(SECOND, b"\x80")
    # When there is room for four jobs of the one, and none of the other
    room = {FIRST: 4, SECOND: 0}
    found = bench.fetcher.read(room.__getitem__, 100)
    # Then so many records come that the last one fills it, and the rest lies where it was
    assert [(record.offset, record.value) for record in found[FIRST]] == [(5, many), (6, many)]
    assert {type(record) for record in found[FIRST]} == {source.Record}
    assert list(found) == [FIRST]
    again = bench.fetcher.read(lambda _: 100, 100)
    assert [(record.offset, record.value) for record in again[FIRST]] == [(7, many), (8, b"\x80")]
    assert [record.offset for record in again[SECOND]] == [5]
    assert bench.fetcher.read(lambda _: 100, 100) == {}


async def test_no_more_records_are_read_than_asked_for(bench: Bench) -> None:
    bench.begin()
    await bench.broker.asked.get()
    bench.lies(FIRST, *[b"\x80"] * 5)
    bench.lies(SECOND, *[b"\x80"] * 5)
    found = bench.fetcher.read(lambda _: 100, 7)
    assert [len(found[tp]) for tp in (FIRST, SECOND)] == [5, 2]


async def test_an_empty_answer_is_followed_by_the_same_question(bench: Bench) -> None:
    bench.begin()
    first = await bench.broker.asked.get()
    bench.broker.answers.put_nowait(fetch_frames.Answer([]))
    assert await bench.broker.asked.get() == first


async def test_what_nobody_has_room_for_lies_unread_for_the_library(bench: Bench) -> None:
    """Its own readers are woken, and it is not asked for again."""
    bench.begin()
    bench.wanted = {FIRST}
    await bench.broker.asked.get()
    reading = asyncio.create_task(bench.fetcher.fetched_records({SECOND}, timeout=5, max_records=10))
    await asyncio.sleep(0)
    bench.broker.answer(SECOND, batch(b"a", offset=5))
    assert [(record.topic, record.offset, record.value) for record in (await reading)[SECOND]] == [("bulk", 5, b"a")]
    assert bench.taken == []


async def test_an_error_is_left_to_the_library(bench: Bench) -> None:
    bench.begin()
    await bench.broker.asked.get()
    bench.broker.answer(FIRST, b"", error=6)
    await bench.broker.asked.get()
    assert len(bench.usual) == 1


@pytest.mark.parametrize("error", [aiokafka.errors.KafkaConnectionError(), TimeoutError()])
async def test_a_connection_that_fails_is_left_to_the_library(bench: Bench, error: BaseException) -> None:
    bench.begin()
    await bench.broker.asked.get()
    bench.broker.answers.put_nowait(error)
    await bench.broker.asked.get()
    assert len(bench.usual) == 1
    assert bench.broker.closed is isinstance(error, TimeoutError)


async def test_records_behind_a_position_that_was_moved_are_none(bench: Bench) -> None:
    bench.begin()
    await bench.broker.asked.get()
    bench.state.seek(FIRST, 9)
    bench.broker.answer(FIRST, batch(b"a", offset=5))
    assert await bench.broker.asked.get() == {"jobs": {0: 9}, "bulk": {0: 5}}
    assert bench.taken == []


async def test_a_partition_that_sleeps_is_not_asked_for(bench: Bench) -> None:
    bench.begin()
    await bench.broker.asked.get()
    bench.state.pause(SECOND)
    bench.broker.answers.put_nowait(fetch_frames.Answer([]))
    assert await bench.broker.asked.get() == {"jobs": {0: 5}}


async def test_an_answer_that_spanned_a_rebalance_is_dropped(bench: Bench) -> None:
    """Its assignment is over: its positions are nobody's. The next assignment begins at its own."""
    bench.begin()
    await bench.broker.asked.get()
    bench.state.assign_from_subscribed({FIRST})
    bench.state.seek(FIRST, 5)
    bench.broker.answer(FIRST, batch(b"a", offset=5))
    assert await bench.broker.asked.get() == {"jobs": {0: 5}}
    assert bench.taken == []


async def test_damaged_records_are_told_to_who_reads_next(bench: Bench) -> None:
    bench.begin()
    await bench.broker.asked.get()
    data = bytearray(batch(b"a", offset=5))
    data[-1] ^= 1
    reading = asyncio.create_task(bench.fetcher.fetched_records({FIRST}, timeout=5, max_records=10))
    await asyncio.sleep(0)
    bench.broker.answer(FIRST, bytes(data))
    with pytest.raises(aiokafka.errors.CorruptRecordException):
        await reading
    assert bench.taken == []


async def test_another_aiokafka_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names inside it are those of one version. Catches `check_library` taken out."""
    monkeypatch.setattr("aiokafka.__version__", "0.99")
    with pytest.raises(errors.LibraryChanged, match=r"0\.99"):
        fetching.check_library()
