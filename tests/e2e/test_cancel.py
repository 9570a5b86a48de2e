"""Cancel, deadline, timeout and delete, as clients see them, on a whole stack."""

import json
import pathlib
import time
from typing import Any

import httpx

from panini.client import Client
from tests.e2e import kit
from wire import jobs

SLOW = {
    "predict.py": (
        "import os, time\n"
        "CACHE = os.environ['XDG_CACHE_HOME']\n"
        "RUNNER = os.urandom(6).hex()\n"
        "def predict(inputs):\n"
        "    out = []\n"
        "    for x in inputs:\n"
        "        with open(os.path.join(CACHE, 'began'), 'a') as file:\n"
        "            file.write(f\"{x['name']} {RUNNER}\\n\")\n"
        "        time.sleep(x['sleep'])\n"
        "        out.append(x['name'])\n"
        "    return out\n"
    )
}
"""Notes each input it begins, sleeps as it is told, and answers its name."""

TOGETHER = SLOW | {"panini.toml": "batch = true\nmax_batch = 8\ncache = false\n"}


def began(stack: kit.Stack, model: str, name: str) -> list[str]:
    """The runners that began this input."""
    path = pathlib.Path(stack.cache(model)) / "began"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split()[1] for line in lines if line.split()[0] == name]


def test_a_queued_job_never_starts(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(SLOW)
    first = client.submit(model, {"name": "first", "sleep": 1.0})
    kit.until(lambda: began(stack, model, "first"), "the first job runs")
    # three batches may be claimed at once: what is behind them is queued
    claimed = []
    for name in ("second", "third"):
        claimed.append(client.submit(model, {"name": name, "sleep": 0.5}))
        kit.until(lambda: claimed[-1].refresh().status is jobs.Status.RUNNING, "it is claimed")
    queued = client.submit(model, {"name": "queued", "sleep": 0})

    canceled = queued.cancel()

    assert canceled.status is jobs.Status.CANCELED
    assert [job.result(30) for job in (first, *claimed)] == ["first", "second", "third"]
    assert client.predict(model, {"name": "after", "sleep": 0}) == "after"
    assert began(stack, model, "queued") == []
    assert queued.refresh().status is jobs.Status.CANCELED
    assert queued.cancel().status is jobs.Status.CANCELED, "once more changes nothing"
    assert first.cancel().status is jobs.Status.SUCCEEDED, "an ended job stays as it is"


def test_a_running_job_ends_and_its_runner_with_it(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(SLOW)
    job = client.submit(model, {"name": "endless", "sleep": 600})
    kit.until(lambda: began(stack, model, "endless"), "it runs")

    canceled = job.cancel()

    assert canceled.status is jobs.Status.CANCELED
    assert canceled.document["started_at"]
    assert client.predict(model, {"name": "next", "sleep": 0}) == "next"
    assert began(stack, model, "next") != began(stack, model, "endless"), "its runner was killed"
    assert job.refresh().status is jobs.Status.CANCELED


def test_neighbours_of_a_canceled_job_get_their_answers_uncharged(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(TOGETHER)
    client.predict(model, {"name": "warm", "sleep": 0.01})
    # one record, so that all are one batch and one predict() call, in which the second would sleep for ever
    ids = [f"cancel-{time.time_ns()}-{number}" for number in range(3)]
    inputs = [{"name": "a", "sleep": 0}, {"name": "stuck", "sleep": 600}, {"name": "c", "sleep": 0}]
    record = [{"id": job_id, "input": one} for job_id, one in zip(ids, inputs, strict=True)]
    stack.produce(model, json.dumps(record).encode())
    kit.until(lambda: began(stack, model, "stuck"), "the batch runs")
    with stack.http() as http:

        def canceled() -> Any:
            return http.post(f"/v1/models/{model}/jobs/{ids[1]}/cancel").json()["status"] == "canceled"

        assert canceled()
        # while the call has hardly begun, a new runner is cheaper than waiting for ten minutes
        found = [client.job(ids[number], model=model, wait=60) for number in (0, 2)]

    assert [job.output for job in found] == ["a", "c"]
    assert [job.document["attempt"] for job in found] == [1, 1]
    assert len(began(stack, model, "stuck")) == 1


def test_a_job_in_kafka_is_canceled_before_a_worker_read_it(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(SLOW)
    own = f"order-{time.time_ns()}"
    with stack.http() as http:
        answer = http.post(f"/v1/models/{model}/jobs/{own}/cancel")
    assert answer.json()["status"] == "canceled"

    stack.produce(model, json.dumps({"id": own, "input": {"name": own, "sleep": 0}}).encode())
    assert client.predict(model, {"name": "behind", "sleep": 0}) == "behind"

    assert client.job(own, model=model).status is jobs.Status.CANCELED
    kit.until(lambda: stack.unread(model) == 0, "its record counts as finished")
    assert began(stack, model, own) == []


def test_past_its_deadline_a_job_never_starts(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(SLOW)
    holders = [client.submit(model, {"name": f"holder{n}", "sleep": 0.7}) for n in range(2)]
    kit.until(lambda: holders[1].refresh().status is not jobs.Status.QUEUED, "both places are taken")

    late = client.submit(model, {"name": "late", "sleep": 0}, deadline=time.time() + 0.05)

    assert late.wait(30).status is jobs.Status.EXPIRED
    assert began(stack, model, "late") == []
    assert [job.result(30) for job in holders] == ["holder0", "holder1"]


def test_a_job_may_take_its_own_timeout(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(SLOW)

    job = client.submit(model, {"name": "long", "sleep": 600}, timeout=0.3).wait(60)

    assert job.status is jobs.Status.FAILED
    assert job.error is not None
    assert job.error.type == "timeout"
    assert "0.3 s" in job.error.message


def test_delete_drops_a_result(stack: kit.Stack, client: Client, http: httpx.Client) -> None:
    model = stack.deploy(SLOW)
    job = client.submit(model, {"name": "x", "sleep": 0})
    job.wait(30)
    running = client.submit(model, {"name": "running", "sleep": 600})
    kit.until(lambda: running.refresh().status is jobs.Status.RUNNING, "it runs")

    assert http.delete(f"/v1/jobs/{job.id}").status_code == 204
    assert http.delete(f"/v1/jobs/{running.id}").status_code == 409

    assert http.get(f"/v1/jobs/{job.id}").status_code == 410
    assert http.delete(f"/v1/jobs/{job.id}").status_code == 204, "once more changes nothing"
    running.cancel()
    other = httpx.Client(base_url=stack.url, trust_env=False)
    assert other.post(f"/v1/jobs/{job.id}/cancel").status_code == 401
    assert http.post("/v1/jobs/j_nobody/cancel").status_code == 404
    other.close()
