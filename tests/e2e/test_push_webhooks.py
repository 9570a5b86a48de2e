"""Webhooks on a whole stack: set by a job or a model, from HTTP or Kafka, signed, logged, redelivered."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from panini.client import Client
from tests.e2e import kit
from tests.integration.results.test_webhooks import Receiver


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    made = Receiver(tmp_path_factory.mktemp("receiver"))
    yield made
    made.close()


def arrived(receiver: Receiver, path: str, count: int = 1) -> list[dict[str, Any]]:
    """The requests on `path`, once there are so many."""

    def look() -> list[dict[str, Any]] | None:
        found = receiver.got(path)
        return found if len(found) >= count else None

    return kit.until(look, f"{count} webhooks arrive at {path}")


def test_a_job_with_a_webhook(stack: kit.Stack, client: Client, http: httpx.Client, receiver: Receiver) -> None:
    model = stack.deploy(kit.DOUBLE)
    secret = http.get(f"/v1/models/{model}/webhook-secret").json()["secret"]

    job = client.submit(model, 21, webhook=f"{receiver.url}/200/one", metadata={"order": 7})

    [request] = arrived(receiver, "/200/one")
    payload = Webhook(secret).verify(request["body"], request["headers"])
    assert payload["type"] == "job.succeeded"
    assert payload["data"] == http.get(f"/v1/jobs/{job.id}").json()
    assert payload["data"]["output"] == 42

    def delivered() -> Any:
        [found] = http.get(f"/v1/jobs/{job.id}/deliveries").json()["deliveries"]
        return found if found["state"] == "delivered" else None

    found = kit.until(delivered, "the delivery is written down")
    assert [(one["number"], one["status_code"], one["error"]) for one in found["tries"]] == [(1, 200, None)]
    assert http.post(f"/v1/jobs/{job.id}/redeliver").status_code == 202
    again = arrived(receiver, "/200/one", 2)[1]
    assert again["headers"]["webhook-id"] == request["headers"]["webhook-id"]


def test_a_trace_goes_from_the_post_to_the_webhook(stack: kit.Stack, http: httpx.Client, receiver: Receiver) -> None:
    model = stack.deploy(kit.DOUBLE)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    answer = http.post(
        f"/v1/models/{model}/jobs",
        json={"input": 4, "webhook": f"{receiver.url}/200/traced"},
        headers={"traceparent": trace},
    )

    assert answer.status_code == 202
    [request] = arrived(receiver, "/200/traced")
    assert request["headers"]["traceparent"] == trace


def test_a_receiver_that_fails_first(stack: kit.Stack, client: Client, receiver: Receiver) -> None:
    model = stack.deploy(kit.DOUBLE)
    job = client.submit(model, 1, webhook=f"{receiver.url}/flaky/e2e")

    first, second = arrived(receiver, "/flaky/e2e", 2)

    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert job.result(10) == 2


def test_the_models_default_is_for_jobs_from_kafka_too(
    stack: kit.Stack, http: httpx.Client, receiver: Receiver
) -> None:
    model = stack.deploy(kit.DOUBLE, name="hooked")
    assert http.put(f"/v1/models/{model}/webhook", json={"url": f"{receiver.url}/200/default"}).status_code == 200
    secret = http.post(f"/v1/models/{model}/webhook-secret/rotate").json()["secret"]

    def own(number: int) -> str:
        return f"hook-{time.time_ns()}-{number}"

    # the worker learns of a setting within 5 s; what is produced until then goes without
    def produced() -> Any:
        stack.produce(model, json.dumps({"id": own(1), "input": 5}).encode())
        time.sleep(0.3)
        return receiver.got("/200/default")

    [request, *_] = kit.until(produced, "a job from Kafka is pushed")
    payload = Webhook(secret).verify(request["body"], request["headers"])
    assert payload["data"]["output"] == 10
    assert len(request["headers"]["webhook-signature"].split()) == 2, "both secrets sign for a day"
    job_id = payload["data"]["id"]
    found = http.get(f"/v1/models/{model}/jobs/{job_id}/deliveries").json()["deliveries"]
    assert found[0]["url"] == f"{receiver.url}/200/default"


@pytest.mark.parametrize(
    "body",
    [
        {"webhook": "ftp://example.com"},
        {"webhook": "https://"},
        {"webhook": "https://example.com/" + "x" * 3000},
        {"webhook": "https://u:p@example.com/"},
        {"webhook": 7},
        {"webhook_events": ["succeeded"]},
        {"webhook": "https://example.com/", "webhook_events": ["running"]},
    ],
)
def test_a_bad_webhook_is_refused_at_once(stack: kit.Stack, http: httpx.Client, body: dict[str, Any]) -> None:
    model = stack.deploy(kit.DOUBLE)

    answer = http.post(f"/v1/models/{model}/jobs", json={"input": 1} | body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_nothing_to_deliver(stack: kit.Stack, client: Client, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    job = client.submit(model, 1, wait=20)

    assert http.get(f"/v1/jobs/{job.id}/deliveries").json() == {"deliveries": []}
    assert http.post(f"/v1/jobs/{job.id}/redeliver").status_code == 409
    assert http.get(f"/v1/models/{model}/jobs/nobody-knows/deliveries").status_code == 404


def test_only_the_asked_ends(stack: kit.Stack, client: Client, receiver: Receiver) -> None:
    model = stack.deploy({"predict.py": "def predict(inputs):\n    return [1 / x for x in inputs]\n"})
    words: dict[str, Any] = {"webhook": f"{receiver.url}/200/failed", "webhook_events": ["failed"]}

    assert client.submit(model, 1, **words).result(30) == 1
    failed = client.submit(model, 0, **words).wait(30)

    requests = arrived(receiver, "/200/failed")
    assert [json.loads(one["body"])["data"]["id"] for one in requests] == [failed.id]
