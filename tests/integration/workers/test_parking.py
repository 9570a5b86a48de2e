"""Parked jobs and lanes on a real broker: topics made when needed, a head that is awaited, a lane that is full."""

import asyncio
import contextlib
import json
import pathlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import kafka as kafka_python
import pytest
import pytest_asyncio
from kafka import admin

from panini.stack import kafka as stack_kafka
from wire import names
from wire import settings as wire_settings
from workers import errors, member, parking, produce, source, tickets


class Desk:
    """A worker's source without its pipeline: records are kept, finished when the test says so."""

    def __init__(self, connections: wire_settings.Connections, model: str, folder: pathlib.Path) -> None:
        self.model = model
        self.records: list[source.Record] = []
        self.closed: set[str] = set()
        self.reopened: asyncio.Future[None] | None = None
        self.at_once = True
        """Whether a record counts as finished when it arrives."""
        self.source = source.Source(
            source.Handlers(
                records=self._take,
                room=lambda topic: 0 if topic in self.closed else 500,
                opened=self._opened,
                ready=self._ready,
                revoked=self._revoked,
            )
        )
        self.member = member.Member(
            self.source, connections=connections, group=names.group("acme", model), topics=[], datadir=str(folder)
        )

    def _take(self, fetched: list[source.Record]) -> None:
        self.records += fetched
        if self.at_once:
            for record in fetched:
                self.source.finished(record)

    def _opened(self) -> "asyncio.Future[None]":
        self.reopened = asyncio.get_running_loop().create_future()
        return self.reopened

    def open(self) -> None:
        """Every lane has room."""
        self.closed.clear()
        if self.reopened is not None and not self.reopened.done():
            self.reopened.set_result(None)

    def _ready(self, record: Any) -> int:
        tier = tickets.tier_of(record.topic, "acme", self.model)
        ticket = tickets.read(record.headers)
        return 0 if tier is None else tickets.ready(ticket, tier=tier, parked_at=record.timestamp)

    async def _revoked(self) -> None:
        """Everything is finished."""

    def values(self, topic: str | None = None) -> list[bytes | None]:
        """What arrived, of one topic."""
        return [record.value for record in self.records if topic in {None, record.topic}]

    async def until(self, met: Callable[[], object]) -> None:
        """Wait until it is true."""
        async with asyncio.timeout(60):
            while not met():  # noqa: ASYNC110  the source has no event for a test
                await asyncio.sleep(0.02)


@pytest.fixture
def connections(kafka: stack_kafka.Kafka) -> wire_settings.Connections:
    """How its clients are let in."""
    return wire_settings.Connections(
        kafka=kafka.bootstrap,
        kafka_username=kafka.username,
        kafka_password=kafka.password,  # type: ignore[arg-type]
    )


@pytest.fixture
def model(kafka: stack_kafka.Kafka, request: pytest.FixtureRequest) -> str:
    """A model of this test, whose jobs topic is there, made with settings of its own."""
    name = "p" + str(abs(hash(request.node.name)) % 10**9)
    with contextlib.closing(admin.KafkaAdminClient(**kafka.client)) as client:
        wanted = {
            "num_partitions": 2,
            "replication_factor": 1,
            "configs": {"message.timestamp.type": "LogAppendTime", "retention.ms": "123456789"},
        }
        client.create_topics({names.jobs_topic("acme", name): wanted})
        client.wait_for_topics([names.jobs_topic("acme", name)])
    return name


@pytest_asyncio.fixture
async def producer(connections: wire_settings.Connections) -> AsyncIterator[produce.Producer]:
    """Closed with the test."""
    made = produce.Producer(connections)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def desk(connections: wire_settings.Connections, model: str, tmp_path: pathlib.Path) -> AsyncIterator[Desk]:
    """Not started yet; stopped with the test."""
    made = Desk(connections, model, tmp_path)
    yield made
    await made.member.stop()


def ticket(seconds: float, place: int = 0) -> tickets.Ticket:
    """Due so many seconds from now."""
    return tickets.Ticket(due=int((time.time() + seconds) * 1000), place=(0, place, 0), stamp=1)


def committed(kafka: stack_kafka.Kafka, model: str) -> dict[str, int]:
    """Records that count as finished, by topic."""
    group = names.group("acme", model)
    found: dict[str, int] = {}
    with contextlib.closing(admin.KafkaAdminClient(**kafka.client)) as client:
        for tp, place in client.list_group_offsets(group)[group].items():
            found[tp.topic] = found.get(tp.topic, 0) + max(place.offset, 0)
    return found


async def test_topics_are_made_like_the_models_own(
    kafka: stack_kafka.Kafka, producer: produce.Producer, model: str
) -> None:
    park = parking.Parking("acme", model, producer)

    first = await park.topics()
    await park.park([parking.Parked(content=b"x", ticket=ticket(60))])

    jobs, bulk, later = (of("acme", model) for of in (names.jobs_topic, names.bulk_topic, _minute))
    assert first == [jobs, bulk]
    assert await park.topics() == [jobs, bulk, later]
    assert await parking.Parking("acme", model, producer).topics() == [jobs, bulk, later], "another worker"
    with contextlib.closing(admin.KafkaAdminClient(**kafka.client)) as client:
        for described in client.describe_topics([bulk, later]):
            assert len(described["partitions"]) == 2
        text = str(client.describe_configs([admin.ConfigResource(admin.ConfigResourceType.TOPIC, later)]))
    assert "'123456789'" in text
    assert "'LogAppendTime'" in text


