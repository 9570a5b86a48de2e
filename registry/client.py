"""The registry for processes that do not hold it: a client of its internal routes."""

import asyncio
import hashlib
import json
import os
import pathlib
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec

from registry import errors
from wire import specs

SLACK: Final = 10.0
"""Seconds that an answer may take beyond what it was asked to wait."""

_REFUSALS: dict[int, type[errors.RegistryError]] = {
    401: errors.ServiceRefused,
    404: errors.NotFound,
    409: errors.Conflict,
}


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """Every model at one moment."""

    etag: str
    models: list[specs.Model]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one moment."""

    etag: str
    model: specs.Model


class Client:
    """Asks the registry over HTTP. Every method raises RegistryUnavailable (an OSError) where it does not answer."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address.rstrip("/") + "/internal/v1"
        self._token = token
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a later call makes new ones."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def snapshot(self, etag: str | None = None) -> specs.Snapshot | None:
        """Keys and endpoints; none where `etag` names what they are. Fits wire.directory.Directory."""
        answer = await self._ask("GET", "/snapshot", headers={"If-None-Match": f'"{etag}"'} if etag else None)
        return None if answer.status_code == 304 else msgspec.json.decode(answer.content, type=specs.Snapshot)

    async def models(self, etag: str | None = None, *, wait: float = 0) -> Models | None:
        """Every model; with `etag`, once they are other than that, else none after `wait` seconds (60 at most)."""
        answer = await self._ask("GET", "/models", params=_waiting(etag, wait), wait=wait)
        if answer.status_code == 304:
            return None
        return Models(etag=_etag(answer), models=msgspec.json.decode(answer.content, type=list[specs.Model]))

    async def model(self, account: str, model: str, etag: str | None = None, *, wait: float = 0) -> Model | None:
        """One model, like `models`. Raises NotFound, at once when it is removed."""
        answer = await self._ask("GET", f"/models/{account}/{model}", params=_waiting(etag, wait), wait=wait)
        if answer.status_code == 304:
            return None
        return Model(etag=_etag(answer), model=msgspec.json.decode(answer.content, type=specs.Model))

    async def download(self, sha256: str, to: pathlib.Path) -> None:
        """Fetch a blob into the file `to`, which appears whole or not at all. Raises NotFound, OSError."""
        part = to.with_name(f".{to.name}.{os.getpid()}.part")
        try:
            async with self._client().stream("GET", f"{self._address}/blobs/{sha256}") as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise _refusal(answer)
                await _written(answer, part, sha256)
            part.replace(to)
        except httpx.HTTPError as error:
            raise _unavailable(self._address, error) from error
        finally:
            part.unlink(missing_ok=True)

    async def append_log(self, account: str, model: str, version: int, text: str) -> None:
        """Add lines to a version's log. Raises NotFound."""
        await self._ask("POST", f"/models/{account}/{model}/versions/{version}/log", content=text.encode())

    async def passed(
        self, account: str, model: str, version: int, verdict: specs.Verdict | None = None
    ) -> specs.Version:
        """The version passed its check. Raises NotFound, Conflict."""
        return await self._report(account, model, version, {"state": "live", "verdict": verdict})

    async def failed(
        self, account: str, model: str, version: int, *, step: str | None, error: str | None
    ) -> specs.Version:
        """The version's build failed at `step`. Raises NotFound, Conflict."""
        return await self._report(account, model, version, {"state": "failed", "failed_step": step, "error": error})

    async def judged(self, account: str, model: str, version: int, verdict: specs.Verdict) -> specs.Version:
        """More was found out about how the version may be run. Raises NotFound."""
        path = f"/models/{account}/{model}/versions/{version}/verdict"
        answer = await self._ask("POST", path, content=msgspec.json.encode(verdict))
        return msgspec.json.decode(answer.content, type=specs.Version)

    async def _report(self, account: str, model: str, version: int, told: dict[str, Any]) -> specs.Version:
        path = f"/models/{account}/{model}/versions/{version}/state"
        answer = await self._ask("POST", path, content=msgspec.json.encode(told))
        return msgspec.json.decode(answer.content, type=specs.Version)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
        wait: float = 0,
    ) -> httpx.Response:
        try:
            answer = await self._client().request(
                method, self._address + path, params=params, headers=headers, content=content, timeout=SLACK + wait
            )
        except httpx.HTTPError as error:
            raise _unavailable(self._address, error) from error
        if answer.status_code >= 400:
            raise _refusal(answer)
        return answer

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {self._token}"}, timeout=SLACK, trust_env=False
            )
        return self._http


async def _written(answer: httpx.Response, part: pathlib.Path, sha256: str) -> None:
    found = hashlib.sha256()
    with part.open("wb") as file:
        async for chunk in answer.aiter_bytes():
            found.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    if found.hexdigest() != sha256:
        raise errors.RegistryUnavailable(f"blob {sha256} arrived damaged; fetch it again")


def _waiting(etag: str | None, wait: float) -> dict[str, str]:
    return {"wait": str(wait)} | ({"etag": etag} if etag else {})


def _etag(answer: httpx.Response) -> str:
    return str(answer.headers.get("etag", "")).strip('"')


def _unavailable(address: str, error: httpx.HTTPError) -> errors.RegistryUnavailable:
    return errors.RegistryUnavailable(f"the registry at {address} does not answer ({error or type(error).__name__})")


def _refusal(answer: httpx.Response) -> errors.RegistryError:
    try:
        detail = json.loads(answer.content).get("detail") or answer.text
    except (ValueError, AttributeError):
        detail = answer.text
    if answer.status_code >= 500:
        return errors.RegistryUnavailable(f"the registry answered {answer.status_code}: {detail}")
    return _REFUSALS.get(answer.status_code, errors.RegistryError)(detail)
