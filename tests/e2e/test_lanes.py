"""Two lanes: bulk goes where interactive leaves room, and one key's flood does not stand before others."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e import kit
from wire import names

BATCH = 8


@pytest.fixture(scope="module")
def slow() -> dict[str, str]:
    """A model that takes 10 ms an input, `BATCH` at once."""
    return kit.logging_model("time.sleep(0.01)", batch=False, max_batch=BATCH)


def bulk_set(http: httpx.Client, model: str, count: int) -> dict[str, Any]:
    """A bulk set whose inputs are 1000, 1001, …"""
    lines = b"".join(b'{"input": %d}\n' % (1000 + n) for n in range(count))
    answer = http.post(f"/v1/models/{model}/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    assert found["accepted"] == count
    return found


def test_a_job_may_ask_for_the_bulk_lane(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)

    posted = http.post(f"/v1/models/{model}/jobs", json={"input": 21, "lane": "bulk"}).raise_for_status()
    other = http.post(f"/v1/models/{model}/jobs", json={"input": 21}).raise_for_status()
    wrong = http.post(f"/v1/models/{model}/jobs", json={"input": 21, "lane": "fast"})

    assert (posted.status_code, posted.json()["lane"]) == (202, "bulk")
    assert "lane" not in other.json()
    assert wrong.status_code == 422
    ended = http.get(posted.headers["Location"], params={"wait": 30}).json()
    assert (ended["status"], ended["output"]) == ("succeeded", 42)


def test_an_interactive_job_passes_a_bulk_set(stack: kit.Stack, http: httpx.Client, slow: dict[str, str]) -> None:
    # Given a bulk set of 20 s of work that is being worked off
    model = stack.deploy(slow, name="passes")
    bulk_set(http, model, 2000)
    kit.until(lambda: len(kit.seen(stack, model)) > 3 * BATCH, "it is being worked off")
    for number in range(10):
        # When an interactive job comes
        before = len(kit.seen(stack, model))
        answer = http.post(f"/v1/models/{model}/jobs", json={"input": number}, headers={"Prefer": "wait=30"})
        # Then it is answered, and had no more than the running batch before it (and what ran while it was accepted)
        assert answer.json()["output"] == 2 * number
        place = kit.seen(stack, model).index(number)
        assert place - before <= 3 * BATCH
    assert len(kit.seen(stack, model)) < 2000


def test_bulk_goes_on_under_interactive_load(stack: kit.Stack, http: httpx.Client, slow: dict[str, str]) -> None:
    # Given both lanes with more than can be done for a while
    model = stack.deploy(slow, name="starves")
    job = json.dumps([{"input": 1} for _ in range(1000)]).encode()
    with stack.producer() as producer:
        for partition in range(2):
            producer.send(names.jobs_topic("default", model), job, partition=partition).get(30)
    bulk_set(http, model, 50)
    # Then bulk is done before interactive is
    kit.until(lambda: sum(x >= 1000 for x in kit.seen(stack, model)) == 50, "bulk is done", within=120)
    assert kit.seen(stack, model).count(1) < 2000


def test_direct_records_of_the_bulk_lane_have_places_of_their_own(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    with stack.producer() as producer:
        sent = producer.send(names.bulk_topic("default", model), b'{"input": 8}').get(30)
    address = f"/v1/models/{model}/records/{names.BULK_PARTITION + sent.partition}/{sent.offset}"

    def look() -> Any:
        answer = http.get(address)
        return answer.status_code == 200 and answer.json()["jobs"][0]["status"] == "succeeded" and answer.json()

    assert kit.until(look, "it ends")["jobs"][0]["output"] == 16


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Stack]:
    """A stack that takes ten unfinished interactive jobs of a key."""
    made = kit.Stack(tmp_path_factory.mktemp("narrow"), environ={"PANINI_INGEST_FLOOD": "10"})
    try:
        yield made.start()
    finally:
        made.stop()
        made.end()


def test_a_keys_flood_goes_to_the_bulk_lane(narrow: kit.Stack) -> None:
    files = kit.logging_model("time.sleep(0.3)", batch=False, max_batch=1)
    model = narrow.deploy(files)
    with narrow.http() as http:
        # Given a client that does not wait for its jobs
        def post() -> dict[str, Any]:
            found: dict[str, Any] = http.post(f"/v1/models/{model}/jobs", json={"input": 1}).raise_for_status().json()
            return found

        assert not any("lane" in post() for _ in range(10))
        # Then further ones are told to be in the bulk lane
        kit.until(lambda: post().get("lane") == "bulk", "its further jobs are bulk")
        assert post()["lane"] == "bulk"

        # And once it waited, no more
        def calm() -> bool:
            time.sleep(0.5)  # a question to Redis is due once a second
            return "lane" not in post()

        kit.until(calm, "it is interactive again", within=90)
