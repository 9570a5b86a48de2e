"""Lag asked from a real broker: never committed, partly done, transactions, parked jobs, models without a topic."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import kafka as kafka_python
import pytest
from kafka import admin

from panini.stack import kafka as stack_kafka
from wire import names
from wire import settings as wire_settings
from workers import errors, lag


@pytest.fixture
def model() -> lag.Model:
    return ("default", f"lag-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def client(kafka: stack_kafka.Kafka) -> Iterator[Any]:
    with contextlib.closing(admin.KafkaAdminClient(**kafka.client)) as client:
        yield client


@pytest.fixture
async def asked(kafka: stack_kafka.Kafka) -> AsyncIterator[lag.Lag]:
    asked = lag.Lag(connections(kafka))
    yield asked
    await asked.close()


def connections(broker: stack_kafka.Kafka, **given: Any) -> wire_settings.Connections:
    """Those of the fixture's broker."""
    known = {"kafka": broker.bootstrap, "kafka_username": broker.username, "kafka_password": broker.password}
    return wire_settings.Connections(**(known | given))


def make(client: Any, topic: str, partitions: int = 2) -> None:
    client.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
    client.wait_for_topics([topic])


def produce(kafka: stack_kafka.Kafka, topic: str, count: int, partition: int = 0) -> None:
    with contextlib.closing(kafka_python.KafkaProducer(**kafka.client)) as producer:
        for _ in range(count):
            producer.send(topic, b"{}", partition=partition)
        producer.flush()


def commit(client: Any, model: lag.Model, topic: str, partition: int, offset: int) -> None:
    place = kafka_python.TopicPartition(topic, partition)
    client.alter_group_offsets(names.group(*model), {place: kafka_python.OffsetAndMetadata(offset, "", -1)})


async def test_a_model_without_a_topic_waits_for_nothing(asked: lag.Lag, model: lag.Model) -> None:
    assert await asked.of([model]) == {model: lag.Backlog()}
    assert await asked.of([]) == {}


async def test_a_model_that_never_committed(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    topic = names.jobs_topic(*model)
    make(client, topic)
    assert (await asked.of([model]))[model] == lag.Backlog(partitions=2)

    produce(kafka, topic, 3)

    assert (await asked.of([model]))[model] == lag.Backlog(records=3, partitions=2)


async def test_what_is_committed_is_done_also_where_other_partitions_never_were(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    topic = names.jobs_topic(*model)
    make(client, topic)
    produce(kafka, topic, 5, partition=0)
    produce(kafka, topic, 2, partition=1)
    commit(client, model, topic, 0, 4)

    assert (await asked.of([model]))[model] == lag.Backlog(records=3, finished=4, partitions=2)


async def test_records_that_are_gone_are_not_waited_for(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    topic = names.jobs_topic(*model)
    make(client, topic, partitions=1)
    produce(kafka, topic, 6)

    client.delete_records({kafka_python.TopicPartition(topic, 0): 4})

    assert (await asked.of([model]))[model] == lag.Backlog(records=2, finished=4, partitions=1)


async def test_records_of_an_open_transaction_do_not_wait_yet(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    topic = names.jobs_topic(*model)
    make(client, topic, partitions=1)
    with contextlib.closing(kafka_python.KafkaProducer(**kafka.client, transactional_id=model[1])) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"{}", partition=0)
        producer.flush()
        during = (await asked.of([model]))[model]
        producer.commit_transaction()

    assert during.records == 0
    while (await asked.of([model]))[model].records != 2:  # the record, and the marker that the worker steps over
        pass  # the broker writes markers after its answer
    commit(client, model, topic, 0, 2)
    assert (await asked.of([model]))[model].records == 0


async def test_the_bulk_lane_counts_and_parked_jobs_are_told_apart(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    make(client, names.jobs_topic(*model))
    make(client, names.bulk_topic(*model))
    make(client, names.later_topic(*model, "10s"), partitions=1)
    assert (await asked.of([model]))[model].partitions == 2

    produce(kafka, names.jobs_topic(*model), 1)
    produce(kafka, names.bulk_topic(*model), 7)
    produce(kafka, names.later_topic(*model, "10s"), 2)

    assert (await asked.of([model]))[model] == lag.Backlog(records=8, parked=2, partitions=4)


async def test_models_are_not_mixed_up(kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model) -> None:
    longer = ("default", f"{model[1]}-two")
    for each, count in ((model, 1), (longer, 4)):
        make(client, names.jobs_topic(*each))
        produce(kafka, names.jobs_topic(*each), count)

    found = await asked.of([model, longer])

    assert {each: backlog.records for each, backlog in found.items()} == {model: 1, longer: 4}


@pytest.mark.parametrize("given", [{"kafka": "127.0.0.1:1"}, {"kafka_password": "wrong"}])
async def test_no_answer_is_told_as_such(kafka: stack_kafka.Kafka, given: dict[str, str], model: lag.Model) -> None:
    asked = lag.Lag(connections(kafka, **given), timeout=1.0)

    with pytest.raises(errors.LagUnknown, match="did not tell the lag"):
        await asked.of([model])
    await asked.close()


async def test_a_model_at_rest_is_seen_to_wake_and_to_rest_again(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    # Given a model whose records are all finished, as was seen
    topic = names.jobs_topic(*model)
    make(client, topic)
    produce(kafka, topic, 4)
    commit(client, model, topic, 0, 4)
    rest = lag.Backlog(finished=4, partitions=2)
    assert (await asked.of([model]))[model] == rest
    assert (await asked.of([model]))[model] == rest
    # When there is more, it is seen at once, and so is its end
    produce(kafka, topic, 1)
    assert (await asked.of([model]))[model] == lag.Backlog(records=1, finished=4, partitions=2)
    commit(client, model, topic, 0, 5)
    assert (await asked.of([model]))[model] == lag.Backlog(finished=5, partitions=2)


async def test_offsets_that_were_set_back_by_hand_are_seen_at_the_next_review(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = names.jobs_topic(*model)
    make(client, topic)
    produce(kafka, topic, 4)
    commit(client, model, topic, 0, 4)
    assert (await asked.of([model]))[model].records == 0
    commit(client, model, topic, 0, 1)
    monkeypatch.setattr(lag, "REVIEW", 0.0)
    assert (await asked.of([model]))[model].records == 3


async def test_a_topic_that_was_made_after_the_last_look_is_found(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    assert (await asked.of([model]))[model] == lag.Backlog()
    make(client, names.jobs_topic(*model))
    produce(kafka, names.jobs_topic(*model), 2)
    assert (await asked.of([model]))[model].records == 2


async def test_a_model_that_was_removed_and_made_again_begins_anew(
    kafka: stack_kafka.Kafka, client: Any, asked: lag.Lag, model: lag.Model
) -> None:
    # Given one that had finished two records, as was seen
    topic = names.jobs_topic(*model)
    make(client, topic)
    produce(kafka, topic, 2)
    commit(client, model, topic, 0, 2)
    assert (await asked.of([model]))[model].records == 0
    # When it is removed, with its group, and made again
    client.delete_topics([topic])
    client.delete_groups([names.group(*model)])
    while topic in client.list_topics():
        pass  # the broker answers before it is gone
    assert (await asked.of([model]))[model] == lag.Backlog()
    make(client, topic)
    produce(kafka, topic, 2)
    # Then its records wait
    assert (await asked.of([model]))[model].records == 2
