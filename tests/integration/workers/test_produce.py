"""Records of a worker (parked jobs, replies) on a broker that hangs: told as away, and written when it is back."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import kafka as kafka_python
import pytest
import pytest_asyncio
from kafka import admin

from panini.stack import kafka as stack_kafka
from panini.stack import secrets, settings
from tests import conftest
from tests.e2e import kit
from wire import settings as wire_settings
from workers import errors, produce

RECORD = produce.Record(topic="parked", value=b"x")


@pytest_asyncio.fixture
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stack_kafka.Kafka]:
    """A broker of the test's own, since it is made to hang."""
    place = conftest.make_home(tmp_path_factory.mktemp("hanging"))
    password = secrets.ensure(place.secrets)["panini_kafka_password"]
    server = stack_kafka.Kafka(place, settings.Settings.load(home=place.root), conftest.free_ports(), password)
    await server.start()
    with contextlib.closing(kafka_python.KafkaAdminClient(**server.client)) as client:
        client.create_topics([admin.NewTopic(RECORD.topic, 1, 1)])
    yield server
    await server.stop()


async def test_a_broker_that_hangs_is_away_and_back_without_a_trace(broker: stack_kafka.Kafka) -> None:
    """Catches kafka-python's own close(), which raises while records are unanswered (`_KafkaProducer.flush`): an
    error of no kind that a worker knows, for which it would end."""
    connections = wire_settings.Connections(
        kafka=broker.bootstrap, kafka_username=broker.username, kafka_password=broker.client["sasl_plain_password"]
    )
    made = produce.Producer(connections, timeout=1.5)
    await made.send([RECORD])
    before = threading.active_count()
    # Given a broker that hangs
    with kit.hanging(broker.child.pid):
        for _ in range(2):
            with pytest.raises(errors.KafkaAway):
                await made.send([RECORD])

    # When it is back; then records are written
    async def sent() -> bool:
        with contextlib.suppress(errors.KafkaAway):
            await made.send([RECORD])
            return True
        return False

    async with asyncio.timeout(30):
        while not await sent():
            pass
        while threading.active_count() > before + 2:  # noqa: ASYNC110  threads have no event; two of the loop's pool
            await asyncio.sleep(0.05)
    await made.close()
