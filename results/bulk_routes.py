"""HTTP out: what became of a bulk job set. Its jobs' ids follow from the set's id, so nothing is looked up but they."""

import collections
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from results import answers, bulks, errors, records, refusals
from wire import access, ids, jobs, problems, specs

Key = Annotated[specs.Key, Depends(access.caller)]
Lines = Annotated[int, Query(ge=1, le=1 << 24, description="How many lines the set has, as its 202 said.")]

router = APIRouter(tags=["jobs"])


@router.get("/v1/models/{model}/bulk/{bulk_id}", summary="How far a bulk job set is")
async def status(request: Request, model: str, bulk_id: str, key: Key, lines: Lines) -> Response:
    """Its jobs counted by status. A refused line counts as queued: no job ever came of it."""
    endpoint, found = await _set(request, key, model, bulk_id)
    kept: answers.Results = request.app.state.results
    counts: collections.Counter[str] = collections.Counter()
    try:
        for first in range(0, lines, bulks.CHUNK):
            members = range(first, min(first + bulks.CHUNK, lines))
            for value in await bulks.read(kept, endpoint, found, members):
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
    return StreamingResponse(bulks.stream(kept, endpoint, found, lines, wait=wait), media_type=bulks.NDJSON)


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
