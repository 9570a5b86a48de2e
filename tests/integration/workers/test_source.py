"""The source on a real broker: what is committed, what comes again, what a rebalance leaves."""

import asyncio
import contextlib
import logging
import pathlib
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import kafka as kafka_python
import pytest
import pytest_asyncio
from kafka import admin

from panini.stack import kafka as stack_kafka
from wire import envelope
from wire import settings as wire_settings
from workers import member, source


class Member:
    """A source whose records are kept, and finished when the test says so."""

    def __init__(self, bench: "Bench", *, at_once: bool) -> None:
        self.records: list[source.Record] = []
        self.at_once = at_once
        self.before_revoked: Callable[[], None] = lambda: None
        self.room = 500
        self.sizes: list[int] = []
        """Jobs that were handed over together."""
        handlers = source.Handlers(
            records=self._take,
            room=lambda _: self.room,
            opened=self._never,
            ready=lambda _: 0,
            revoked=self._revoked,
        )
        self.source = source.Source(handlers, max_records=50)
        self.member = member.Member(
            self.source,
            connections=bench.connections,
            group=bench.topic,
            topics=[bench.topic],
            datadir=str(bench.folder),
            session_timeout=6.0,
        )

    def _take(self, fetched: list[source.Record]) -> None:
        self.records += fetched
        self.sizes.append(sum(envelope.jobs_in(record.value) for record in fetched))
        if self.at_once:
            for record in fetched:
                self.source.finished(record)

    def _never(self) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().create_future()

    async def _revoked(self) -> None:
        self.before_revoked()

    @property
    def values(self) -> list[bytes | None]:
        """What arrived."""
        return [record.value for record in self.records]

    def finish(self, *but: bytes) -> None:
        """Everything that arrived, but these."""
        for record in self.records:
            if record.value not in but:
                self.source.finished(record)


class Bench:
    """A topic of its own on the shared broker, and the members of its group."""

    def __init__(self, kafka: stack_kafka.Kafka, folder: pathlib.Path) -> None:
        self.kafka = kafka
        self.folder = folder
        self.topic = f"source-{uuid.uuid4().hex[:12]}"
        self.connections = wire_settings.Connections(
            kafka=kafka.bootstrap, kafka_username=kafka.username, kafka_password=kafka.client["sasl_plain_password"]
        )
        self.members: list[Member] = []

    def create(self, partitions: int) -> None:
        """Make the topic."""
        with contextlib.closing(kafka_python.KafkaAdminClient(**self.kafka.client)) as client:
            client.create_topics([admin.NewTopic(self.topic, partitions, 1)])

    async def member(self, *, at_once: bool = True) -> Member:
        """One more member, which holds partitions when this returns."""
        made = Member(self, at_once=at_once)
        self.members.append(made)
        await made.member.start()
        await until(lambda: made.source.assigned)
        return made

    async def leave(self, member: Member) -> None:
        """It commits and goes."""
        self.members.remove(member)
        await member.member.stop()

    async def produce(self, *values: bytes | None, partition: int | None = None) -> None:
        """Write records."""
        await asyncio.to_thread(self._produce, values, partition)

    def _produce(self, values: tuple[bytes | None, ...], partition: int | None) -> None:
        with contextlib.closing(kafka_python.KafkaProducer(**self.kafka.client)) as producer:
            for sent in [producer.send(self.topic, value, key=b"", partition=partition) for value in values]:
                sent.get(30)

    def committed(self) -> dict[int, int]:
        """The group's committed offsets."""
        with contextlib.closing(kafka_python.KafkaAdminClient(**self.kafka.client)) as client:
            found: dict[Any, Any] = client.list_group_offsets(self.topic)[self.topic]
        return {tp.partition: at.offset for tp, at in found.items() if at.offset >= 0}

    def ends(self, partitions: int) -> dict[int, int]:
        """The end offsets."""
        with contextlib.closing(kafka_python.KafkaConsumer(**self.kafka.client)) as client:
            wanted = [kafka_python.TopicPartition(self.topic, number) for number in range(partitions)]
            return {tp.partition: end for tp, end in client.end_offsets(wanted).items() if end}


