"""Jobs that are tried again: in the worker, parked in Kafka, over a lost worker, and for a version in quarantine."""

import contextlib
import json
import os
import signal
from typing import Any

import httpx
import pytest

from tests.e2e import kit
from wire import names

TRIES = """\
import panini
SOFAR = open(os.path.join(os.environ['XDG_CACHE_HOME'], 'seen')).read().split('\\n').count(json.dumps(x))
"""


def busy(tries: int, after: float) -> dict[str, str]:
    """A model that cannot answer an input yet before it was given it so many times."""
    body = f"{TRIES}if SOFAR < {tries}:\n    raise panini.Retry(after={after})\n"
    return kit.logging_model(body, batch=False)


def submitted(http: httpx.Client, model: str, **body: Any) -> str:
    """The id of a new job."""
    answer = http.post(f"/v1/models/{model}/jobs", json=body)
    assert answer.status_code == 202, answer.text
    found: str = answer.json()["id"]
    return found


def job(http: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job as it stands."""
    found: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").raise_for_status().json()
    return found


def ended(http: httpx.Client, job_id: str, *, within: float = 60.0) -> dict[str, Any]:
    """The job at its end."""

    def look() -> dict[str, Any] | None:
        found = job(http, job_id)
        return found if found["status"] not in {"queued", "running"} else None

    return kit.until(look, f"{job_id} ends", within=within)


def later_topics(stack: kit.Stack, model: str) -> list[str]:
    """The tiers in which something was ever parked."""
    with stack.admin() as admin:
        prefix = names.later_topic("default", model, "")
        return sorted(topic.removeprefix(prefix) for topic in admin.list_topics() if topic.startswith(prefix))


def test_a_retry_that_the_author_raised_comes_again(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(busy(3, 0.2))

    done = ended(http, submitted(http, model, input=4))

    assert (done["status"], done["output"], done["attempt"], done["error"]) == ("succeeded", 8, 3, None)
    assert kit.seen(stack, model) == [4, 4, 4]
    kit.until(lambda: stack.unread(model) == 0, "its record counts as finished")
    assert later_topics(stack, model) == [], "a short wait needs no topic"


def test_the_last_error_stands_when_all_attempts_are_used(stack: kit.Stack, http: httpx.Client) -> None:
    files = kit.logging_model("raise RuntimeError('always')", batch=False)
    files["panini.toml"] += '[retry]\non = ["predict_error"]\nattempts = 2\nbackoff = [0.1]\n'
    model = stack.deploy(files)

    done = ended(http, submitted(http, model, input=1))

    assert (done["status"], done["error"]["type"], done["attempt"]) == ("failed", "predict_error", 2)
    assert "always" in done["error"]["message"]
    assert kit.seen(stack, model) == [1, 1]


def test_a_crash_is_tried_again_where_the_policy_says_so(stack: kit.Stack, http: httpx.Client) -> None:
    files = kit.logging_model(f"{TRIES}if x == 7 and SOFAR < 2:\n    os._exit(3)\n", batch=False)
    files["panini.toml"] += '[retry]\non = ["crashed"]\nbackoff = [0.1]\n'
    model = stack.deploy(files)

    done = ended(http, submitted(http, model, input=7))

    assert (done["status"], done["output"], done["attempt"]) == ("succeeded", 14, 2)


def test_a_long_wait_is_parked_and_holds_up_nobody(stack: kit.Stack, http: httpx.Client) -> None:
    # Given a job that is to come again in 12 s,
    model = stack.deploy(busy(2, 12))
    first = submitted(http, model, input=1)
    # When it was tried once
    kit.until(lambda: later_topics(stack, model) == ["10s"], "it is parked")
    kit.until(lambda: stack.unread(model) == 0, "its own record counts as finished")
    waiting = job(http, first)
    # Then it waits, told as such, and is not tried before its time
    assert (waiting["status"], waiting["attempt"], waiting["error"]) == ("queued", 1, None)
    assert kit.seen(stack, model) == [1]
    done = ended(http, first)
    assert (done["status"], done["output"], done["attempt"]) == ("succeeded", 2, 2)
    assert done["created_at"] == waiting["created_at"]
    kit.until(lambda: stack.unread(model, later="10s") == 0, "the parked record counts as finished")


def test_a_parked_job_can_be_canceled(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(busy(2, 60))
    first = submitted(http, model, input=5)
    kit.until(lambda: "1m" in later_topics(stack, model), "it is parked")
    kit.until(lambda: job(http, first)["status"] == "queued", "it waits")

    canceled = http.post(f"/v1/jobs/{first}/cancel")

    assert canceled.status_code == 200
    assert job(http, first)["status"] == "canceled"
    assert kit.seen(stack, model).count(5) == 1


def test_a_parked_job_outlives_its_worker_and_a_pipelines_id_stays(stack: kit.Stack, http: httpx.Client) -> None:
    # Given a job that a pipeline produced without an id, parked
    model = stack.deploy(busy(2, 11), name="outlives")
    place = stack.produce(model, json.dumps({"input": 3}).encode())[0]
    address = f"/v1/models/{model}/records/{place.partition}/{place.offset}"
    kit.until(lambda: kit.seen(stack, model) == [3], "it was tried once")
    kit.until(lambda: stack.unread(model) == 0, "it is parked")
    # When its worker is killed
    stack.kill(f"worker.default.{model}.1")

    # Then it comes again, as the job that it was
    def look() -> Any:
        found = http.get(address).raise_for_status().json()["jobs"]
        return found if found and found[0]["status"] == "succeeded" else None

    found = kit.until(look, "it ends", within=90)
    assert [one["output"] for one in found] == [6]
    assert kit.seen(stack, model) == [3, 3]


@pytest.mark.timeout(400)
def test_a_version_in_quarantine_parks_its_jobs_and_another_versions_jobs_pass(
    stack: kit.Stack, http: httpx.Client
) -> None:
    # Given two versions, the second of which cannot be loaded any more, as its author broke what it loads
    name = "quarantined"
    stack.deploy(kit.logging_model("", batch=False), name=name)
    files = kit.logging_model("if x == 99:\n    os._exit(1)\n", batch=False)
    files["predict.py"] += (
        "def load(path):\n"
        "    if os.path.exists(os.path.join(os.environ['XDG_CACHE_HOME'], 'broken')):\n"
        "        raise RuntimeError('no weights')\n"
        "    return None\n"
    )
    files["predict.py"] = files["predict.py"].replace("def predict(inputs)", "def predict(model, inputs)")
    stack.deploy(files, name=name)
    kit.until(lambda: ended(http, submitted(http, name, input=1))["version"] == 2, "the second is live")
    (stack.cache(name) / "broken").write_text("")
    # When its runner dies
    killed = ended(http, submitted(http, name, input=99))
    assert killed["error"]["type"] == "crashed"
    stuck = submitted(http, name, input=10)
    pinned = submitted(http, name, input=20, version=1)
    # Then jobs of the other version pass, and those of the broken one wait, uncounted
    assert ended(http, pinned)["output"] == 40
    kit.until(lambda: "1m" in later_topics(stack, name), "it is parked", within=120)
    kit.until(lambda: stack.unread(name) == 0, "its own record counts as finished")
    waiting = job(http, stuck)
    assert (waiting["status"], waiting["attempt"]) == ("queued", 0)
    # And when the version can be loaded again, they are answered
    (stack.cache(name) / "broken").unlink()
    done = ended(http, stuck, within=150)
    assert (done["status"], done["output"], done["attempt"], done["version"]) == ("succeeded", 20, 1, 2)


def test_a_runner_that_dies_while_idle_is_back_before_the_next_job(stack: kit.Stack, http: httpx.Client) -> None:
    # Given a model that is loaded and has nothing to do
    files = kit.logging_model("", batch=False)
    files["predict.py"] += "os.write(SEEN, (json.dumps(['loaded', os.getpid()]) + '\\n').encode())\n"
    model = stack.deploy(files)
    assert ended(http, submitted(http, model, input=1))["output"] == 2
    before = kit.seen(stack, model)
    # When its runner is killed
    worker = stack.pid(f"worker.default.{model}.1")
    for pid in kit.below(worker):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # Then another one loads it, before there is a job for it
    kit.until(lambda: len(kit.seen(stack, model)) > len(before), "it is loaded again")
    assert kit.seen(stack, model)[-1][0] == "loaded"
    assert ended(http, submitted(http, model, input=3))["output"] == 6
