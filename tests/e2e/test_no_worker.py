"""Jobs that no worker holds: their place in the queue, and their ends, across separate processes."""

import json
import pathlib
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import httpx
import pytest

from panini.client import Client
from panini.stack import kafka as stack_kafka
from panini.stack import valkey as stack_valkey
from tests.e2e import kit
from tests.e2e.test_services_alone import Installation
from tests.integration.results.test_webhooks import Receiver

MODEL = "asleep"


@pytest.fixture
def asleep(
    tmp_path: pathlib.Path, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey
) -> Iterator[tuple[Installation, httpx.Client]]:
    """Two ingests and two results processes; a live model without any worker."""
    made = Installation(tmp_path / "installation", kafka, valkey)
    made.environ["PANINI_WEBHOOK_PRIVATE"] = "true"
    try:
        made.start(pages=False)
        folder = tmp_path / "model"
        folder.mkdir()
        for path, content in kit.DOUBLE.items():
            (folder / path).write_text(content)
        with Client(made.url, made.headers["Authorization"].split()[1]) as client:
            client.upload(folder, MODEL)
            worker = made.worker(0, MODEL)
            kit.until(lambda: client.model(MODEL).live, "the version is live", within=90)
        assert made.running.stop(worker) == 0
        kit.until(lambda: _post(http_of(made), made.ingest[0]).get("id"), "ingest knows of it")
        with http_of(made) as http:
            yield made, http
    finally:
        made.running.end()


def http_of(made: Installation) -> httpx.Client:
    return httpx.Client(headers=made.headers, trust_env=False, timeout=60)


def _post(http: httpx.Client, url: str, **words: Any) -> dict[str, Any]:
    found: dict[str, Any] = http.post(f"{url}/v1/models/{MODEL}/jobs", json={"input": 1} | words).json()
    return found


def _ended(http: httpx.Client, url: str, job_id: str) -> dict[str, Any] | None:
    found: dict[str, Any] = http.get(f"{url}/v1/jobs/{job_id}").json()
    return None if found["status"] == "queued" else found


def _expired(http: httpx.Client, url: str) -> float:
    """Jobs that this process ended at their deadlines."""
    lines = http.get(f"{url}/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("panini_jobs_expired_total"))


def test_queued_jobs_are_placed_and_end_without_a_worker(
    asleep: tuple[Installation, httpx.Client], tmp_path: pathlib.Path
) -> None:
    made, http = asleep
    receiver = Receiver(tmp_path)
    one, other = made.results

    # Places in the queue, by acceptance, whichever process accepted and whichever is asked
    ids = [_post(http, made.ingest[number % 2], metadata={"order": number})["id"] for number in range(3)]

    def place(url: str, job_id: str) -> int | None:
        found: int | None = http.get(f"{url}/v1/jobs/{job_id}").json().get("queue_position")
        return found

    places = [kit.until(lambda each=each: place(one, each), "it is noted") for each in ids]  # type: ignore[misc]
    assert places == [places[0], places[0] + 1, places[0] + 2]
    assert [place(other, each) for each in ids] == places
    listed = http.get(f"{one}/v1/models/{MODEL}/jobs", params={"status": "queued"}).json()["jobs"]
    assert {job["id"] for job in listed} >= {*ids}
    with http.stream("GET", f"{one}/v1/jobs/{ids[2]}/events") as response:
        lines = response.iter_lines()
        assert any(line == "event: position" for line in lines)
        assert json.loads(next(lines).removeprefix("data: ")) == {"queue_position": places[2]}

    # A cancel ends one at once, with its webhook, and the others move up
    hooked = _post(http, made.ingest[0], webhook=f"{receiver.url}/200/canceled")["id"]
    assert http.post(f"{other}/v1/jobs/{ids[0]}/cancel").json()["status"] == "canceled"
    assert place(one, ids[2]) == places[1]
    assert http.post(f"{other}/v1/jobs/{hooked}/cancel").json()["status"] == "canceled", "noted or not"
    kit.until(lambda: receiver.got("/200/canceled"), "its webhook is called")

    # A deadline ends one, with its webhook and its metadata; a POST that waits is told
    late = _post(
        http, made.ingest[1], deadline=time.time() + 1, webhook=f"{receiver.url}/200/expired", metadata={"order": 9}
    )["id"]
    with futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            http.post,
            f"{made.ingest[0]}/v1/models/{MODEL}/jobs",
            json={"input": 1, "deadline": time.time() + 1},
            headers={"Prefer": "wait=60"},
        )
        ended = kit.until(lambda: _ended(http, one, late), "it expires without a worker")
        assert (ended["status"], ended["metadata"], ended["version"]) == ("expired", {"order": 9}, None)
        answer = waiting.result(60)
    assert (answer.status_code, answer.json()["status"]) == (200, "expired")
    [request] = kit.until(lambda: receiver.got("/200/expired"), "its webhook is called")
    assert json.loads(request["body"])["type"] == "job.expired"

    # And so it does when the process that swept is killed
    sweeping = next(url for url in made.results if _expired(http, url))
    left = next(url for url in made.results if url != sweeping)
    before = _expired(http, left)
    made.running.kill(f"results-{made.results.index(sweeping)}")
    late = _post(http, made.ingest[0], deadline=time.time() + 0.5)["id"]
    assert kit.until(lambda: _ended(http, left, late), "the other process takes over")["status"] == "expired"
    assert _expired(http, left) > before

    # Sent again, as after an answer that was lost, it is not said to be queued (Acceptor._ended taken out says so)
    assert _post(http, made.ingest[0], id=late)["status"] == "expired"
    url, wait = f"{made.ingest[1]}/v1/models/{MODEL}/jobs", {"Prefer": "wait=1"}
    answer = http.post(url, json={"input": 1, "id": late}, headers=wait)
    assert (answer.status_code, answer.json()["status"]) == (200, "expired")

    # A worker then runs what is left, and nothing that ended
    made.worker(1, MODEL)
    found = [http.get(f"{left}/v1/jobs/{each}", params={"wait": 60}).json() for each in [*ids, hooked, late]]
    assert [job["status"] for job in found] == ["canceled", "succeeded", "succeeded", "canceled", "expired"]
    assert [job["attempt"] for job in found] == [0, 1, 1, 0, 0]
    assert len(receiver.got("/200/canceled")) == len(receiver.got("/200/expired")) == 1, "a worker calls none again"
    receiver.close()
