"""The embedded Kafka, with a real broker."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kafka as kafka_python
import pytest
from kafka.admin import NewTopic

from panini.stack import broker, errors, home, pidfile, ports, secrets, settings
from panini.stack import kafka as stack_kafka
from tests import conftest

ODD_NAME = "home, with ü and a space: 100%"


def make_topic(client: dict[str, Any], name: str, **configuration: str) -> None:
    admin = kafka_python.KafkaAdminClient(**client)
    try:
        admin.create_topics([NewTopic(name, 1, 1, topic_configs=configuration)])
    finally:
        admin.close()


def produce(client: dict[str, Any], topic: str, value: bytes) -> None:
    producer = kafka_python.KafkaProducer(**client, acks="all", enable_idempotence=True)
    try:
        producer.send(topic, value).get(timeout=20)
    finally:
        producer.close()


def consume_one(client: dict[str, Any], topic: str, group: str) -> bytes:
    consumer = kafka_python.KafkaConsumer(topic, **client, group_id=group, auto_offset_reset="earliest")
    try:
        record = next(consumer)
        consumer.commit()
        return bytes(record.value)
    finally:
        consumer.close()


@pytest.fixture
def place(tmp_path: Path) -> home.Home:
    return conftest.make_home(tmp_path / ODD_NAME)


@pytest.fixture
async def own(place: home.Home) -> AsyncIterator[stack_kafka.Kafka]:
    """A broker of the test's own, not started; stopped at the end."""
    password = secrets.ensure(place.secrets)["panini_kafka_password"]
    server = stack_kafka.Kafka(place, settings.Settings.load(home=place.root), conftest.free_ports(), password)
    yield server
    await server.stop()


def test_a_record_goes_in_and_comes_out(kafka: stack_kafka.Kafka) -> None:
    make_topic(kafka.client, "in-and-out")
    produce(kafka.client, "in-and-out", b"value")
    assert consume_one(kafka.client, "in-and-out", "in-and-out") == b"value"


@pytest.mark.parametrize("codec", ["gzip", "lz4", "snappy", "zstd"])
def test_every_codec_works(kafka: stack_kafka.Kafka, codec: str) -> None:
    make_topic(kafka.client, f"codec-{codec}", **{"compression.type": codec})  # the broker itself compresses
    produce(kafka.client, f"codec-{codec}", b"value" * 1000)
    consumer = kafka_python.KafkaConsumer(**kafka.client)
    try:
        partition = kafka_python.TopicPartition(f"codec-{codec}", 0)
        assert consumer.end_offsets([partition]) == {partition: 1}
    finally:
        consumer.close()


def test_a_topic_is_never_made_by_mistake(kafka: stack_kafka.Kafka) -> None:
    producer = kafka_python.KafkaProducer(**kafka.client, max_block_ms=500)
    try:
        with pytest.raises(kafka_python.errors.KafkaError):
            producer.send("no-such-topic", b"value").get(timeout=5)
    finally:
        producer.close()


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused(kafka: stack_kafka.Kafka, password: str) -> None:
    client = {**kafka.client, "sasl_plain_password": password, "bootstrap_timeout_ms": 1500}
    with pytest.raises(kafka_python.errors.KafkaError):
        kafka_python.KafkaAdminClient(**client)


def test_nobody_is_let_in_without_a_password(kafka: stack_kafka.Kafka) -> None:
    with pytest.raises(kafka_python.errors.KafkaError):
        kafka_python.KafkaAdminClient(bootstrap_servers=kafka.bootstrap, bootstrap_timeout_ms=1500)


async def test_the_password_is_in_no_argument_and_only_in_private_files(kafka: stack_kafka.Kafka) -> None:
    assert kafka.password not in " ".join(kafka.child.spec.argv)
    looked = 0
    for folder, _, files in os.walk(kafka.place.root):  # steps over a folder that the broker deletes meanwhile
        for path in (Path(folder, name) for name in files):
            with contextlib.suppress(FileNotFoundError):  # as it renames checkpoints and deletes segments
                mode, content = path.stat().st_mode, path.read_bytes()
                looked += 1
                assert kafka.password.encode() not in content or mode & 0o077 == 0, path
    assert looked


async def test_killed_it_resumes_with_its_records_and_offsets(own: stack_kafka.Kafka) -> None:
    # Given a record that was acknowledged and one that was also consumed
    await own.start()
    await asyncio.to_thread(make_topic, own.client, "kept")
    await asyncio.to_thread(produce, own.client, "kept", b"first")
    assert await asyncio.to_thread(consume_one, own.client, "kept", "group") == b"first"
    await asyncio.to_thread(produce, own.client, "kept", b"second")
    # When it is killed and started again
    own.child.signal(signal.SIGKILL)
    assert await own.child.wait() == -signal.SIGKILL
    await own.start()
    # Then the group goes on where it was
    assert await asyncio.to_thread(consume_one, own.client, "kept", "group") == b"second"


async def test_stopped_it_leaves_no_process_and_no_pid_file(own: stack_kafka.Kafka) -> None:
    await own.start()
    pid = own.child.pid
    assert pidfile.running(own.place.pid_file("kafka")) == pid
    await own.stop()
    assert pidfile.identity(pid) is None
    assert not own.place.pid_file("kafka").exists()


async def test_a_broker_that_an_earlier_run_left_is_ended_first(own: stack_kafka.Kafka, place: home.Home) -> None:
    # Given a broker whose supervisor is gone, as far as this one can know
    left = stack_kafka.Kafka(place, own.options, own.where, own.password)
    await left.start()
    # When another starts on the same home
    await own.start()
    # Then there is one, and it answers
    await left.child.wait()
    assert own.child.running
    await asyncio.to_thread(make_topic, own.client, "there")


@pytest.mark.parametrize(
    ("field", "variable"),
    [("kafka", "PANINI_KAFKA_PORT"), ("kafka_controller", "PANINI_KAFKA_CONTROLLER_PORT")],
)
async def test_a_taken_port_is_named_with_its_holder_and_the_way_out(
    own: stack_kafka.Kafka, field: str, variable: str
) -> None:
    port = getattr(own.where, field)
    with socket.create_server((ports.HOST, port)), pytest.raises(errors.PortTaken) as caught:
        await own.start()
    assert str(port) in str(caught.value)
    assert variable in str(caught.value)
    if sys.platform == "linux":
        assert f"process {os.getpid()}" in str(caught.value)


async def test_a_broker_that_ends_at_once_is_told_with_the_end_of_its_log(own: stack_kafka.Kafka) -> None:
    (own.place.kafka / broker.DATA).mkdir()
    (own.place.kafka / broker.DATA / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    with pytest.raises(errors.ServerFailed, match=r"ended with code 1.*kafka\.log") as caught:
        await own.start()
    assert "configured node id" in str(caught.value)
    assert not own.child.running


async def test_a_broker_that_does_not_answer_is_ended(own: stack_kafka.Kafka) -> None:
    own.options = settings.Settings.load(home=own.place.root, kafka_start_timeout=0.01)
    with pytest.raises(errors.ServerFailed, match="did not answer within"):
        await own.start()
    assert not own.child.running
