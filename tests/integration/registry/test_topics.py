"""Models' topics on a real broker."""

import asyncio
import contextlib
import socket
import threading

import kafka as kafka_python
import pytest
from kafka import admin

from panini.stack import kafka as stack_kafka
from registry import errors, settings, topics
from tests.contract.registry import test_topics
from wire import names
from wire import settings as wire_settings


def made(bootstrap: str, username: str, password: str, **given: object) -> topics.KafkaTopics:
    """Topics of that broker."""
    connections = wire_settings.Connections.load(kafka=bootstrap, kafka_username=username, kafka_password=password)
    return topics.KafkaTopics(connections, settings.Settings.load(**given))


async def test_a_topic_is_as_the_settings_say(kafka: stack_kafka.Kafka) -> None:
    # Given
    mine = made(kafka.bootstrap, kafka.username, kafka.password, topic_partitions=3, topic_message_bytes=2 << 20)
    # When
    uuid = await mine.ensure("default", "settings")
    # Then
    topic = names.jobs_topic("default", "settings")
    with contextlib.closing(admin.KafkaAdminClient(**kafka.client)) as client:
        (described,) = client.describe_topics([topic])
        resource = admin.ConfigResource(admin.ConfigResourceType.TOPIC, topic)
        config = client.describe_configs([resource])
    assert topics.kafka_form(described["topic_id"]) == uuid
    assert len(described["partitions"]) == 3
    text = str(config)
    for name, value in {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "604800000",
        "retention.bytes": "-1",
        "max.message.bytes": str(2 << 20),
        "min.insync.replicas": "1",
    }.items():
        assert f"'{name}'" in text
        assert f"'{value}'" in text


async def test_every_topic_of_a_model_goes_with_it(kafka: stack_kafka.Kafka) -> None:
    # Given
    mine = made(kafka.bootstrap, kafka.username, kafka.password)
    await mine.ensure("default", "gone")
    with contextlib.closing(admin.KafkaAdminClient(**kafka.client)) as client:
        assert names.bulk_topic("default", "gone") in client.list_topics(), "both lanes are there from the beginning"
        client.create_topics([names.history_topic("default", "gone"), names.later_topic("default", "gone", "10s")])
        # When
        assert await test_topics.removed(mine, "default", "gone")
        # Then
        assert not [topic for topic in client.list_topics() if topic.startswith("panini.default.gone.")]


async def test_a_group_goes_with_its_model_once_nobody_is_in_it(kafka: stack_kafka.Kafka) -> None:
    """Catches `delete_groups`: committed offsets would be taken up by a model made again under the name."""
    # Given a member with a committed offset
    mine = made(kafka.bootstrap, kafka.username, kafka.password)
    await mine.ensure("default", "held")
    topic, group = names.jobs_topic("default", "held"), names.group("default", "held")
    with contextlib.closing(kafka_python.KafkaProducer(**kafka.client)) as producer:
        producer.send(topic, b"{}", partition=0).get(30)

    def joined() -> kafka_python.KafkaConsumer:
        member = kafka_python.KafkaConsumer(
            topic,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            metadata_max_age_ms=500,  # the library may join before it has heard of the topic; its own is 5 minutes
            **kafka.client,
        )
        while not member.poll(timeout_ms=200):
            pass
        member.commit()
        return member

    member = await asyncio.to_thread(joined)
    with contextlib.closing(admin.KafkaAdminClient(**kafka.client)) as client:
        # When / Then nothing goes while it is there
        assert not await mine.remove("default", "held")
        assert topic in client.list_topics()
        # or only its topics
        assert not await mine.remove("default", "held", members_too=True)
        assert topic not in client.list_topics()
        # and with it, all
        await asyncio.to_thread(member.close, autocommit=False)
        assert await mine.remove("default", "held")
        assert group not in {one["group_id"] for one in client.list_groups()}
    assert await mine.remove("default", "held"), "again"


async def test_more_copies_than_brokers(kafka: stack_kafka.Kafka) -> None:
    mine = made(kafka.bootstrap, kafka.username, kafka.password, topic_replication=3)
    with pytest.raises(errors.KafkaRefused, match="PANINI_TOPIC_"):
        await mine.ensure("default", "copies")


async def test_a_wrong_password(kafka: stack_kafka.Kafka) -> None:
    mine = made(kafka.bootstrap, kafka.username, "wrong", kafka_admin_timeout=1)
    with pytest.raises((errors.KafkaUnavailable, errors.KafkaRefused), match=r"password|rights"):
        await mine.ensure("default", "password")
    assert not [thread for thread in threading.enumerate() if "kafka" in thread.name.lower()]


async def test_no_broker() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mine = made(f"127.0.0.1:{free.getsockname()[1]}", "x", "x", kafka_admin_timeout=1)
        with pytest.raises(errors.KafkaUnavailable, match="does not answer"):
            await mine.ensure("default", "nobody")
