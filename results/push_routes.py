"""HTTP: the webhook deliveries of a job. The logic is in `pushes`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from results import documents, pushes, routes
from wire import access, specs

Key = Annotated[specs.Key, Depends(access.caller)]

_DELIVERY: Final[dict[str, Any]] = {
    "url": "https://example.com/hook",
    "state": "pending",
    "next_at": "2026-01-01T12:05:05.000Z",
    "tries": [
        {
            "number": 1,
            "at": "2026-01-01T12:00:00.005Z",
            "duration_ms": 31,
            "status_code": 500,
            "error": "the receiver answered 500",
            "reply": "oops",
        }
    ],
}
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "deliveries": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "url": documents.TEXT,
                    "state": {"enum": ["pending", "delivered", "failed", "disabled"]},
                    "next_at": documents.NULLABLE_TIME,
                    "tries": {"type": "array", "items": {"type": "object"}},
                },
            },
        }
    },
}
_LISTED: Final[dict[int | str, dict[str, Any]]] = documents.COMMON | {
    200: documents.ok("Its deliveries, with what became of each try", _SCHEMA, one={"deliveries": [_DELIVERY]})
}
_BEGUN: Final[dict[int | str, dict[str, Any]]] = documents.COMMON | {
    202: documents.ok("A new round of tries begins now", {"type": "object"}, begun={"state": "pending"}),
    409: documents.problem(409, "Nothing to deliver", "job j_… has no webhook, or has not ended yet; …"),
    410: documents.GONE,
}

router = APIRouter(prefix="/v1", tags=["webhooks"])


@router.get(
    "/jobs/{job_id}/deliveries",
    summary="A job's webhook deliveries",
    response_class=Response,
    responses=_LISTED,
)
async def deliveries(request: Request, key: Key, job_id: str) -> Response:
    """Empty for a job without a webhook, or one that has not ended."""
    state = request.app.state
    made: pushes.Pushes = state.pushes
    return routes.response(await made.deliveries(state.directory, key, None, job_id))


@router.get(
    "/models/{model}/jobs/{job_id}/deliveries",
    summary="The webhook deliveries of a job by any id",
    response_class=Response,
    responses=_LISTED,
)
async def deliveries_of_model(request: Request, key: Key, model: str, job_id: str) -> Response:
    """The same for every id, a client's own included."""
    state = request.app.state
    made: pushes.Pushes = state.pushes
    return routes.response(await made.deliveries(state.directory, key, model, job_id))


@router.post(
    "/jobs/{job_id}/redeliver",
    status_code=202,
    summary="Deliver a job's webhook again",
    response_class=Response,
    responses=_BEGUN,
)
async def redeliver(request: Request, key: Key, job_id: str) -> Response:
    """Whatever became of it: a new round of ten tries, with the same webhook-id. A receiver that answered 410 is
    called again."""
    state = request.app.state
    made: pushes.Pushes = state.pushes
    return routes.response(await made.redeliver(state.directory, key, None, job_id))


@router.post(
    "/models/{model}/jobs/{job_id}/redeliver",
    status_code=202,
    summary="Deliver the webhook of a job by any id again",
    response_class=Response,
    responses=_BEGUN,
)
async def redeliver_of_model(request: Request, key: Key, model: str, job_id: str) -> Response:
    """The same for every id, a client's own included."""
    state = request.app.state
    made: pushes.Pushes = state.pushes
    return routes.response(await made.redeliver(state.directory, key, model, job_id))
