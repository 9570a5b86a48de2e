"""HTTP out: what became of a bulk job set. Its jobs' ids follow from the set's id, so nothing is looked up but they."""

import asyncio
import collections
from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from results import answers, errors, records, refusals, views
from wire import access, ids, jobs, problems, specs

Key = Annotated[specs.Key, Depends(access.caller)]
Lines = Annotated[int, Query(ge=1, le=1 << 24, description="How many lines the set has, as its 202 said.")]

CHUNK: Final = 500
"""Jobs read at once."""

PAUSE: Final = 0.2
"""Seconds between looks at a chunk that has not ended, while its stream waits: being woken by every batch that ends
would read the chunk hundreds of times a second."""

router = APIRouter(tags=["jobs"])


@router.get("/v1/models/{model}/bulk/{bulk_id}", summary="How far a bulk job set is")
async def status(request: Request, model: str, bulk_id: str, key: Key, lines: Lines) -> Response:
    """Its jobs counted by status. A refused line counts as queued: no job ever came of it."""
    endpoint, found = await _set(request, key, model, bulk_id)
    kept: answers.Results = request.app.state.results
    counts: collections.Counter[str] = collections.Counter()
    try:
        for first in range(0, lines, CHUNK):
            for value in await _values(kept, endpoint, found, first, min(first + CHUNK, lines)):
                counts[records.STATUSES[value[0]] if value is not None else jobs.Status.QUEUED] += 1
    except errors.StoreUnavailable as error:
        raise refusals.away() from error
    body = {"id": bulk_id, "model": model, "lines": lines, "counts": {one.value: counts[one] for one in jobs.Status}}
    return Response(msgspec.json.encode(body), media_type="application/json")


@router.get("/v1/models/{model}/bulk/{bulk_id}/results", summary="The results of a bulk job set, as NDJSON")
async def every(  # noqa: PLR0917  FastAPI calls it by name
    request: Request,
    model: str,
    bulk_id: str,
    key: Key,
    lines: Lines,
    wait: Annotated[float, Query(ge=0, le=3600, description="Seconds to wait for jobs that have not ended.")] = 0,
) -> StreamingResponse:
    """One job a line, in the order of the set's lines; with `wait`, each as soon as it and those before it ended."""
    endpoint, found = await _set(request, key, model, bulk_id)
    kept: answers.Results = request.app.state.results
    return StreamingResponse(_stream(kept, endpoint, found, lines, wait), media_type="application/x-ndjson")


async def _stream(
    kept: answers.Results, endpoint: specs.Endpoint, found: ids.JobId, lines: int, wait: float
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    for first in range(0, lines, CHUNK):
        last = min(first + CHUNK, lines)
        values = await _values(kept, endpoint, found, first, last)
        while loop.time() < until and not all(value is not None and records.is_terminal(value) for value in values):
            await asyncio.sleep(PAUSE)
            values = await _values(kept, endpoint, found, first, last)
        shown = []
        for line, value in enumerate(values, first):
            job_id = kept.signer.member(found, line, account_uid=endpoint.account_uid)
            shown.append(
                views.queued(job_id, endpoint.model, found.issued_ms)
                if value is None
                else views.job(job_id, endpoint.model, records.decode(value), ours=True)
            )
        yield b"\n".join(shown) + b"\n"


async def _values(
    kept: answers.Results, endpoint: specs.Endpoint, found: ids.JobId, first: int, last: int
) -> list[bytes | None]:
    members = [kept.signer.member(found, line, account_uid=endpoint.account_uid) for line in range(first, last)]
    return await kept.store.values(endpoint.account, endpoint.model, members)


async def _set(request: Request, key: specs.Key, model: str, bulk_id: str) -> tuple[specs.Endpoint, ids.JobId]:
    endpoint = await access.endpoint(request, key, model)
    found = ids.parse_bulk(bulk_id)
    kept: answers.Results = request.app.state.results
    if (
        found is None
        or found.model_uid != endpoint.model_uid
        or not kept.signer.verify(found, account_uid=endpoint.account_uid)
    ):
        raise problems.Problem(404, "No such bulk job set", f"{model} has no set {bulk_id!r}")
    return endpoint, found
