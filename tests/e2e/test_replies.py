"""Reply topics: a finished job comes back through Kafka, for jobs of HTTP and of Kafka alike."""

import json
from typing import Any

import httpx
import kafka as kafka_python
from kafka import admin

from tests.e2e import kit


def topic(stack: kit.Stack, name: str) -> str:
    """A topic of the client's own."""
    client = kafka_python.KafkaAdminClient(**stack.kafka)
    try:
        client.create_topics([admin.NewTopic(name, 1, 1)])
    finally:
        client.close()
    return name


def replies(stack: kit.Stack, name: str, count: int) -> list[dict[str, Any]]:
    """The first `count` records of the topic, by job id."""
    consumer = kafka_python.KafkaConsumer(name, **stack.kafka, auto_offset_reset="earliest", consumer_timeout_ms=60_000)
    found = []
    try:
        for record in consumer:
            job = json.loads(record.value)
            assert dict(record.headers)["panini-id"] == job["id"].encode()
            found.append(job)
            if len(found) == count:
                break
    finally:
        consumer.close()
    return found


def test_finished_jobs_come_back_through_the_topic_they_name(stack: kit.Stack, http: httpx.Client) -> None:
    # Given a model that may reply to a topic
    model = stack.deploy(kit.DOUBLE, name="replying")
    name = topic(stack, "client.answers")
    assert http.put(f"/v1/models/{model}/reply-topics", json={"topics": [name]}).status_code == 200
    # When one job comes over HTTP, one from Kafka naming it in its value, one in its header
    posted = kit.until(lambda: _posted(http, model, name), "the allow-list holds")
    stack.produce(model, json.dumps({"id": "by-value", "input": 2, "reply_to": name}).encode())
    stack.produce(model, b'{"id": "by-header", "input": "x"}', headers=[("reply-to", name.encode())])
    # Then each comes back, finished, by its id
    found = {job["id"]: job for job in replies(stack, name, 3)}
    assert found[posted]["output"] == 2
    assert found["by-value"]["output"] == 4
    assert (found["by-header"]["status"], found["by-header"]["output"]) == ("succeeded", "xx")


def test_a_topic_that_is_not_allowed_is_refused(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    refused = http.post(f"/v1/models/{model}/jobs", json={"input": 1, "reply_to": "somebody.elses"})
    assert refused.status_code == 422
    assert "reply topics" in refused.json()["detail"]


def _posted(http: httpx.Client, model: str, name: str) -> str | None:
    answer = http.post(f"/v1/models/{model}/jobs", json={"input": 1, "reply_to": name})
    return str(answer.json()["id"]) if answer.status_code == 202 else None
