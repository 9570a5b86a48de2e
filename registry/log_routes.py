"""The public routes of versions' logs: as text, or followed as Server-Sent Events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from registry import errors, follow, logs, refusals, replies, service, versions
from wire import access, specs

router = APIRouter(route_class=refusals.Route)

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that proxies keep the connection."""

EVENTS = "text/event-stream"

Caller = Annotated[specs.Key, Depends(access.caller)]
Follow = Annotated[
    bool, Query(alias="follow", description="Stream the log as Server-Sent Events, as `Accept: text/event-stream` does")
]
UntilBuilt = Annotated[follow.Until, Query(description="When a followed log ends")]
After = Annotated[int, Query(ge=0, description="Number of the last line you have")]
LastEventId = Annotated[str | None, Header(description="Number of the last line you have: sent by EventSource itself")]

_DOCUMENTED = {
    200: {
        "description": "The lines; or events `line` (its id is the line's number) and `state` (the version as JSON, "
        "when it has left `building`)",
        "content": {
            "text/plain": {"example": "version 1 of iris: 3 files, 4,321 bytes\n"},
            EVENTS: {"example": "id: 1\nevent: line\ndata: version 1 of iris: 3 files, 4,321 bytes\n\n"},
        },
    }
} | refusals.documented(404, 422, 503)


@router.get(
    "/v1/models/{model}/versions/{version}/log",
    summary="A version's log",
    response_class=StreamingResponse,
    responses=_DOCUMENTED,
    tags=["logs"],
)
async def version_log(
    request: Request,
    model: str,
    version: int,
    caller: Caller,
    *,
    follow_it: Follow = False,
    until: UntilBuilt = follow.Until.BUILT,
    after: After = 0,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Its build, then what the model itself prints. Followed, it ends when the version is built, or `until=never`."""
    return await _log(
        request, caller, model, version, after=_place(after, last_event_id), until=until, follow_it=follow_it
    )


@router.get(
    "/v1/models/{model}/log",
    summary="The log of a model's live version",
    response_class=StreamingResponse,
    responses=_DOCUMENTED,
    tags=["logs"],
)
async def model_log(
    request: Request,
    model: str,
    caller: Caller,
    *,
    follow_it: Follow = False,
    until: UntilBuilt = follow.Until.NEVER,
    after: After = 0,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """The live version's log, else the newest's. Followed, it goes on until you leave, or `until=built`."""
    return await _log(
        request, caller, model, None, after=_place(after, last_event_id), until=until, follow_it=follow_it
    )


async def _log(
    request: Request,
    caller: specs.Key,
    model: str,
    number: int | None,
    *,
    after: int,
    until: follow.Until,
    follow_it: bool,
) -> StreamingResponse:
    registry: service.Registry = request.app.state.registry
    log, number = await registry.log(caller.account, model, number)
    if not follow_it and EVENTS not in request.headers.get("accept", ""):
        return StreamingResponse(_text(log, after), media_type="text/plain; charset=utf-8")

    async def look() -> tuple[specs.VersionState, str]:
        row = await registry.model(caller.account, model)
        version = versions.get(row, number)
        return versions.state(row, version), replies.version(row, version).model_dump_json()

    stream = follow.follow(log, look, after=after, until=until, heartbeat=HEARTBEAT)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(stream), media_type=EVENTS, headers=headers)


async def _text(log: logs.Log, after: int) -> AsyncIterator[str]:
    async for line in log.every(after):
        yield line.text + "\n"


async def _events(stream: AsyncIterator[logs.Line | follow.State[str] | follow.Quiet]) -> AsyncIterator[str]:
    try:
        async for event in stream:
            match event:
                case logs.Line(number, text):
                    yield f"id: {number}\nevent: line\ndata: {text}\n\n"
                case follow.State(value):
                    yield f"event: state\ndata: {value}\n\n"
                case follow.Quiet():
                    yield ": still here\n\n"
    except errors.NotFound:
        return  # the model was removed: there is no more to tell


def _place(after: int, last_event_id: str | None) -> int:
    return max(after, int(last_event_id)) if last_event_id and last_event_id.isdecimal() else after
