"""The ways in and out over HTTP: POST and GET, waiting, and the call of 2019."""

import httpx
import pytest

from panini.client import Client
from tests.e2e import kit


@pytest.fixture(scope="module")
def double(stack: kit.Stack) -> str:
    return stack.deploy(kit.DOUBLE)


def test_a_job_is_accepted_and_its_result_polled(http: httpx.Client, double: str) -> None:
    # When a job is posted
    answer = http.post(f"/v1/models/{double}/jobs", json={"input": 21, "metadata": {"order": 17}, "cache": False})
    # Then it is accepted, with its id and where to look
    assert answer.status_code == 202
    job = answer.json()
    assert job["status"] == "queued"
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert answer.headers["Retry-After"]
    # When it is asked for with patience
    found = http.get(answer.headers["Location"], params={"wait": 20})
    # Then its end is there
    assert found.status_code == 200
    ended = found.json()
    assert (ended["status"], ended["output"], ended["metadata"], ended["version"], ended["attempt"]) == (
        "succeeded",
        42,
        {"order": 17},
        1,
        1,
    )
    assert ended["created_at"] <= ended["started_at"] <= ended["completed_at"]
    assert ended["timings"]["batch_size"] >= 1
    # ... and at the model's address, too
    assert http.get(f"/v1/models/{double}/jobs/{job['id']}").json() == ended


@pytest.mark.parametrize("preference", ["wait=20", "respond-async, wait=20"])
def test_a_post_may_wait_for_the_end(http: httpx.Client, double: str, preference: str) -> None:
    answer = http.post(f"/v1/models/{double}/jobs", json={"input": 2}, headers={"Prefer": preference})
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert (answer.json()["status"], answer.json()["output"]) == ("succeeded", 4)


def test_past_its_wait_a_post_is_accepted_all_the_same(http: httpx.Client, stack: kit.Stack) -> None:
    # Given a model that answers when a file is there
    model = stack.deploy(
        kit.logging_model("while not os.path.exists(os.environ['XDG_CACHE_HOME'] + '/go'): time.sleep(.02)")
    )
    # When its answer does not come within the wait
    answer = http.post(f"/v1/models/{model}/jobs", json={"input": 2}, headers={"Prefer": "wait=0.2"})
    # Then the job goes on
    assert answer.status_code == 202
    location = answer.headers["Location"]
    assert kit.until(lambda: http.get(location).json()["status"] == "running", "it runs")
    predicted = http.post(f"/v1/models/{model}/predict", json={"input": 3}, headers={"Prefer": "wait=0.2"})
    assert predicted.status_code == 202
    assert predicted.headers["Location"]
    (stack.cache(model) / "go").touch()
    assert http.get(location, params={"wait": 20}).json()["output"] == 4
    assert http.get(predicted.headers["Location"], params={"wait": 20}).json()["output"] == 6


def test_predict_answers_as_panini_did_in_2019(http: httpx.Client, double: str) -> None:
    for address in (f"/v1/models/{double}/predict", f"/default-{double}/predict"):
        answer = http.post(address, json={"input": 4})
        assert answer.status_code == 200
        found = answer.json()
        assert (found["output"], found["default"]) == (8, False)
        assert http.get(f"/v1/jobs/{found['query_id']}").json()["output"] == 8
    assert http.post(f"/other-{double}/predict", json={"input": 4}).status_code == 404


def test_three_lines_of_python(client: Client, double: str) -> None:
    assert client.predict(double, 5) == 10
    jobs = client.submit_many(double, range(20))
    assert [job.result(30) for job in jobs] == [2 * i for i in range(20)]
    listed = {job.id for job in client.jobs(double)}
    assert {job.id for job in jobs} <= listed


def test_the_command_line_does_the_same(stack: kit.Stack, double: str) -> None:
    assert stack.panini("submit", double, "6", "--wait", "20", "--json").stdout.count('"output":12') or (
        '"output": 12' in stack.panini("submit", double, "6", "--wait", "20", "--json").stdout
    )
    assert double in stack.panini("models").stdout
    assert "done deploying" in stack.panini("logs", double).stdout
    status = stack.status()
    assert status["api"] == stack.url
    assert double in [model["model"] for model in status["models"]]


def test_an_id_of_nobody_is_not_found(http: httpx.Client, double: str) -> None:
    answer = http.get("/v1/jobs/j_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert http.get(f"/v1/models/{double}/jobs/never-seen").status_code == 404
    assert http.get("/v1/models/nobody/jobs/x").status_code == 404


def test_the_documentation_is_served_and_names_every_address(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    for address in ("/v1/models/{model}/jobs", "/v1/models/{model}/predict", "/v1/models/{model}/versions"):
        assert address in document["paths"]
    assert http.get("/docs").status_code == 200
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ok"}
