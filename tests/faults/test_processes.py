"""Panini's own processes killed: the worker, the API, everything; and a quiet end with Ctrl-C."""

import contextlib
import json
import os
import signal
import threading
from typing import Any

import httpx

from panini.stack import pidfile
from tests.e2e import kit
from tests.faults.test_engines import GATED, ended, open_gate
from wire import names


def worker(model: str) -> str:
    """The name of a model's first worker."""
    return f"worker.default.{model}.1"


def test_a_killed_workers_job_runs_again_and_is_charged(stack: kit.Stack, http: httpx.Client) -> None:
    """Catches a record that is committed before its jobs ended (Partition.committable): the job would be lost."""
    model = stack.deploy(kit.logging_model(GATED))
    # Given a job that runs
    job = http.post(f"/v1/models/{model}/jobs", json={"input": 1}).json()["id"]
    kit.until(lambda: kit.seen(stack, model) == [1], "it runs")
    # When its worker is killed
    stack.kill(worker(model))
    # Then another starts it again
    kit.until(lambda: kit.seen(stack, model) == [1, 1], "it runs again")
    open_gate(stack, model, 1)
    found = ended(http, job).json()
    assert (found["output"], found["attempt"]) == (2, 2)


def test_an_input_that_takes_its_worker_with_it_exhausts_only_itself(stack: kit.Stack, http: httpx.Client) -> None:
    """Catches jobs of a lost worker running together again (`claim.got.alone`), and starts without end (MAX_STARTS)."""
    model = stack.deploy(kit.logging_model(GATED))
    # Given a killer and two neighbours in one record
    value = json.dumps([{"id": f"n{number}", "input": number} for number in (21, 22, 23)]).encode()
    open_gate(stack, model, 22)
    open_gate(stack, model, 23)
    stack.produce(model, value)
    # When each of its starts loses its worker
    for starts in (1, 2, 3):
        kit.until(lambda starts=starts: kit.seen(stack, model).count(21) == starts, f"start {starts}")  # type: ignore[misc]
        stack.kill(worker(model))
    # Then it ends as exhausted, and its neighbours are answered
    url = f"/v1/models/{model}/jobs"

    def done(name: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            answer = http.get(f"{url}/{name}")
            return answer.json() if answer.status_code == 200 and answer.json()["completed_at"] else None

        return kit.until(look, name)

    assert done("n21")["error"]["type"] == "attempts_exhausted"
    assert [done("n22")["output"], done("n23")["output"]] == [44, 46]
    assert kit.seen(stack, model).count(21) == 3
    kit.until(lambda: stack.unread(model) == 0, "the topic goes on")


def test_a_killed_api_comes_back_with_every_job(stack: kit.Stack, http: httpx.Client) -> None:
    """Catches ids that only their process knows (ids.Signer) and a worker that ends with the registry (Worker)."""
    model = stack.deploy(kit.logging_model(GATED))
    # Given a job that runs, whose worker needs the registry for nothing
    job = http.post(f"/v1/models/{model}/jobs", json={"input": 31}).json()["id"]
    kit.until(lambda: 31 in kit.seen(stack, model), "it runs")
    # When the API is killed
    stack.kill("api")
    open_gate(stack, model, 31)

    # Then it comes back, and the job with it
    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return http.get("/readyz").status_code == 200
        return False

    kit.until(answers, "the API answers again")
    assert ended(http, job).json()["output"] == 62
    assert kit.seen(stack, model).count(31) == 1


def test_a_worker_told_to_stop_ends_what_it_runs(stack: kit.Stack, http: httpx.Client) -> None:
    """Catches a drain that drops what runs (Worker._drain): it would be started, and charged, a second time."""
    model = stack.deploy(kit.logging_model(GATED))
    job = http.post(f"/v1/models/{model}/jobs", json={"input": 41}).json()["id"]
    kit.until(lambda: 41 in kit.seen(stack, model), "it runs")
    # When its worker is told to stop, and predict answers only then
    pid = stack.pid(worker(model))
    was = pidfile.identity(pid)
    os.kill(pid, signal.SIGTERM)
    open_gate(stack, model, 41)
    kit.until(lambda: pidfile.identity(pid) != was, "the worker ended")
    # Then the job ended with its first start, and nothing of it is left
    found = ended(http, job).json()
    assert (found["output"], found["attempt"]) == (82, 1)
    kit.until(lambda: stack.unread(model) == 0, "its record is acknowledged")
    assert kit.seen(stack, model).count(41) == 1


def test_a_thousand_jobs_and_one_killed_worker(stack: kit.Stack, http: httpx.Client) -> None:
    """Every one succeeds, none changes after it was first seen, and what ran twice was charged for it.

    Catches offsets committed past unfinished records, claims without a fencing token, and ends that are written over.
    """
    model = stack.deploy(kit.logging_model("time.sleep(.002)"))
    inputs = list(range(1000))
    # Given a thousand jobs on their way, half over HTTP and half straight to Kafka, most of them in lists
    first_seen: dict[str, Any] = {}
    by_http: list[str] = []

    def post() -> None:
        with stack.client() as client:
            by_http.extend(job.id for job in client.submit_many(model, inputs[:500], concurrency=8))

    def pipe() -> None:
        with stack.producer() as producer:
            for start in range(500, 1000, 10):
                jobs = [{"id": f"k{number}", "input": number} for number in inputs[start : start + 10]]
                producer.send(names.jobs_topic("default", model), json.dumps(jobs).encode())

    senders = [threading.Thread(target=target) for target in (post, pipe)]
    for sender in senders:
        sender.start()
    # When the worker is killed in the middle
    kit.until(lambda: len(kit.seen(stack, model)) > 200, "a part of them ran")
    look_at(http, model, first_seen)
    stack.kill(worker(model))
    for sender in senders:
        sender.join()
    ids = [*by_http, *[f"k{number}" for number in inputs[500:]]]
    # Then all of them end, and each as it was first seen
    kit.until(lambda: look_at(http, model, first_seen) >= 1000, "all of them ended", within=120)
    assert set(first_seen) == set(ids)
    attempts = {}
    for number, job_id in zip(inputs, ids, strict=True):
        found = http.get(f"/v1/models/{model}/jobs/{job_id}").json()
        assert (found["status"], found["output"]) == ("succeeded", 2 * number), found
        assert (found["completed_at"], found["attempt"]) == first_seen[job_id]
        attempts[number] = found["attempt"]
    # ... predict's own log knows every one, and twice only those that were charged twice
    ran = kit.seen(stack, model)
    for number in inputs:
        assert 1 <= ran.count(number) <= attempts[number] <= 2, (number, ran.count(number), attempts[number])
    assert len(ran) < 1200
    kit.until(lambda: stack.unread(model) == 0, "every record is acknowledged")


def look_at(http: httpx.Client, model: str, first_seen: dict[str, Any]) -> int:
    """Note how jobs ended that were not seen before; nothing of those that were has changed. How many there are."""
    cursor: str | None = ""
    while cursor is not None:
        page = http.get(f"/v1/models/{model}/jobs", params={"limit": 200, "cursor": cursor}).json()
        for job in page["jobs"]:
            if job["completed_at"]:
                ended_as = (job["completed_at"], job["attempt"])
                assert first_seen.setdefault(job["id"], ended_as) == ended_as
        cursor = page["next"]
    return len(first_seen)


def test_after_a_power_cut_everything_is_still_there_and_queued_jobs_run(own_stack: kit.Stack) -> None:
    """Catches state that lives in a process: offsets, accepted jobs, results, keys, ports (home.note), the AOF."""
    own_stack.start()
    model = own_stack.deploy(kit.logging_model(GATED))
    with own_stack.http() as http:
        # Given one result, one job that runs, and jobs behind it
        open_gate(own_stack, model, 0)
        done = http.post(f"/v1/models/{model}/jobs", json={"input": 0}).json()["id"]
        ended(http, done)
        jobs = [http.post(f"/v1/models/{model}/jobs", json={"input": n}).json()["id"] for n in range(1, 6)]
        kit.until(lambda: 1 in kit.seen(own_stack, model), "one runs")
    key, connection = own_stack.key, own_stack.kafka
    # When everything is killed at once, and started again
    own_stack.kill_everything()
    for number in range(1, 6):
        open_gate(own_stack, model, number)
    own_stack.start()
    # Then the key and the addresses are the same, the result is there, and the queued jobs run
    assert own_stack.key == key
    assert own_stack.status()["kafka"] == connection
    with own_stack.http() as http:
        assert ended(http, done).json()["output"] == 0
        assert [ended(http, job).json()["output"] for job in jobs] == [2 * n for n in range(1, 6)]
    # ... and new ones, too
    with own_stack.client() as client:
        assert client.predict(model, 0) == 0
    # When it is told to stop by Ctrl-C, then nothing is left
    everything = own_stack.processes()
    assert own_stack.stop() == 0
    assert [pid for pid, was in everything.items() if pidfile.identity(pid) == was] == []


def test_ctrl_c_ends_what_runs_and_leaves_nothing_behind(own_stack: kit.Stack) -> None:
    """Catches a drain in the wrong order (Stack._drain): a result without Valkey, a commit without Kafka."""
    own_stack.start()
    model = own_stack.deploy(kit.logging_model(GATED))
    with own_stack.http() as http:
        job = http.post(f"/v1/models/{model}/jobs", json={"input": 1}).json()["id"]
        kit.until(lambda: kit.seen(own_stack, model) == [1], "it runs")
    everything = own_stack.processes()
    # When Ctrl-C comes, and predict answers after it
    stopping = threading.Thread(target=own_stack.stop)
    stopping.start()
    kit.until(lambda: "stopping" in own_stack.output.read_text(), "it stops")
    open_gate(own_stack, model, 1)
    stopping.join()
    # Then no process is left
    assert [pid for pid, was in everything.items() if pidfile.identity(pid) == was] == []
    # ... and the job ended with its first start
    own_stack.start()
    with own_stack.http() as http:
        found = ended(http, job).json()
        assert (found["output"], found["attempt"]) == (2, 1)
        assert own_stack.unread(model) == 0
    assert kit.seen(own_stack, model) == [1]
    own_stack.stop()
