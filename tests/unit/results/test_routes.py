"""GET, from the request to the bytes, on the store in memory."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import httpx
import pytest

from results import answers, errors, link, memory, protocol, records, routes, waiting
from wire import directory, ids, jobs, problems, settings, specs

KEY, OTHER_KEY = "pn_mine", "pn_theirs"
SIGNER = ids.Signer({0: b"k"}, 0)
DAY = 24 * 3600 * 1000
HEADERS = {"Authorization": f"Bearer {KEY}"}


def now() -> int:
    return time.time_ns() // 1_000_000


def endpoint(account: str, uid: int, model: str, model_uid: int) -> specs.Endpoint:
    return specs.Endpoint(account=account, account_uid=uid, model=model, model_uid=model_uid, topic_uuid="t", live=1)


async def snapshot(etag: str | None) -> specs.Snapshot | None:
    import hashlib

    keys = {
        hashlib.sha256(key.encode()).hexdigest(): specs.Key(id=name, account=name, account_uid=uid, last_four="x")
        for key, name, uid in ((KEY, "acme", 1), (OTHER_KEY, "rival", 2))
    }
    endpoints = [endpoint("acme", 1, "iris", 10), endpoint("acme", 1, "digits", 11), endpoint("rival", 2, "iris", 20)]
    return None if etag else specs.Snapshot(etag="1", keys=keys, endpoints=endpoints)


class Away(memory.Store):
    """A store whose server is away."""

    async def fetch(self, account: str, model: str, job_id: str) -> records.Record | None:
        raise errors.StoreUnavailable

    async def ids_of_record(self, account: str, model: str, partition: int, offset: int) -> list[str]:
        raise errors.StoreUnavailable


@pytest.fixture
def kept() -> memory.Store:
    return memory.Store()


@pytest.fixture
async def client(kept: memory.Store) -> AsyncIterator[httpx.AsyncClient]:
    async with made(kept) as made_client:
        yield made_client


def made(kept: memory.Store) -> httpx.AsyncClient:
    app = fastapi.FastAPI()
    app.include_router(routes.router)
    app.state.directory = directory.Directory(snapshot)
    waiters = waiting.Waiters(link.Link(settings.Connections()), kept)  # never run: waits end by their timeouts
    app.state.results = answers.Results(kept, waiters, SIGNER)

    async def problem(request: fastapi.Request, error: Exception) -> fastapi.Response:
        assert isinstance(error, problems.Problem)
        return fastapi.Response(error.body(), error.status, error.headers, problems.MEDIA_TYPE)

    app.add_exception_handler(problems.Problem, problem)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://panini", headers=HEADERS)


def ours(issued_ms: int | None = None, model_uid: int = 10, account_uid: int = 1) -> str:
    return SIGNER.new(model_uid=model_uid, account_uid=account_uid, now_ms=issued_ms or now())


async def run(kept: memory.Store, job_id: str, model: str = "iris", **fields: Any) -> None:
    given: dict[str, Any] = {"id": job_id, "token": "a" * 16, "version": 1, "created_at": now()}
    await kept.claim("acme", model, [protocol.ClaimRequest(**(given | fields))], now_ms=now())


async def end(kept: memory.Store, job_id: str, **fields: Any) -> None:
    given: dict[str, Any] = {
        "id": job_id, "token": "a" * 16, "status": jobs.Status.SUCCEEDED, "completed_at": now(),
        "details": records.Details(), "output": b"[1]",
    }  # fmt: skip
    assert await kept.finish("acme", "iris", [protocol.End(**(given | fields))]) == [True]


def is_problem(answer: httpx.Response, status: int, *words: str) -> bool:
    document = answer.json()
    return (
        answer.status_code == status
        and answer.headers["content-type"] == problems.MEDIA_TYPE
        and document["status"] == status
        and all(word in document["detail"] for word in words)
    )


async def test_a_job_from_accepted_to_ended(client: httpx.AsyncClient, kept: memory.Store) -> None:
    job_id = ours()
    seen = []
    for step in (None, run, end):
        if step is not None:
            await step(kept, job_id)
        answer = await client.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200
        seen.append((answer.json()["status"], answer.headers.get("retry-after"), answer.headers["cache-control"]))

    assert seen == [("queued", "1", "no-store"), ("running", "1", "no-store"), ("succeeded", None, "private")]
    assert answer.json()["output"] == [1]
    assert answer.json()["urls"]["output"] == f"/v1/jobs/{job_id}/output"


async def test_who_has_it_need_not_fetch_it_again(client: httpx.AsyncClient, kept: memory.Store) -> None:
    job_id = ours()
    await run(kept, job_id)
    await end(kept, job_id)
    etag = (await client.get(f"/v1/jobs/{job_id}")).headers["etag"]

    answer = await client.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    "job_id",
    [
        ours(account_uid=2),
        ours(model_uid=99),
        ours(model_uid=20),
        ours()[:-2] + "AA",
        "order-7",
        "k-t-0-0-0",
        "j_",
        "%00",
    ],
    ids=[
        "another account's",
        "a removed model's",
        "a rival's model",
        "forged",
        "client's own",
        "derived",
        "short",
        "nul",
    ],
)
async def test_what_is_not_the_callers_is_404(client: httpx.AsyncClient, job_id: str) -> None:
    assert is_problem(await client.get(f"/v1/jobs/{job_id}"), 404)
    assert is_problem(await client.get(f"/v1/jobs/{job_id}/output"), 404)


async def test_a_job_of_another_of_ones_models_is_404_there(client: httpx.AsyncClient) -> None:
    job_id = ours(model_uid=11)

    assert is_problem(await client.get(f"/v1/models/iris/jobs/{job_id}"), 404)
    assert (await client.get(f"/v1/models/digits/jobs/{job_id}")).status_code == 200


async def test_an_id_older_than_the_maximum_age_is_gone(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get(f"/v1/jobs/{ours(now() - 3 * DAY)}"), 410, "accepted at")
    assert (await client.get(f"/v1/jobs/{ours(now() - 3 * DAY + 60_000)}")).json()["status"] == "queued"


async def test_a_result_past_its_time_is_gone_and_says_since_when(
    client: httpx.AsyncClient, kept: memory.Store
) -> None:
    job_id = ours()
    await run(kept, job_id)
    await end(kept, job_id, completed_at=now() - DAY - 1000)

    answer = await client.get(f"/v1/jobs/{job_id}")

    assert is_problem(answer, 410, "succeeded at", "kept until")
    assert answer.json()["job_status"] == "succeeded"
    assert is_problem(await client.get(f"/v1/jobs/{job_id}/output"), 410)


@pytest.mark.parametrize("wait", ["61", "-1", "x", "1e1", "", "nan", "inf", "9" * 30])
async def test_a_wait_out_of_range_names_the_range(client: httpx.AsyncClient, wait: str) -> None:
    assert is_problem(await client.get(f"/v1/jobs/{ours()}", params={"wait": wait}), 422, "0 to 60")


@pytest.mark.parametrize("wait", ["0", "0.01", "0.02"])
async def test_a_wait_ends_with_the_job_as_it_is(client: httpx.AsyncClient, wait: str) -> None:
    assert (await client.get(f"/v1/jobs/{ours()}", params={"wait": wait})).json()["status"] == "queued"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=5", "wait=5"),
        ("respond-async, WAIT = 7", "wait=7"),
        ("wait=900", "wait=60"),
        ("wait", None),
        ("x=1", None),
    ],
)
async def test_prefer_is_honoured_and_said_so(
    client: httpx.AsyncClient, kept: memory.Store, prefer: str, applied: str | None
) -> None:
    job_id = ours()
    await run(kept, job_id)
    await end(kept, job_id)

    answer = await client.get(f"/v1/jobs/{job_id}", headers={"Prefer": prefer})

    assert answer.headers.get("preference-applied") == applied


async def test_a_clients_own_id(client: httpx.AsyncClient, kept: memory.Store) -> None:
    unread = await client.get("/v1/models/iris/jobs/order-7")
    await run(kept, "order-7")
    running = await client.get("/v1/models/iris/jobs/order-7")

    assert is_problem(unread, 404, "once a worker has read it")
    assert unread.headers["retry-after"] == "1"
    assert running.json()["status"] == "running"
    assert running.json()["urls"] == {"self": "/v1/models/iris/jobs/order-7"}
    assert is_problem(await client.get("/v1/models/iris/jobs/no%20id"), 404)
    assert is_problem(await client.get("/v1/models/nothing/jobs/order-7"), 404, "panini models")


async def test_the_jobs_of_a_record(client: httpx.AsyncClient, kept: memory.Store) -> None:
    assert is_problem(await client.get("/v1/models/iris/records/0/5"), 404, "0/5")
    for place, job_id in enumerate(("a", "b")):
        await run(kept, job_id, record=(0, 5, place))
    await end(kept, "a")

    answer = await client.get("/v1/models/iris/records/0/5?wait=0.01")

    assert [(job["id"], job["status"]) for job in answer.json()["jobs"]] == [("a", "succeeded"), ("b", "running")]
    assert answer.headers["retry-after"] == "1"
    await end(kept, "b")
    assert "retry-after" not in (await client.get("/v1/models/iris/records/0/5?wait=60")).headers
    assert is_problem(await client.get("/v1/models/iris/records/x/5"), 404)


async def test_the_list(client: httpx.AsyncClient, kept: memory.Store) -> None:
    for number in range(3):
        await run(kept, f"job-{number}", created_at=now() + number)
    await end(kept, "job-1")

    first = (await client.get("/v1/models/iris/jobs?limit=2")).json()
    second = (await client.get("/v1/models/iris/jobs", params={"limit": 2, "cursor": first["next"]})).json()
    ended = (await client.get("/v1/models/iris/jobs?status=succeeded")).json()

    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ["job-2", "job-1", "job-0"]
    assert second["next"] is None
    assert [job["id"] for job in ended["jobs"]] == ["job-1"]
    assert "output" not in ended["jobs"][0]


@pytest.mark.parametrize(
    ("query", "word"),
    [("status=done", "queued, running"), ("limit=0", "1 to 200"), ("limit=x", "1 to"), ("cursor=x", "cursor")],
)
async def test_a_list_asked_for_wrongly(client: httpx.AsyncClient, query: str, word: str) -> None:
    assert is_problem(await client.get(f"/v1/models/iris/jobs?{query}"), 422, word)


async def test_the_output_as_a_file(client: httpx.AsyncClient, kept: memory.Store) -> None:
    plain, picture, failed = ours(), ours(), ours()
    for job_id in (plain, picture, failed):
        assert is_problem(await client.get(f"/v1/jobs/{job_id}/output"), 409, "queued")
        await run(kept, job_id)
    assert is_problem(await client.get(f"/v1/jobs/{plain}/output"), 409, "running", "?wait=")
    await end(kept, plain)
    await end(kept, picture, output=b"\x89PNG", details=records.Details(media="image/png"))
    await end(kept, failed, status=jobs.Status.FAILED)

    answer = await client.get(f"/v1/jobs/{plain}/output")
    assert (answer.content, answer.headers["content-type"]) == (b"[1]", "application/json")
    answer = await client.get(f"/v1/jobs/{picture}/output")
    assert (answer.content, answer.headers["content-type"]) == (b"\x89PNG", "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert is_problem(await client.get(f"/v1/jobs/{failed}/output"), 409, "failed")


@pytest.mark.parametrize(
    "path",
    ["jobs/{id}", "jobs/{id}/output", "models/iris/jobs/{id}", "models/iris/jobs/own", "models/iris/records/0/1"],
)
async def test_no_store_is_503_never_404(path: str) -> None:
    async with made(Away()) as client:
        answer = await client.get(f"/v1/{path.format(id=ours())}")

    assert is_problem(answer, 503, "away")
    assert int(answer.headers["retry-after"]) > 0


async def test_no_key_is_401(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get(f"/v1/jobs/{ours()}", headers={"Authorization": ""}), 401)


async def test_another_accounts_key_sees_nothing(client: httpx.AsyncClient, kept: memory.Store) -> None:
    job_id = ours()
    await run(kept, job_id)
    theirs = {"Authorization": f"Bearer {OTHER_KEY}"}

    assert is_problem(await client.get(f"/v1/jobs/{job_id}", headers=theirs), 404)
    assert is_problem(await client.get(f"/v1/models/iris/jobs/{job_id}", headers=theirs), 404)
    assert is_problem(await client.get("/v1/models/digits/jobs", headers=theirs), 404)
    assert (await client.get("/v1/models/iris/jobs", headers=theirs)).json()["jobs"] == []


def test_the_documents_are_complete() -> None:
    app = fastapi.FastAPI()
    app.include_router(routes.router)

    paths = app.openapi()["paths"]

    assert len(paths) == 5
    for path, methods in paths.items():
        answers_of = methods["get"]["responses"]
        assert {"200", "401", "404", "422", "503"} <= set(answers_of), path
        assert methods["get"]["summary"]
        assert methods["get"]["description"]
        for status, described in answers_of.items():
            if status not in {"200", "304"}:
                assert described["content"][problems.MEDIA_TYPE]["example"]["detail"], (path, status)
    assert json.dumps(paths)