async def test_a_model_without_its_topic_gets_none(connections: wire_settings.Connections) -> None:
    made = produce.Producer(connections)
    with pytest.raises(errors.KafkaAway, match="there is no topic"):
        await made.make(["panini.acme.nobody.bulk"], like="panini.acme.nobody.jobs")


async def test_kafka_away_is_told() -> None:
    made = produce.Producer(wire_settings.Connections(kafka="127.0.0.1:1"), timeout=1.0)
    with pytest.raises(errors.KafkaAway):
        await made.send([produce.Record(topic="panini.acme.iris.later.10s", value=b"x")])
    with pytest.raises(errors.KafkaAway):
        await made.existing("panini.")


async def test_a_record_that_is_too_large_is_refused_for_good(producer: produce.Producer, model: str) -> None:
    record = produce.Record(topic=names.jobs_topic("acme", model), value=b"x" * (40 << 20))
    with pytest.raises(errors.KafkaRefused):
        await producer.send([record])


async def test_the_head_of_a_tier_is_awaited_and_holds_up_nobody(
    kafka: stack_kafka.Kafka, producer: produce.Producer, desk: Desk
) -> None:
    # Given a tier in which records lie one after the other
    park = parking.Parking("acme", desk.model, producer)
    later = names.later_topic("acme", desk.model, "10s")
    began = time.time()
    await park.park([parking.Parked(content=b"%d" % n, ticket=ticket(10, n)) for n in range(20)])
    desk.member.topics = await park.topics()
    await desk.member.start()
    # When jobs come in the meantime
    await desk.until(lambda: desk.source.sleeping)
    assert desk.values(later) == []
    with contextlib.closing(kafka_python.KafkaProducer(**kafka.client)) as pipeline:
        pipeline.send(names.jobs_topic("acme", desk.model), b"now").get(30)
    await desk.until(lambda: desk.values() == [b"now"])
    assert committed(kafka, desk.model).get(later, 0) == 0
    # Then the parked ones come when their time has come, each once, and are committed
    await desk.until(lambda: len(desk.values(later)) == 20)
    assert time.time() >= began + tickets.TIERS["10s"]
    assert sorted(desk.values(later), key=str) == sorted((b"%d" % n for n in range(20)), key=str)
    await desk.member.commit()
    assert committed(kafka, desk.model)[later] == 20


async def test_a_topic_made_while_it_runs_is_consumed_and_nothing_comes_twice(
    kafka: stack_kafka.Kafka, producer: produce.Producer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a worker that consumes, and has finished records that are not committed yet
    monkeypatch.setitem(tickets.TIERS, "10s", 1.0)
    park = parking.Parking("acme", desk.model, producer)
    desk.member.topics = await park.topics()
    await desk.member.start()
    following = asyncio.create_task(park.follow(desk.member))
    jobs = names.jobs_topic("acme", desk.model)
    with contextlib.closing(kafka_python.KafkaProducer(**kafka.client)) as pipeline:
        for n in range(50):
            pipeline.send(jobs, b"%d" % n)
        pipeline.flush()
        await desk.until(lambda: len(desk.values(jobs)) == 50)
        # When a job is parked in a tier that was never needed
        await park.park([parking.Parked(content=b"parked", ticket=ticket(1))])
        # Then it comes, and no job comes again
        await desk.until(lambda: b"parked" in desk.values())
        pipeline.send(jobs, b"last").get(30)
        await desk.until(lambda: b"last" in desk.values(jobs))
    assert len(desk.values(jobs)) == 51
    following.cancel()


async def test_a_lane_that_is_full_waits_and_the_other_goes_on(
    kafka: stack_kafka.Kafka, producer: produce.Producer, desk: Desk
) -> None:
    # Given a bulk lane that has no room, with records waiting
    park = parking.Parking("acme", desk.model, producer)
    desk.member.topics = await park.topics()
    jobs, bulk = names.jobs_topic("acme", desk.model), names.bulk_topic("acme", desk.model)
    desk.closed.add(bulk)
    with contextlib.closing(kafka_python.KafkaProducer(**kafka.client)) as pipeline:
        for n in range(100):
            pipeline.send(bulk, json.dumps(n).encode())
        pipeline.flush()
        await desk.member.start()
        # When an interactive job comes
        pipeline.send(jobs, b"now").get(30)
        # Then it is there, and bulk is when it has room
        await desk.until(lambda: desk.values() == [b"now"])
        desk.open()
        await desk.until(lambda: len(desk.values(bulk)) == 100)
    await desk.member.commit()
    assert committed(kafka, desk.model)[bulk] == 100


def _minute(account: str, model: str) -> str:
    return names.later_topic(account, model, "1m")
