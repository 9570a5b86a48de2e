import inspect
from typing import Any

import httpx
import pytest

from panini import client


async def test_predict_polls_to_the_end(panini_async: client.AsyncClient, api: Any, a_job: Any) -> None:
    api.prepared = [
        httpx.Response(202, json=a_job("queued")),
        httpx.Response(200, json=a_job("running")),
        httpx.Response(200, json=a_job("succeeded", 7)),
    ]

    assert await panini_async.predict("iris", 1) == 7


async def test_a_handle_awaits_its_result(panini_async: client.AsyncClient, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(202, json=a_job("queued")), httpx.Response(200, json=a_job("succeeded", "x"))]

    job = await panini_async.submit("iris", 1)

    assert await job.result(timeout=5) == "x"


async def test_retries_pause_without_blocking(
    panini_async: client.AsyncClient, api: Any, a_job: Any, no_pauses: list[float]
) -> None:
    api.prepared = [httpx.ConnectError("refused"), httpx.Response(202, json=a_job("queued"))]

    await panini_async.submit("iris", 1)

    assert no_pauses == [0.1]


async def test_jobs_iterate(panini_async: client.AsyncClient, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(200, json={"jobs": [a_job("failed")]})]

    assert [job.id async for job in panini_async.jobs("iris")] == ["j_1"]


async def test_submit_many_keeps_the_order_and_tells_failures(
    panini_async: client.AsyncClient, api: Any, a_job: Any, problems: Any
) -> None:
    api.prepared = [httpx.Response(202, json=a_job("queued")), problems(413, "Too large", "send less")]

    with pytest.raises(client.errors.PartlySubmitted) as raised:
        await panini_async.submit_many("iris", [1, 2], concurrency=1)

    assert [job and job.id for job in raised.value.jobs] == ["j_1", None]


def test_both_clients_offer_the_same_operations() -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    assert surface(client.Client) == surface(client.AsyncClient)
    assert surface(client.Job) == surface(client.AsyncJob)
