"""The API as the pages use it: the public HTTP API of this installation, asked with the visitor's own key.

The same over loopback inside one process and between processes: one truth, and no second way to it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from dashboard import errors, eventstream, records

T = TypeVar("T")

TIMEOUT: Final = 10.0
"""Seconds that the API gets to answer what it knows at once."""

SILENCE: Final = 60.0
"""Seconds without a byte after which a followed stream counts as lost: the API sends a comment every 15 s."""

UPLOAD: Final = httpx.Timeout(TIMEOUT, read=120.0, write=120.0)
"""An upload is written as fast as its visitor sends it, and then checked and stored."""


def client(url: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client of the API at `url`, such as `http://127.0.0.1:8080`. Never through a proxy of the environment."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)  # every open page may hold a stream
    return httpx.AsyncClient(base_url=url, transport=transport, limits=limits, timeout=TIMEOUT, trust_env=False)


class Backend:
    """One visitor's view of the API.

    Every method raises ApiUnavailable, SignedOut for a key that no longer holds, and ApiRefused for any other no.
    """

    def __init__(self, http: httpx.AsyncClient, key: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {key}"}

    async def who(self) -> records.CurrentKey:
        """Whose key this is."""
        return await self._get("/v1/keys/current", records.CurrentKey)

    async def models(self) -> list[records.Model]:
        """Every model, by name."""
        return (await self._get("/v1/models", records.Models)).models

    async def model(self, model: str) -> records.Model:
        """One model."""
        return await self._get(_model(model), records.Model)

    async def versions(self, model: str) -> list[records.Version]:
        """A model's versions, newest first."""
        return (await self._get(f"{_model(model)}/versions", records.Versions)).versions

    async def version(self, model: str, number: int) -> records.Version:
        """One version."""
        return await self._get(f"{_model(model)}/versions/{number}", records.Version)

    async def deploy(self, model: str, content: AsyncIterator[bytes], headers: Mapping[str, str]) -> records.Version:
        """Pass a form's body on as it comes; `headers` holds its Content-Type and, if known, its Content-Length."""
        answer = await self._ask(
            "POST", f"{_model(model)}/versions", content=content, headers=dict(headers), timeout=UPLOAD
        )
        return _decode(answer.content, records.Version)

    async def deploy_form(
        self, model: str, files: list[tuple[str, tuple[str, Any]]], fields: Mapping[str, str]
    ) -> records.Version:
        """Upload files that lie here already."""
        answer = await self._ask("POST", f"{_model(model)}/versions", files=files, data=dict(fields), timeout=UPLOAD)
        return _decode(answer.content, records.Version)

    async def rollback(self, model: str, number: int) -> records.Model:
        """Make an earlier version live again."""
        answer = await self._ask("POST", f"{_model(model)}/rollback", json={"version": number})
        return _decode(answer.content, records.Model)

    async def remove(self, model: str) -> None:
        """Remove a model."""
        await self._ask("DELETE", _model(model), timeout=httpx.Timeout(30.0))

    async def jobs(
        self, model: str, *, status: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> records.JobPage:
        """A page of a model's jobs."""
        asked = {"status": status, "cursor": cursor, "limit": str(limit)}
        query = {name: value for name, value in asked.items() if value}
        return await self._get(f"{_model(model)}/jobs", records.JobPage, query)

    async def job(self, job_id: str, *, model: str | None = None, wait: float = 0) -> records.Job:
        """A job; with `wait` (seconds), once it ended or after that time. `model` finds ids of a client's own too."""
        answer = await self._ask(
            "GET", job_address(job_id, model), params={"wait": f"{wait:g}"} if wait else {}, timeout=TIMEOUT + wait
        )
        return _decode(answer.content, records.Job)

    async def submit(self, model: str, body: bytes, wait: float) -> records.Job:
        """Post a job, and wait up to `wait` seconds for its end."""
        headers = {"Content-Type": "application/json", "Prefer": f"wait={wait:g}"}
        answer = await self._ask("POST", f"{_model(model)}/jobs", content=body, headers=headers, timeout=TIMEOUT + wait)
        return _decode(answer.content, records.Job)

    async def deliveries(self, job_id: str, model: str) -> list[records.Delivery]:
        """What became of a job's webhooks."""
        return (await self._get(f"{job_address(job_id, model)}/deliveries", records.Deliveries)).deliveries

    async def redeliver(self, job_id: str, model: str) -> None:
        """Begin a new round of tries of a job's webhook."""
        await self._ask("POST", f"{job_address(job_id, model)}/redeliver")

    async def cancel(self, job_id: str, model: str) -> None:
        """Cancel a job."""
        await self._ask("POST", f"{job_address(job_id, model)}/cancel")

    async def document(self, path: str) -> httpx.Response:
        """The API's own answer, whole."""
        return await self._ask("GET", path)

    async def keys(self) -> list[records.Key]:
        """The account's keys, oldest first."""
        return (await self._get("/v1/keys", records.Keys)).keys

    async def create_key(self, name: str) -> records.CreatedKey:
        """Make a key."""
        answer = await self._ask("POST", "/v1/keys", json={"name": name})
        return _decode(answer.content, records.CreatedKey)

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key."""
        await self._ask("DELETE", f"/v1/keys/{quote(key_id, safe='')}")

    async def environ(self, model: str) -> list[str]:
        """The names of a model's variables."""
        return (await self._get(f"{_model(model)}/environ", records.Environ)).names

    async def change_environ(self, model: str, changed: Mapping[str, str | None]) -> list[str]:
        """Set some of a model's variables, or remove them with None."""
        answer = await self._ask("PATCH", f"{_model(model)}/environ", json=dict(changed))
        return _decode(answer.content, records.Environ).names

    async def log(self, model: str, number: int) -> str:
        """A version's log so far."""
        return (await self._ask("GET", f"{_model(model)}/versions/{number}/log")).text

    async def follow(
        self, model: str, number: int, *, after: int = 0, until: str = "built"
    ) -> AsyncIterator[eventstream.Event]:
        """A version's log from line `after` on, as the API streams it. Heartbeats come as events without a name."""
        query = {"follow": "true", "until": until, "after": str(after)}
        request = self._http.build_request(
            "GET",
            f"{_model(model)}/versions/{number}/log",
            params=query,
            headers=self._headers,
            timeout=httpx.Timeout(TIMEOUT, read=SILENCE),
        )
        parser = eventstream.Parser()
        answer: httpx.Response | None = None
        try:
            answer = await self._http.send(request, stream=True)
            if answer.status_code >= 400:
                await answer.aread()
                _refuse(answer)
            async for piece in answer.aiter_bytes():
                for event in parser.feed(piece):
                    yield event
        except httpx.HTTPError as error:
            raise errors.ApiUnavailable from error
        finally:
            if answer is not None:
                await answer.aclose()

    async def _get(self, path: str, kind: type[T], query: Mapping[str, str] | None = None) -> T:
        return _decode((await self._ask("GET", path, params=query)).content, kind)

    async def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **given: Any
    ) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, headers={**(headers or {}), **self._headers}, **given)
        except httpx.HTTPError as error:
            raise errors.ApiUnavailable from error
        if answer.status_code >= 400:
            _refuse(answer)
        return answer


def job_address(job_id: str, model: str | None) -> str:
    """The API's path of a job."""
    safe = quote(job_id, safe="")
    return f"{_model(model)}/jobs/{safe}" if model else f"/v1/jobs/{safe}"


def _model(model: str) -> str:
    return f"/v1/models/{quote(model, safe='')}"


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise errors.ApiUnavailable(
            f"The API answered something else than expected ({error}); is it of the same version as this dashboard?"
        ) from error


def _refuse(answer: httpx.Response) -> None:
    if answer.status_code == 401:
        raise errors.SignedOut("The key of this session no longer holds; sign in with another.")
    try:
        problem = msgspec.json.decode(answer.content, type=records.Problem)
    except msgspec.DecodeError:
        problem = records.Problem(title=f"The API answered {answer.status_code}")
    extra = {name: value for name, value in (("file", problem.file), ("line", problem.line)) if value is not None}
    raise errors.ApiRefused(answer.status_code, problem.title, problem.detail, extra)
