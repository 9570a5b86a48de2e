"""Records on a real broker, behind a connection that is cut: each is written once, in its partition, in its order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import kafka as kafka_python
import pytest
import pytest_asyncio
from kafka import admin
from kafka.net import connection
from kafka.partitioner import default as partitioner

from ingest import errors, network, writer
from panini.stack import kafka as stack_kafka

NUMBERS = iter(range(1_000_000))


@pytest.fixture
def client(kafka: stack_kafka.Kafka) -> Iterator[kafka_python.KafkaAdminClient]:
    with contextlib.closing(kafka_python.KafkaAdminClient(**kafka.client)) as made:
        yield made


@pytest.fixture
def topic(client: kafka_python.KafkaAdminClient) -> str:
    """One of its own, of four partitions."""
    name = f"written-{next(NUMBERS)}"
    client.create_topics([admin.NewTopic(name, 4, 1)])
    return name


@pytest_asyncio.fixture
async def into(kafka: stack_kafka.Kafka) -> AsyncIterator[writer.Writer]:
    made = writer.Writer(kafka.client, timeout=10)
    await made.start()
    yield made
    await made.drain(10)
    made.close()


def write(into: writer.Writer, topic: str, value: bytes, key: bytes | None = None) -> "asyncio.Future[tuple[int, int]]":
    """Its partition and offset, once it is acknowledged."""
    ended: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

    def acknowledged(partition: int, offset: int) -> None:
        assert not ended.done()  # told once
        ended.set_result((partition, offset))

    into.send(topic, value, key, acknowledged, ended.set_exception)
    return ended


def read(kafka: stack_kafka.Kafka, topic: str) -> dict[tuple[int, int], bytes]:
    """All records of the topic, by partition and offset."""
    with contextlib.closing(kafka_python.KafkaConsumer(**kafka.client)) as consumer:
        places = [kafka_python.TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        consumer.seek_to_beginning()
        found: dict[tuple[int, int], bytes] = {}
        while any(consumer.position(place) < ends[place] for place in places):
            for place, records in consumer.poll(timeout_ms=1000).items():
                found |= {(place.partition, record.offset): record.value for record in records}
        return found


async def test_records_lie_where_the_writer_says(kafka: stack_kafka.Kafka, into: writer.Writer, topic: str) -> None:
    await into.learn(topic)
    values = [b"%d" % number for number in range(200)]
    places = await asyncio.gather(*(write(into, topic, value) for value in values))
    found = await asyncio.to_thread(read, kafka, topic)
    assert found == dict(zip(places, values, strict=True))
    assert {partition for partition, _ in places} == {0, 1, 2, 3}


async def test_a_key_has_the_partition_that_any_client_gives_it(into: writer.Writer, topic: str) -> None:
    await into.learn(topic)
    for key in (b"a", b"another", b"\xff\x00"):
        (partition, first), (same, second) = [await write(into, topic, b"v", key) for _ in range(2)]
        assert partition == same == (partitioner.murmur2(key) & 0x7FFFFFFF) % 4
        assert second > first


@pytest.mark.parametrize("lost", ["the answers", "the requests"])
async def test_what_is_sent_again_is_written_once_and_in_order(
    kafka: stack_kafka.Kafka, into: writer.Writer, topic: str, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Catches the sequence number given anew when a record is sent again, and the next record sent before it."""
    await into.learn(topic)
    cuts = iter([1, 0, 1, 1, 0] * 4)
    broken = kafka_python.errors.KafkaConnectionError("cut")
    taken, sent = connection.KafkaConnection.data_received, network.Transport.write

    def cut_answers(self: connection.KafkaConnection, data: bytes) -> None:
        self.transport.abort(broken) if next(cuts, 0) else taken(self, data)

    def cut_requests(self: network.Transport, data: bytes) -> None:
        self.abort(broken) if next(cuts, 0) else sent(self, data)

    # Given a connection that is lost again and again, after the broker has the record or before
    if lost == "the answers":
        monkeypatch.setattr(connection.KafkaConnection, "data_received", cut_answers)
    else:
        monkeypatch.setattr(network.Transport, "write", cut_requests)
    # When records of one partition are written, one behind the other
    values = [b"%d" % number for number in range(20)]
    places = await asyncio.gather(*(write(into, topic, value, b"key") for value in values))
    # Then each is there once, and they lie in their order
    monkeypatch.undo()
    found = await asyncio.to_thread(read, kafka, topic)
    assert [found[place] for place in sorted(found)] == values
    assert sorted(places) == places


