"""`Idempotency-Key` on a whole stack."""

import concurrent.futures
import os
import signal
import time
from typing import Any

import httpx

from panini.client import Client
from tests.e2e import kit


def key() -> str:
    return f"order-{time.time_ns()}"


def test_the_same_key_runs_once(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.logging_model())
    value, headers = time.time_ns() % 1_000_000, {"Idempotency-Key": key()}

    def post(**more: str) -> httpx.Response:
        return http.post(f"/v1/models/{model}/jobs", json={"input": value}, headers=headers | more)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(), range(16)))
    finished = post(Prefer="wait=20")
    again = post()

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["id"] for answer in [*answers, finished, again]}) == 1
    assert finished.status_code == 200
    assert finished.json()["output"] == 2 * value
    assert (again.status_code, again.json()) == (200, finished.json())
    predicted = http.post(f"/v1/models/{model}/predict", json={"input": value}, headers=headers).json()
    assert (predicted["query_id"], predicted["output"]) == (finished.json()["id"], 2 * value)
    kit.until(lambda: stack.unread(model) == 0, "every record is finished")
    assert kit.seen(stack, model).count(value) == 1


def test_another_body_is_422(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    headers = {"Idempotency-Key": key()}
    first = http.post(f"/v1/models/{model}/jobs", json={"input": 1}, headers=headers)

    other = http.post(f"/v1/models/{model}/jobs", json={"input": 2}, headers=headers)
    strange = http.post(f"/v1/models/{model}/jobs", json={"input": 2}, headers={"Idempotency-Key": "x" * 300})

    assert (first.status_code, other.status_code, strange.status_code) == (202, 422, 422)
    assert first.json()["id"] in other.json()["detail"]


def test_only_requests_with_a_key_need_redis(own_stack: kit.Stack) -> None:
    stack = own_stack.start()
    model = stack.deploy(kit.DOUBLE)
    with stack.http() as http, Client(stack.url, stack.key) as client:
        assert client.predict(model, 1) == 2
        pid = stack.pid("valkey")
        os.kill(pid, signal.SIGSTOP)
        try:
            without = http.post(f"/v1/models/{model}/jobs", json={"input": 3})
            refused = http.post(f"/v1/models/{model}/jobs", json={"input": 4}, headers={"Idempotency-Key": key()})
        finally:
            os.kill(pid, signal.SIGCONT)
        assert without.status_code == 202
        assert refused.status_code == 503
        assert refused.headers["retry-after"]

        def done() -> Any:
            answer = http.get(f"/v1/jobs/{without.json()['id']}")
            return answer.status_code == 200 and answer.json()["status"] == "succeeded"

        kit.until(done, "the job runs once Valkey goes on")
    assert stack.stop() == 0
