"""The routes for Panini's own processes, under /internal/v1: what they hold of the registry, and what builds report.

They ask for the internal token, speak msgspec's JSON of wire.specs, and are not in the public OpenAPI.
"""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse

from registry import errors, refusals, service, snapshots
from wire import access, problems, specs

router = APIRouter(
    prefix="/internal/v1",
    route_class=refusals.Route,
    dependencies=[Depends(access.service)],
    include_in_schema=False,
)

MAX_WAIT = 60.0
MAX_REPORT = 4 << 20
"""Bytes of one report at most."""

Wait = Annotated[float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for a change")]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How a version's build ended."""

    state: Literal["live", "failed"]
    """`live`: it passed its check (whether it goes live is the registry's to say)."""
    failed_step: str | None = None
    error: str | None = None
    verdict: specs.Verdict | None = None
    """What the check found out about the version."""


@router.get("/snapshot")
async def snapshot(request: Request) -> Response:
    """Keys and endpoints; 304 where If-None-Match names what they are."""
    registry: service.Registry = request.app.state.registry
    taken = await registry.snapshot(_etag(request, None))
    return _unchanged(_etag(request, None)) if taken is None else _json(taken, taken.etag)


@router.get("/models")
async def models(request: Request, wait: Wait = 0, etag: str | None = None) -> Response:
    """Every model; with `etag`, once they are other than that, else 304 after `wait` seconds."""
    registry: service.Registry = request.app.state.registry
    known = _etag(request, etag)
    found = await registry.wait_specs(known, wait)
    return _unchanged(known) if found is None else _json(found.models, found.etag)


@router.get("/models/{account}/{model}")
async def model(request: Request, account: str, model: str, wait: Wait = 0, etag: str | None = None) -> Response:
    """One model, like `models`."""
    registry: service.Registry = request.app.state.registry
    known = _etag(request, etag)

    def part(whole: snapshots.Models) -> snapshots.Models:
        return whole.one(account, model)

    found = await registry.wait_specs(known, wait, part)
    if found is None:
        return _unchanged(known)
    if not found.models:
        raise errors.UnknownModel(f"there is no model {model!r}")
    return _json(found.models[0], found.etag)


@router.get("/blobs/{sha256}")
async def blob(request: Request, sha256: str) -> FileResponse:
    """The bytes of a file."""
    registry: service.Registry = request.app.state.registry
    return FileResponse(await registry.blob(sha256), media_type="application/octet-stream")


@router.post("/models/{account}/{model}/versions/{version}/log", status_code=204)
async def append_log(request: Request, account: str, model: str, version: int) -> None:
    """Add the body's lines to the version's log."""
    registry: service.Registry = request.app.state.registry
    body = await _body(request)
    if body:
        await registry.append_log(account, model, version, body.decode("utf-8", "replace"))


@router.post("/models/{account}/{model}/versions/{version}/state")
async def report(request: Request, account: str, model: str, version: int) -> Response:
    """How the version's build ended; the version as it now stands."""
    registry: service.Registry = request.app.state.registry
    try:
        told = msgspec.json.decode(await _body(request), type=Report)
    except msgspec.DecodeError as error:
        raise problems.Problem(422, "Bad report", str(error)) from error
    if told.state == "live":
        return _json(await registry.passed(account, model, version, told.verdict))
    return _json(await registry.failed(account, model, version, step=told.failed_step, error=told.error))


@router.post("/models/{account}/{model}/versions/{version}/verdict")
async def judge(request: Request, account: str, model: str, version: int) -> Response:
    """What a worker found out about how the version may be run; the version as it now stands."""
    registry: service.Registry = request.app.state.registry
    try:
        found = msgspec.json.decode(await _body(request), type=specs.Verdict)
    except msgspec.DecodeError as error:
        raise problems.Problem(422, "Bad verdict", str(error)) from error
    return _json(await registry.judged(account, model, version, found))


async def _body(request: Request) -> bytes:
    """The body, bounded. Raises Problem 413."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REPORT:
            raise problems.Problem(413, "Report too large", f"send at most {MAX_REPORT:,} bytes at once")
    return bytes(body)


def _etag(request: Request, given: str | None) -> str | None:
    header = request.headers.get("if-none-match")
    return header.removeprefix("W/").strip('"') if header and given is None else given


def _unchanged(etag: str | None) -> Response:
    return Response(status_code=304, headers={"ETag": f'"{etag}"'})


def _json(value: object, etag: str | None = None) -> Response:
    headers = {"Cache-Control": "no-store"} | ({"ETag": f'"{etag}"'} if etag else {})
    return Response(msgspec.json.encode(value), media_type="application/json", headers=headers)