async def test_a_record_that_no_broker_takes_fails_and_the_next_does_not(
    kafka: stack_kafka.Kafka, into: writer.Writer, topic: str
) -> None:
    await into.learn(topic)
    large = write(into, topic, b"x" * (64 << 20), b"key")
    small = write(into, topic, b"small", b"key")
    with pytest.raises(errors.KafkaUnavailable):
        await large
    await small
    assert list((await asyncio.to_thread(read, kafka, topic)).values()) == [b"small"]


async def test_numbers_that_the_broker_does_not_know_are_given_anew(
    kafka: stack_kafka.Kafka, into: writer.Writer, topic: str
) -> None:
    """Catches the `_renew` of UNKNOWN_PRODUCER taken out: the partition would be closed for ever."""
    await into.learn(topic)
    await write(into, topic, b"1", b"key")
    # Given a sequence number that is not the next
    for partition in into._topics[topic]:
        partition.sequence += 100
    await asyncio.gather(*(write(into, topic, value, b"key") for value in (b"2", b"3")))
    assert list((await asyncio.to_thread(read, kafka, topic)).values()) == [b"1", b"2", b"3"]


async def test_a_broker_that_may_not_be_asked_fails_its_record_and_not_the_partition(
    kafka: stack_kafka.Kafka, into: writer.Writer, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the `except` around Manager.send taken out: the partition would be busy for ever."""
    await into.learn(topic)

    def refused(*_: object, **__: object) -> None:
        raise kafka_python.errors.SaslAuthenticationFailedError("not any more")

    with monkeypatch.context() as patched:
        patched.setattr(into._manager, "send", refused)
        with pytest.raises(errors.KafkaUnavailable, match="not any more"):
            await write(into, topic, b"1", b"key")
    await write(into, topic, b"2", b"key")
    assert list((await asyncio.to_thread(read, kafka, topic)).values()) == [b"2"]


async def test_new_partitions_are_used(client: kafka_python.KafkaAdminClient, into: writer.Writer, topic: str) -> None:
    await into.learn(topic)
    await asyncio.to_thread(client.create_partitions, {topic: 6})
    async with asyncio.timeout(30):
        while len(into._topics[topic]) < 6:
            await into._network.settled(into._cluster.request_update())
    places = await asyncio.gather(*(write(into, topic, b"v") for _ in range(100)))
    assert {partition for partition, _ in places} == set(range(6))


async def test_a_topic_that_is_made_anew_is_written_to(
    client: kafka_python.KafkaAdminClient, into: writer.Writer, topic: str
) -> None:
    await into.learn(topic)
    await write(into, topic, b"v", b"key")
    await asyncio.to_thread(client.delete_topics, [topic])
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(kafka_python.errors.TopicAlreadyExistsError):
                await asyncio.to_thread(client.create_topics, [admin.NewTopic(topic, 4, 1)])
                break
    assert (await write(into, topic, b"v", b"key"))[1] == 0


async def test_a_topic_that_is_not_there_is_asked_for_no_longer(kafka: stack_kafka.Kafka) -> None:
    made = writer.Writer(kafka.client, timeout=1)
    await made.start()
    with pytest.raises(errors.KafkaUnavailable, match="nowhere"):
        await made.learn("nowhere")
    assert "nowhere" not in made._cluster._topics
    made.close()


async def test_closing_fails_what_waits_and_takes_nothing_more(into: writer.Writer, topic: str) -> None:
    await into.learn(topic)
    waiting = [write(into, topic, b"v", b"key") for _ in range(3)]
    into.close()
    for one in [*waiting, write(into, topic, b"v")]:
        with pytest.raises(errors.KafkaUnavailable):
            await one
