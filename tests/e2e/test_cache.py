"""Identical inputs are answered once: by whichever way they come in, as long as nobody says otherwise."""

import json
from typing import Any

import httpx
import pytest

from panini.client import Client
from tests.e2e import kit

HOLD = "while not os.path.exists(os.environ['XDG_CACHE_HOME'] + '/go'): time.sleep(.02)"


def deploy(stack: kit.Stack, body: str = "", *, name: str | None = None, **options: Any) -> str:
    """A model that keeps a log of what it was given, and may be cached."""
    return stack.deploy(kit.logging_model(body, **({"cache": True} | options)), name=name)


def finished(http: httpx.Client, model: str, value: Any, **more: Any) -> dict[str, Any]:
    """The finished job of this input."""
    headers = {"Prefer": "wait=20"}
    answer = http.post(f"/v1/models/{model}/jobs", json={"input": value} | more, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def job(http: httpx.Client, model: str, job_id: str) -> dict[str, Any]:
    """A job by any id, once it ended."""

    def look() -> dict[str, Any] | None:
        answer = http.get(f"/v1/models/{model}/jobs/{job_id}?wait=20")
        found: dict[str, Any] = answer.json()
        return found if answer.status_code == 200 and found["completed_at"] else None

    return kit.until(look, f"{job_id} ends")


def test_an_identical_input_is_answered_without_running(stack: kit.Stack, http: httpx.Client) -> None:
    model = deploy(stack, name="cached-post")
    first = finished(http, model, 7)

    again = finished(http, model, 7, metadata={"order": 1})
    predicted = http.post(f"/v1/models/{model}/predict", json={"input": 7}).json()

    assert kit.seen(stack, model) == [7]
    assert (first["cached"], again["cached"]) == (False, True)
    assert (again["output"], again["version"], again["status"]) == (14, 1, "succeeded")
    assert again["metadata"] == {"order": 1}
    assert again["id"] != first["id"]
    assert predicted["output"] == 14
    assert http.get(f"/v1/jobs/{again['id']}").json() == again
    listed = http.get(f"/v1/models/{model}/jobs").json()["jobs"]
    assert {again["id"], first["id"], predicted["query_id"]} == {one["id"] for one in listed}


def test_a_post_is_answered_without_kafka_or_a_worker(stack: kit.Stack, http: httpx.Client) -> None:
    # Given an answer that this process knows of, and engines and workers that do nothing
    model = deploy(stack, name="cached-at-once")
    first = finished(http, model, 7)
    with kit.hanging(stack.pid(f"worker.default.{model}.1")), kit.hanging(stack.pid("kafka")):
        # When the input comes again, then each way to ask is answered, by its usual status
        accepted = http.post(f"/v1/models/{model}/jobs", json={"input": 7, "metadata": {"n": 1}})
        waited = http.post(f"/v1/models/{model}/jobs", json={"input": 7}, headers={"Prefer": "wait=5"})
        predicted = http.post(f"/v1/models/{model}/predict", json={"input": 7})
        refused = http.post(f"/v1/models/{model}/jobs", json={"input": 7, "cache": False})
    assert (accepted.status_code, waited.status_code, predicted.status_code) == (202, 200, 200)
    assert refused.status_code == 503, "this one was to run"
    told = accepted.json()
    assert (told["status"], told["output"], told["cached"], told["metadata"]) == ("succeeded", 14, True, {"n": 1})
    assert accepted.headers["location"] == told["urls"]["self"]
    assert http.get(told["urls"]["self"]).json() == told
    assert waited.json()["output"] == predicted.json()["output"] == first["output"]
    assert (waited.headers["preference-applied"], waited.json()["cached"]) == ("wait=5", True)


def test_records_and_bulk_sets_are_answered_too(stack: kit.Stack, http: httpx.Client) -> None:
    model = deploy(stack, name="cached-ways")
    finished(http, model, 7)

    stack.produce(model, b'{"id": "cached-k1", "input": 7}', b'{"id": "cached-k2", "input": 7, "cache": false}')
    lines = "".join(json.dumps(one) + "\n" for one in ({"input": 7}, {"input": 7, "cache": False}, {"input": 8}))
    told = http.post(f"/v1/models/{model}/bulk", content=lines).json()
    answers = http.get(told["urls"]["results"], params={"lines": 3, "wait": 60}).text.splitlines()

    assert job(http, model, "cached-k1")["cached"]
    assert not job(http, model, "cached-k2")["cached"]
    found = [(one["output"], one["cached"]) for one in map(json.loads, answers)]
    assert found == [(14, True), (14, False), (16, False)]
    assert sorted(kit.seen(stack, model)) == [7, 7, 7, 8]


def test_another_version_answers_for_itself(stack: kit.Stack, http: httpx.Client) -> None:
    model = deploy(stack, name="cached-versions")
    assert finished(http, model, 7)["output"] == 14
    files = kit.logging_model("x = x + 1", cache=True)
    with stack.client() as client:
        client.deploy(stack.folder(files), model)

    kit.until(lambda: finished(http, model, 7)["output"] == 16, "version 2 answers", within=20)
    assert finished(http, model, 7)["cached"]
    pinned = finished(http, model, 7, version=1)
    assert (pinned["output"], pinned["cached"]) == (14, True)
    http.post(f"/v1/models/{model}/rollback", json={"version": 1}).raise_for_status()
    kit.until(lambda: finished(http, model, 7)["output"] == 14, "version 1 answers again", within=20)
    assert kit.seen(stack, model) == [7, 7]


def test_a_model_or_a_job_may_say_that_it_must_run(stack: kit.Stack, http: httpx.Client) -> None:
    off, on = deploy(stack, name="cached-never", cache=False), deploy(stack, name="cached-mostly")

    assert not any([finished(http, off, 7)["cached"], finished(http, off, 7)["cached"]])
    assert not any([finished(http, on, 7)["cached"], finished(http, on, 7, cache=False)["cached"]])

    assert (kit.seen(stack, off), kit.seen(stack, on)) == ([7, 7], [7, 7])
    assert finished(http, on, 7)["cached"]


def test_an_answer_counts_for_as_long_as_its_version_says(stack: kit.Stack, http: httpx.Client) -> None:
    model = deploy(stack, name="cached-briefly", cache=0.5)
    first = finished(http, model, 7)
    assert finished(http, model, 7)["output"] == 14

    kit.until(lambda: not finished(http, model, 7)["cached"], "it runs again")

    assert kit.seen(stack, model)[:2] == [7, 7]
    assert finished(http, model, 7)["id"] != first["id"]


def test_a_version_that_contradicts_itself_says_so_and_is_not_cached(stack: kit.Stack, http: httpx.Client) -> None:
    # Given a model whose author believes that it answers an input in one way
    code = "import random\ndef predict(inputs):\n    return [random.random() for _ in inputs]\n"
    model = stack.deploy({"predict.py": code}, name="cached-random")
    version = f"/v1/models/{model}/versions/1"
    for value in range(4):
        finished(http, model, value)
    # When the check of batches has seen otherwise
    kit.until(lambda: http.get(version).json()["verdict"]["batching"] == "closed", "a verdict")
    # Then its log says what that means here, and each input runs
    kit.until(lambda: "from the cache" in http.get(f"{version}/log").text, "its words")  # stored after the verdict
    kit.until(lambda: not finished(http, model, 0)["cached"], "it is known everywhere")
    answers = [finished(http, model, 0) for _ in range(3)]
    assert not any(one["cached"] for one in answers)
    assert len({one["output"] for one in answers}) == 3


def test_fifty_identical_jobs_in_flight_run_once(stack: kit.Stack, http: httpx.Client) -> None:
    model = deploy(stack, HOLD, name="cached-flight")
    ids = [http.post(f"/v1/models/{model}/jobs", json={"input": 7}).json()["id"] for _ in range(40)]
    stack.produce(model, json.dumps([{"id": f"flight-{i}", "input": 7} for i in range(10)]).encode())
    kit.until(lambda: kit.seen(stack, model), "one of them runs")

    (stack.cache(model) / "go").touch()

    ended = [job(http, model, job_id) for job_id in [*ids, *[f"flight-{i}" for i in range(10)]]]
    assert {(one["status"], one["output"]) for one in ended} == {("succeeded", 14)}
    assert kit.seen(stack, model)[:1] == [7]
    # JSON text of a record and of a POST is the same input: all fifty share a run
    assert kit.seen(stack, model) == [7]
    assert sum(one["cached"] for one in ended) == 49


@pytest.mark.parametrize("how", ["raises", "canceled", "worker killed"])
def test_what_befalls_one_job_does_not_befall_identical_ones(stack: kit.Stack, http: httpx.Client, how: str) -> None:
    # Given three identical jobs, the first of which runs, the others behind it
    body = (
        f"{HOLD}\nif {how == 'raises'} and not os.path.exists(os.environ['XDG_CACHE_HOME'] + '/well'): raise ValueError"
    )
    model = deploy(stack, body, name=f"cached-{how.replace(' ', '-')}")
    ids = [http.post(f"/v1/models/{model}/jobs", json={"input": 7}).json()["id"] for _ in range(3)]
    kit.until(lambda: kit.seen(stack, model), "the first runs")
    leader = next(one for one in ids if http.get(f"/v1/jobs/{one}").json()["status"] == "running")
    others = [one for one in ids if one != leader]
    # When that befalls the first
    if how == "canceled":
        http.post(f"/v1/jobs/{leader}/cancel").raise_for_status()
        assert job(http, model, leader)["status"] == "canceled"
    elif how == "worker killed":
        stack.kill(f"worker.default.{model}.1")
    (stack.cache(model) / "go").touch()
    # Then the others have ends of their own
    ended = [job(http, model, one) for one in others]
    if how == "raises":
        assert job(http, model, leader)["error"]["type"] == "predict_error"
        assert {one["error"]["type"] for one in ended} == {"predict_error"}
        assert kit.seen(stack, model) == [7, 7, 7]
    else:
        assert {(one["status"], one["output"]) for one in ended} == {("succeeded", 14)}


def test_a_follower_is_canceled_at_once(stack: kit.Stack, http: httpx.Client) -> None:
    model = deploy(stack, HOLD, name="cached-follower")
    ids = [http.post(f"/v1/models/{model}/jobs", json={"input": 7}).json()["id"] for _ in range(2)]
    kit.until(lambda: kit.seen(stack, model), "the first runs")
    follower = next(one for one in ids if http.get(f"/v1/jobs/{one}").json()["status"] == "queued")

    canceled = http.post(f"/v1/jobs/{follower}/cancel").json()

    assert canceled["status"] == "canceled"
    (stack.cache(model) / "go").touch()
    assert {job(http, model, one)["status"] for one in ids} == {"canceled", "succeeded"}
    assert kit.seen(stack, model) == [7]


def test_the_command_line_and_the_client_say_so(stack: kit.Stack, client: Client) -> None:
    model = deploy(stack, name="cached-shown")
    client.predict(model, 7)

    shown = stack.panini("submit", model, "7", "--wait", "20")

    assert json.loads(shown.stdout)["cached"] is True
