"""The producer on a broker that hangs and comes back: refused in time, and taken again at once."""

import asyncio
import contextlib
import pathlib
import threading
from collections.abc import AsyncIterator

import kafka as kafka_python
import prometheus_client
import pytest
import pytest_asyncio
from kafka import admin

from ingest import errors, producer
from panini.stack import kafka as stack_kafka
from panini.stack import secrets, settings
from tests import conftest
from tests.e2e import kit
from wire import envelope

TOPIC = "panini.default.m.jobs"
JOB = envelope.encode(envelope.Envelope(id="a", input=envelope.value_input(1)))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stack_kafka.Kafka]:
    """A broker of this module's own, since it is made to hang."""
    place = conftest.make_home(tmp_path_factory.mktemp("hanging"))
    password = secrets.ensure(place.secrets)["panini_kafka_password"]
    server = stack_kafka.Kafka(place, settings.Settings.load(home=place.root), conftest.free_ports(), password)
    await server.start()
    with contextlib.closing(kafka_python.KafkaAdminClient(**server.client)) as client:
        client.create_topics([admin.NewTopic(TOPIC, 4, 1)])
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def into(broker: stack_kafka.Kafka) -> AsyncIterator[producer.Producer]:
    """A producer that is connected."""
    made = producer.Producer(kafka_python=broker.client, buffer_bytes=1 << 20, ack_timeout=2.5)
    await made.start()
    await until_taken(made)
    yield made
    await made.stop()


def counted() -> float:
    """Jobs of the model that this process' metrics say were acknowledged."""
    labels = {"account": "default", "model": "m"}
    return prometheus_client.REGISTRY.get_sample_value("panini_jobs_accepted_total", labels) or 0.0


async def until_taken(into: producer.Producer) -> producer.Place:
    """Send until it is taken; the refusals in between are those of a broker that is away."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await into.accept(TOPIC, JOB)
            except errors.KafkaUnavailable:
                await asyncio.sleep(0.05)


async def test_an_acknowledged_job_has_its_place(into: producer.Producer) -> None:
    first = await into.accept(TOPIC, JOB)
    many = await asyncio.gather(*(into.accept(TOPIC, JOB) for _ in range(300)))
    places = {(place.partition, place.offset) for place in [first, *many]}
    assert len(places) < 50  # jobs that came together shared records


async def test_every_acknowledged_job_is_counted(into: producer.Producer) -> None:
    before = counted()
    record = envelope.join_record([JOB] * 5)
    await asyncio.gather(*(into.accept(TOPIC, JOB) for _ in range(30)), into.accept_record(TOPIC, record, jobs=5))
    assert counted() - before == 35


@pytest.mark.parametrize("tries", [1, 4])
async def test_a_broker_that_hung_takes_jobs_again_as_soon_as_it_is_back(
    broker: stack_kafka.Kafka, into: producer.Producer, tries: int
) -> None:
    # Given a broker that hangs; then every job is refused, the first of them within the bound
    with kit.hanging(broker.child.pid):
        async with asyncio.timeout(30):
            for _ in range(tries):
                with pytest.raises(errors.KafkaUnavailable):
                    await into.accept(TOPIC, JOB)
    # When it goes on; then jobs are taken, alone and together
    await until_taken(into)
    await asyncio.gather(*(into.accept(TOPIC, JOB) for _ in range(200)))


async def test_a_writer_that_is_replaced_leaves_nothing_behind(
    broker: stack_kafka.Kafka, into: producer.Producer
) -> None:
    """Catches `Manager.close` or `Network.close` taken out of Writer._close."""
    before, threads = _opened(), threading.active_count()
    for _ in range(3):
        with kit.hanging(broker.child.pid), pytest.raises(errors.KafkaUnavailable):
            await into.accept(TOPIC, JOB)
        await until_taken(into)
    async with asyncio.timeout(30):
        while _opened() > before:  # noqa: ASYNC110  sockets have no event
            await asyncio.sleep(0.05)
    assert threading.active_count() <= threads


def _opened() -> int:
    """Sockets and epolls of this process."""
    found = 0
    for entry in pathlib.Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists them
            found += str(entry.readlink()).startswith(("socket:", "anon_inode:"))
    return found


async def test_stopping_does_not_wait_for_a_broker_that_hangs(
    broker: stack_kafka.Kafka, tmp_path: pathlib.Path
) -> None:
    made = producer.Producer(kafka_python=broker.client, buffer_bytes=1 << 20, ack_timeout=1.0)
    await made.start()
    await until_taken(made)
    with kit.hanging(broker.child.pid):
        waiting = asyncio.ensure_future(made.accept(TOPIC, JOB))
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await made.stop()
        with pytest.raises(errors.KafkaUnavailable):
            await waiting


async def test_a_wrong_password_is_not_connected(broker: stack_kafka.Kafka) -> None:
    wrong = broker.client | {"sasl_plain_password": "wrong"}
    made = producer.Producer(kafka_python=wrong, buffer_bytes=1 << 20, ack_timeout=1.0)
    await made.start()
    with pytest.raises(errors.KafkaUnavailable):
        await made.accept(TOPIC, JOB)
    assert not made.connected
    await made.stop()


async def test_a_topic_that_is_not_there_harms_no_other(into: producer.Producer) -> None:
    with pytest.raises(errors.KafkaUnavailable):
        await into.accept("panini.default.gone.jobs", JOB)
    await into.accept(TOPIC, JOB)
