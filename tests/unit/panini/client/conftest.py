"""A Panini API in memory: enough of its contract to hold the client against, through httpx's own test transport."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from panini import client

Handler = Callable[[httpx.Request], httpx.Response]


class FakeApi:
    """Answers prepared in order, else those of the routes; keeps every request it saw."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []
        self.prepared: list[httpx.Response | Exception] = []
        self.jobs: dict[str, dict[str, Any]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        if self.prepared:
            answer = self.prepared.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return problem(404, "No such thing", f"{request.url.path} is nothing")

    def bodies(self) -> list[Any]:
        """The JSON bodies of the requests seen."""
        return [json.loads(request.content) for request in self.seen]


def problem(
    status: int, title: str, detail: str, headers: dict[str, str] | None = None, **extra: Any
) -> httpx.Response:
    """A problem+json answer."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}
    return httpx.Response(
        status, content=json.dumps(document), headers={"content-type": "application/problem+json", **(headers or {})}
    )


def job(status: str, output: Any = None, **more: Any) -> dict[str, Any]:
    """A job's document."""
    return {"id": "j_1", "model": "iris", "version": 1, "status": status, "output": output, "error": None, **more}


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def problems() -> Callable[..., httpx.Response]:
    return problem


@pytest.fixture
def a_job() -> Callable[..., dict[str, Any]]:
    return job


@pytest.fixture
def panini_client(api: FakeApi) -> Iterator[client.Client]:
    with client.Client("http://panini.test", "pn_key", transport=httpx.MockTransport(api)) as made:
        yield made


@pytest.fixture
async def panini_async(api: FakeApi) -> Any:
    async with client.AsyncClient("http://panini.test", "pn_key", transport=httpx.MockTransport(api)) as made:
        yield made


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between retries are noted, not waited for."""
    paused: list[float] = []

    async def note(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr("panini.client.sync.time.sleep", paused.append)
    monkeypatch.setattr("panini.client.asynchronous.asyncio.sleep", note)
    return paused
