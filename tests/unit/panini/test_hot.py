"""The hot addresses are routes of the application, and what they say of themselves holds for both."""

import hashlib
import re
from types import SimpleNamespace
from typing import Final

import pytest

from ingest import settings
from panini import api, hot
from wire import directory, specs

JOB: Final = "j_" + "x" * 32
MODEL: Final = "iris"
KEY: Final = "pn_x"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HEADERS: Final = {b"authorization": b"Bearer " + KEY.encode()}


@pytest.fixture
async def addresses() -> hot.Hot:
    """Of a process that has every role, a key and a live model."""
    endpoint = specs.Endpoint(account="default", account_uid=1, model=MODEL, model_uid=1, topic_uuid="t", live=1)
    key = specs.Key(id="k1", account="default", account_uid=1, last_four="…")
    keys = {hashlib.sha256(KEY.encode()).hexdigest(): key}

    async def fetch(_: str | None) -> specs.Snapshot:
        return specs.Snapshot(etag="1", keys=keys, endpoints=[endpoint])

    known = directory.Directory(fetch)
    await known.refresh()
    acceptor = SimpleNamespace(submit="submits", predict="predicts")
    state = SimpleNamespace(
        directory=known, results=None, reads=None, acceptor=acceptor, ingest_settings=settings.Settings.load()
    )
    return hot.Hot(state)


def take(addresses: hot.Hot, method: str, path: str, headers: hot.Headers = HEADERS) -> hot.Way | None:
    """The way of a request to a path, its parameters filled in."""
    target = re.sub(r"\{\w+\}", MODEL, path.replace("{job_id}", JOB))
    length = {b"content-length": b"2"} if method != "GET" else {}
    return addresses.take(method.encode(), target.encode(), {**headers, **length})


async def test_every_hot_address_is_in_the_application_s_openapi(addresses: hot.Hot) -> None:
    documented = api.make("all").openapi()["paths"]

    ways = {
        (method, path): way
        for path in documented
        for method in METHODS
        if (way := take(addresses, method, path)) is not None
    }

    # Then exactly these are taken, and by the method that the document says
    assert {documented[path][method.lower()]["summary"]: type(way) for (method, path), way in ways.items()} == {
        "Submit a job": hot.Post,
        "Predict, and wait for the answer": hot.Post,
        "A job's status and result": hot.Read,
    }


@pytest.mark.parametrize(
    "odd",
    [
        "/v1/jobs/{job_id}x",
        "/v1/jobs/{job_id}/",
        "/v1/jobs/{job_id}?wait=1",
        "/v1/jobs/%6a" + JOB[1:],
        "//v1/jobs/{job_id}",
        "http://here/v1/jobs/{job_id}",
        "/v1/jobs/",
        "/v1/models/{model}/jobs?",
        "/v1/models/{model}/jobs/",
        "/v1/models/{model}/jobs\n",
        "/v1/models/{model}?/jobs",
        "/v1/models/IRIS/jobs",
        "/v1/models/%69ris/predict",
        "/v1/models//predict",
        "/v1/models/{model}/jobs/predict",
        "/v1/models/no-such/jobs",
        "/default-{model}/predict",
    ],
)
async def test_what_is_nearly_a_hot_address_is_left_to_the_application(addresses: hot.Hot, odd: str) -> None:
    assert [take(addresses, method, odd) for method in METHODS] == [None] * len(METHODS)


@pytest.mark.parametrize(
    "more",
    [
        {b"authorization": b"Bearer pn_y"},
        {b"authorization": b""},
        {b"transfer-encoding": b"chunked"},
        {b"idempotency-key": b"1", b"prefer": b"wait=1"},
        {b"content-length": b"99999999999", b"prefer": b"wait=1"},
        {b"content-length": b"", b"prefer": b"wait=1"},
    ],
)
async def test_what_is_unusual_is_left_to_the_application(addresses: hot.Hot, more: hot.Headers) -> None:
    headers = {**HEADERS, b"content-length": b"2", **more}

    assert addresses.take(b"POST", b"/v1/models/iris/jobs", headers) is None
    assert addresses.take(b"GET", b"/v1/jobs/" + JOB.encode(), {**HEADERS, **more}) is None


async def test_a_process_answers_no_address_that_is_not_of_its_role(addresses: hot.Hot) -> None:
    """Catches an ingest process, which keeps results for its own waiting POSTs, that answers GETs of jobs."""
    state = addresses._state
    del state.reads
    assert take(addresses, "GET", "/v1/jobs/{job_id}") is None
    assert take(addresses, "POST", "/v1/models/{model}/jobs") is not None
    del state.acceptor
    assert take(addresses, "POST", "/v1/models/{model}/jobs") is None
