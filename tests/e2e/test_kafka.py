"""Straight to Kafka: plain kafka-python, no Panini on the sender's side."""

import json
from typing import Any

import httpx
import kafka
import msgspec
import pytest

from tests.e2e import kit

pack = msgspec.msgpack.encode


@pytest.fixture(scope="module")
def double(stack: kit.Stack) -> str:
    return stack.deploy(kit.DOUBLE)


def outputs(http: httpx.Client, model: str, place: kit.Place) -> list[Any]:
    """The outputs of a record's jobs, or why there is none."""
    answer = kit.until(
        lambda: found if (found := records(http, model, place)).status_code != 404 else None, f"{place} was read"
    )
    assert answer.status_code == 200, answer.text
    return [job["output"] if job["status"] == "succeeded" else job["error"]["type"] for job in answer.json()["jobs"]]


def records(http: httpx.Client, model: str, place: kit.Place) -> httpx.Response:
    return http.get(f"/v1/models/{model}/records/{place.partition}/{place.offset}", params={"wait": 20})


def test_ten_lines_of_kafka_python(stack: kit.Stack, http: httpx.Client, double: str) -> None:
    producer = kafka.KafkaProducer(**stack.status()["kafka"])
    topic = f"panini.default.{double}.jobs"
    sent = producer.send(topic, json.dumps({"id": "mine-1", "input": 21}).encode()).get(30)
    producer.close()
    job = http.get(f"/v1/models/{double}/jobs/mine-1", params={"wait": 20})
    if job.status_code == 404:  # the worker had not read it yet
        outputs(http, double, kit.Place(partition=sent.partition, offset=sent.offset))
        job = http.get(f"/v1/models/{double}/jobs/mine-1", params={"wait": 20})
    assert job.json()["output"] == 42


@pytest.mark.parametrize("encode", [pack, lambda value: json.dumps(value).encode()], ids=["msgpack", "json"])
def test_one_job_and_a_list_in_either_coding(stack: kit.Stack, http: httpx.Client, double: str, encode: Any) -> None:
    one, many = stack.produce(
        double, encode({"input": 1}), encode([{"input": 2}, {"input": 3, "id": f"own-{encode({})[:1].hex()}"}])
    )
    assert outputs(http, double, one) == [2]
    assert outputs(http, double, many) == [4, 6]


def test_an_id_in_the_header(stack: kit.Stack, http: httpx.Client, double: str) -> None:
    (place,) = stack.produce(double, b'{"input": 5}', headers=[("panini-id", b"by-header")])
    assert outputs(http, double, place) == [10]
    assert http.get(f"/v1/models/{double}/jobs/by-header").json()["output"] == 10


def test_a_job_without_an_id_gets_one_from_its_place(stack: kit.Stack, http: httpx.Client, double: str) -> None:
    (place,) = stack.produce(double, b'{"input": 7}')
    assert outputs(http, double, place) == [14]
    (job,) = records(http, double, place).json()["jobs"]
    assert job["id"].endswith(f"-{place.partition}-{place.offset}-0")
    assert http.get(f"/v1/models/{double}/jobs/{job['id']}").json()["output"] == 14


@pytest.mark.parametrize("compression", ["gzip", None])
def test_compressed_records(stack: kit.Stack, http: httpx.Client, double: str, compression: str | None) -> None:
    with stack.producer(compression_type=compression) as producer:
        sent = producer.send(f"panini.default.{double}.jobs", b'{"input": 8}').get(30)
    assert outputs(http, double, kit.Place(partition=sent.partition, offset=sent.offset)) == [16]


NO_JOBS: dict[str, bytes | None] = {
    "broken-bytes": b"\xc1\xff\x00garbage",
    "broken-json": b'{"input": ',
    "null-value": None,
    "empty": b"",
    "empty-list": b"[]",
    "number": b"7",
    "no-input": b"{}",
    "nan": b'{"input": NaN}',
    "deep-json": b'{"input": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    "deep-msgpack": b"\x81\xa5input" + b"\x91" * 2000 + b"\xc0",
    "list-of-numbers": b"[1]",
    "wrong-version": pack({"input": 1, "version": "three"}),
}


def test_what_is_no_job_fails_is_kept_and_never_stops_the_topic(
    stack: kit.Stack, http: httpx.Client, double: str
) -> None:
    # Given every kind of record that is no job, one with an id, and good ones around
    values = [b'{"input": 1}', *NO_JOBS.values(), b'{"id": "named", "version": 1}', b'{"input": 2}']
    first, *bad, named, last = stack.produce(double, *values)
    # Then the good ones are answered
    assert outputs(http, double, first) == [2]
    assert outputs(http, double, last) == [4]
    # ... each of the others ended as failed, and says why
    for name, place in zip(NO_JOBS, bad, strict=True):
        assert outputs(http, double, place) == ["invalid_input"], name
        (job,) = records(http, double, place).json()["jobs"]
        assert job["error"]["message"], name
    assert outputs(http, double, named) == ["invalid_input"]
    assert http.get(f"/v1/models/{double}/jobs/named").json()["status"] == "failed"
    # ... and nothing is left unread
    kit.until(lambda: stack.unread(double) == 0, "all is committed")


def test_one_bad_job_of_a_list_fails_alone(stack: kit.Stack, http: httpx.Client, double: str) -> None:
    value = b'[{"input": 1}, {"input": 1, "metadata": 3}, 5, {"input": 4}]'
    (place,) = stack.produce(double, value)
    assert outputs(http, double, place) == [2, "invalid_input", "invalid_input", 8]


def test_a_record_too_large_is_refused_by_kafka_itself(stack: kit.Stack, double: str) -> None:
    with stack.producer(max_request_size=64 << 20) as producer, pytest.raises(kafka.errors.MessageSizeTooLargeError):
        producer.send(f"panini.default.{double}.jobs", b'{"input": "' + b"x" * (40 << 20) + b'"}').get(60)


def test_a_transaction_that_was_aborted_is_no_job(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.logging_model())
    with stack.producer(transactional_id="pipeline") as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(f"panini.default.{model}.jobs", b'{"input": 1}').get(30)
        producer.abort_transaction()
        producer.begin_transaction()
        kept = producer.send(f"panini.default.{model}.jobs", b'{"input": 2}').get(30)
        producer.commit_transaction()
    assert outputs(http, model, kit.Place(partition=kept.partition, offset=kept.offset)) == [4]
    kit.until(lambda: stack.unread(model) == 0, "markers are stepped over, so that lag reaches zero")
    assert kit.seen(stack, model) == [2]


def test_the_same_id_twice_runs_once(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.logging_model())
    places = stack.produce(model, *[b'{"id": "same", "input": 9}'] * 5)
    kit.until(lambda: stack.unread(model) == 0, "all are done")
    for place in places:
        assert outputs(http, model, place) == [18]
    assert kit.seen(stack, model).count(9) == 1