@pytest_asyncio.fixture
async def bench(kafka: stack_kafka.Kafka, tmp_path: pathlib.Path) -> AsyncIterator[Bench]:
    """A bench whose members are gone afterwards."""
    made = Bench(kafka, tmp_path)
    yield made
    for one in made.members:
        await one.member.stop()


async def until(true: Callable[[], object]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  any condition of a test's
            await asyncio.sleep(0.01)


async def test_a_backlog_arrives_in_order_and_is_committed_when_finished(bench: Bench) -> None:
    # Given records that wait in two partitions
    bench.create(2)
    for partition in (0, 1):
        await bench.produce(*[b"%d-%d" % (partition, i) for i in range(120)], partition=partition)
    # When a member joins
    member = await bench.member()
    await until(lambda: len(member.records) == 240)
    # Then each partition's records come in order, and all is committed
    for partition in (0, 1):
        found = [record.value for record in member.records if record.partition == partition]
        assert found == [b"%d-%d" % (partition, i) for i in range(120)]
    await member.member.commit()
    assert bench.committed() == {0: 120, 1: 120}


async def test_records_of_many_jobs_come_as_there_is_room_for_their_jobs(bench: Bench) -> None:
    """A backlog of large records must not fill the memory, whatever the records before it were like.

    Catches room being told in records again.
    """
    # Given first small records, then large ones, all fetched in one go
    bench.create(1)
    small, large = b"\x91\x80", b"\xdc" + (400).to_bytes(2, "big") + 400 * b"\x80"
    await bench.produce(*[small] * 100, *[large] * 100)
    # When a member has room for 500 jobs whenever it is asked
    member = await bench.member()
    await until(lambda: len(member.records) == 200)
    # Then all come, and the last record of a helping at most is more than there is room for
    assert member.values == [small] * 100 + [large] * 100
    assert max(member.sizes) < 500 + 400


async def test_nothing_is_committed_past_an_unfinished_record(bench: Bench) -> None:
    """On a real broker: 10 committed, 11 and 12 finished, stays 10; and with nothing committed, 5 and 6 finished.

    Catches faust's own `Consumer._new_offset` being used again in place of workers.offsets.
    """
    bench.create(1)
    member = await bench.member(at_once=False)
    # Given seven records, of which the last two are finished
    await bench.produce(*[b"%d" % i for i in range(7)])
    await until(lambda: len(member.records) == 7)
    member.finish(b"0", b"1", b"2", b"3", b"4")
    await member.member.commit()
    assert bench.committed().get(0, 0) == 0
    # ... then the others
    member.finish()
    await member.member.commit()
    assert bench.committed() == {0: 7}
    # When later ones finish before an earlier one
    await bench.produce(b"7", b"8", b"9")
    await until(lambda: len(member.records) == 10)
    member.finish(b"7")
    await member.member.commit()
    assert bench.committed() == {0: 7}
    # Then a restart brings it, and those behind it, again
    await bench.leave(member)
    assert bench.committed() == {0: 7}
    again = await bench.member()
    await until(lambda: len(again.records) >= 3)
    assert again.values == [b"7", b"8", b"9"]


async def test_members_that_come_and_go_under_load_lose_nothing(bench: Bench) -> None:
    """Catches records of a fetch that spanned a rebalance being dropped with the position past them (`_give_back`)."""
    partitions, total = 4, 6000
    bench.create(partitions)
    first = await bench.member()
    # Given records that keep coming
    everything = [b"%d" % i for i in range(total)]

    async def pour() -> None:
        for start in range(0, total, 100):
            await bench.produce(*everything[start : start + 100])

    pouring = asyncio.create_task(pour())
    # When members join and leave meanwhile
    seen = [first]
    while not pouring.done():
        other = await bench.member()
        seen.append(other)
        await until(lambda other=other: other.records or pouring.done())  # type: ignore[misc]
        await bench.leave(other)
    await pouring
    # Then every record arrived somewhere, and all is committed
    await until(lambda: {value for member in seen for value in member.values} == set(everything))
    await first.member.commit()
    await until(lambda: bench.committed() == bench.ends(partitions))
    assert len(seen) > 1


async def test_what_ends_while_partitions_are_taken_away_is_not_run_again(bench: Bench) -> None:
    """Catches a rebalance that does not wait for what runs (`handlers.revoked` before `consumer.commit`)."""
    bench.create(1)
    first = await bench.member(at_once=False)
    await bench.produce(b"0", b"1")
    await until(lambda: len(first.records) == 2)
    # Given records that are finished when the partitions are about to be taken
    first.before_revoked = first.finish
    # When another member joins, and the first leaves
    other = Member(bench, at_once=True)
    bench.members.append(other)
    generation = first.source.generation
    await other.member.start()
    await until(lambda: first.source.generation > generation + 1)
    await bench.leave(first)
    await bench.produce(b"2")
    await until(lambda: b"2" in other.values + first.values)
    # Then nothing came twice
    assert sorted(value for value in other.values + first.values if value) == [b"0", b"1", b"2"]


async def test_a_record_of_an_earlier_assignment_changes_nothing(bench: Bench) -> None:
    bench.create(1)
    first = await bench.member(at_once=False)
    await bench.produce(b"0", b"1")
    await until(lambda: len(first.records) == 2)
    old = list(first.records)
    # When a rebalance came in between
    other = Member(bench, at_once=False)
    bench.members.append(other)
    generation = first.source.generation
    await other.member.start()
    await until(lambda: first.source.generation > generation + 1)
    # Then an end of then is void: nothing is committed for it
    for record in old:
        first.source.finished(record)
    await first.member.commit()
    assert bench.committed().get(0, 0) == 0
    assert other.member.failed is None


async def test_transactions_and_null_values(bench: Bench) -> None:
    """Markers take offsets: catches lag that never ends (`commits.note_positions`), and aborted records as jobs."""
    bench.create(1)
    member = await bench.member()
    transactions = {"transactional_id": bench.topic, "transaction_timeout_ms": 10_000}

    def pipeline() -> None:
        with contextlib.closing(kafka_python.KafkaProducer(**bench.kafka.client, **transactions)) as producer:
            producer.init_transactions()
            producer.begin_transaction()
            producer.send(bench.topic, b"aborted").get(30)
            producer.abort_transaction()
            producer.begin_transaction()
            producer.send(bench.topic, None, key=b"k").get(30)
            producer.send(bench.topic, b"kept").get(30)
            producer.commit_transaction()

    await asyncio.to_thread(pipeline)
    await until(lambda: b"kept" in member.values)
    assert member.values == [None, b"kept"]
    # Then the group reaches the very end, the last marker included
    await until(lambda: bench.committed() == bench.ends(1))


async def test_a_removed_topic_does_not_hold_up_the_end(bench: Bench) -> None:
    bench.create(1)
    member = await bench.member(at_once=False)
    await bench.produce(b"0")
    await until(lambda: member.records)
    member.finish()
    with contextlib.closing(kafka_python.KafkaAdminClient(**bench.kafka.client)) as client:
        client.delete_topics([bench.topic])
    member.source.revoke()
    async with asyncio.timeout(10):
        await bench.leave(member)


async def test_a_member_that_is_old_and_well_says_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Faust looks every 2.5 s whether the partitions are consumed; after five minutes it said that none was."""
    # Given a member that consumes, and began an hour ago
    await asyncio.to_thread(bench.create, 2)
    member = await bench.member()
    await bench.produce(b"a")
    await until(lambda: member.values)
    assert member.member._app is not None
    consumer: Any = member.member._app.consumer
    consumer._thread.time_started -= 3600
    held = consumer._thread._ensure_consumer()._subscription.subscription.assignment
    for tp in held.tps:
        held.state_value(tp).timestamp = None  # as fetches of ours leave it; the first may have been the library's
    caplog.clear()
    # When it is looked at
    await consumer.verify_all_partitions_active()
    # Then nobody is told of anything
    ours = [record for record in caplog.records if record.name.partition(".")[0] in {"workers", "faust", "aiokafka"}]
    assert [record.message for record in ours if record.levelno >= logging.WARNING] == []
