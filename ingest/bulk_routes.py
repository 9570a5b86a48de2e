"""HTTP in: bulk job sets."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from ingest import accept, bulk, errors, producer
from results import answers, bulks, refusals, waits
from wire import access, ids, problems, specs

Key = Annotated[specs.Key, Depends(access.caller)]

_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/x-ndjson": {
            "schema": {"type": "string"},
            "examples": {"two": {"value": '{"input": [5.1, 3.5, 1.4, 0.2]}\n{"input": [6.2, 2.9, 4.3, 1.3]}\n'}},
        }
    },
}

DEFAULT_WAIT: Final = 60.0
"""Seconds that a set's results are waited for when its client wants them streamed and does not say how long."""

MOST_WAIT: Final = 3600.0

router = APIRouter(tags=["jobs"])


@router.post(
    "/v1/models/{model}/bulk",
    status_code=202,
    summary="Submit a bulk job set",
    responses={
        200: {
            "description": "With `Accept: application/x-ndjson`: the results, a line each, as they end, for up to "
            "`Prefer: wait=n` seconds (60 by default, 3600 at most). A refused line's is its problem",
            "content": {"application/x-ndjson": {}},
        },
        202: {"description": "Accepted; refused lines are listed, and failed no other"},
        503: {
            "description": "Kafka did not keep all, or results have no room; send the same set again with ?id=, and "
            "each job runs once"
        },
    },
    openapi_extra={"requestBody": _BODY},
)
async def submit(request: Request, model: str, key: Key, id: str | None = None) -> Response:  # noqa: A002  the query's
    """One job a line, as in POST …/jobs. They go through the bulk lane, behind interactive jobs."""
    endpoint = await access.endpoint(request, key, model)
    if endpoint.live is None:
        raise accept.not_live(endpoint)
    state = request.app.state
    kept: answers.Results = state.results
    bulk_id = _named(kept.signer, endpoint, id)
    kafka: producer.Producer = state.producer
    traceparent = request.headers.get("traceparent")
    intake = bulk.Intake(
        acceptor=state.acceptor,
        kafka=kafka,
        signer=kept.signer,
        endpoint=endpoint,
        bulk_id=bulk_id,
        traceparent=traceparent,
        noted=state.notes,
    )
    try:
        await intake.take(bulk.lines_of(request.stream()))
    except errors.NoRoom as error:
        raise refusals.no_room(state.budget.used, state.budget.most, id=bulk_id, accepted=intake.accepted) from error
    except (errors.KafkaUnavailable, errors.Full) as error:
        raise problems.Problem(
            503,
            "Kafka did not keep all",
            f"{intake.accepted} jobs were kept; send the same lines again to this address with ?id={bulk_id}, "
            "and each job runs once",
            headers={"Retry-After": "1"},
            id=bulk_id,
            accepted=intake.accepted,
        ) from error
    own = f"/v1/models/{model}/bulk/{bulk_id}"
    status = 202 if intake.accepted or not intake.lines else 422
    body = {
        "id": bulk_id,
        "model": model,
        "lines": intake.lines,
        "accepted": intake.accepted,
        "refused": intake.refused,
        "problems": intake.problems,
        "urls": {"self": f"{own}?lines={intake.lines}", "results": f"{own}/results?lines={intake.lines}"},
    }
    if not intake.lines:
        raise problems.Problem(422, "An empty set", 'send one job a line, such as {"input": …}')
    headers = {"Location": f"{own}?lines={intake.lines}"}
    if bulks.NDJSON in request.headers.get("accept", ""):
        parsed = ids.parse_bulk(bulk_id)
        assert parsed is not None  # noqa: S101  made or checked above
        waited = _waited(request)
        headers["Preference-Applied"] = f"wait={waited:g}"
        stream = bulks.stream(kept, endpoint, parsed, intake.lines, wait=waited, refused=intake.reasons())
        return StreamingResponse(stream, headers=headers, media_type=bulks.NDJSON)
    return Response(msgspec.json.encode(body), status_code=status, headers=headers, media_type="application/json")


def _waited(request: Request) -> float:
    """Seconds that the stream of results may wait for them."""
    found = waits.preferred(request.headers.get("prefer", ""), most=MOST_WAIT)
    return DEFAULT_WAIT if found is None else found


def _named(signer: ids.Signer, endpoint: specs.Endpoint, named: str | None) -> str:
    if named is None:
        return signer.new_bulk(model_uid=endpoint.model_uid, account_uid=endpoint.account_uid, now_ms=answers.clock())
    parsed = ids.parse_bulk(named)
    if (
        parsed is None
        or parsed.model_uid != endpoint.model_uid
        or not signer.verify(parsed, account_uid=endpoint.account_uid)
    ):
        raise problems.Problem(422, "Not a set of this model", "id may only repeat the one that a 503 carried")
    return named
