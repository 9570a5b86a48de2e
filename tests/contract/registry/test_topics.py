"""What the registry asks of Kafka, of the double and of a real broker alike."""

import asyncio
import re
from collections.abc import Callable

import pytest

from panini.stack import kafka as stack_kafka
from registry import errors, settings, topics
from tests.unit.registry import kit
from wire import settings as wire_settings

Make = Callable[[], topics.Topics]


def real(kafka: stack_kafka.Kafka, **given: object) -> topics.KafkaTopics:
    """Topics of a real broker."""
    connections = wire_settings.Connections.load(
        kafka=kafka.bootstrap, kafka_username=kafka.username, kafka_password=kafka.password
    )
    return topics.KafkaTopics(connections, settings.Settings.load(**given))


async def removed(made: topics.Topics, account: str, model: str) -> bool:
    """Remove it, as soon as a broker that was never asked for a group has a place for groups."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await made.remove(account, model)
            except errors.KafkaUnavailable:
                await asyncio.sleep(0.1)


@pytest.fixture(params=["double", "kafka"])
def made(request: pytest.FixtureRequest) -> topics.Topics:
    """One of the two."""
    return kit.Topics() if request.param == "double" else real(request.getfixturevalue("kafka"))


async def test_a_topic_keeps_its_id(made: topics.Topics) -> None:
    first = await made.ensure("contract", "keeps")
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", first)
    assert await made.ensure("contract", "keeps") == first


async def test_a_topic_made_again_has_another_id(made: topics.Topics) -> None:
    first = await made.ensure("contract", "again")
    assert await removed(made, "contract", "again")
    assert await made.ensure("contract", "again") != first


async def test_removing_spares_models_of_similar_names(made: topics.Topics) -> None:
    longer, other = await made.ensure("contract", "iris-2"), await made.ensure("contract2", "iris")
    await made.ensure("contract", "iris")
    await removed(made, "contract", "iris")
    assert await made.ensure("contract", "iris-2") == longer
    assert await made.ensure("contract2", "iris") == other


async def test_removing_nothing(made: topics.Topics) -> None:
    assert await removed(made, "contract", "nothing")
