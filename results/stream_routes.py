"""HTTP out: a job's events. The logic is in `streams`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse

from results import answers, documents, routes, streams
from wire import access, specs

Key = Annotated[specs.Key, Depends(access.caller)]
LastEventId = Annotated[
    str | None, Header(description="Number of the last event you have; EventSource sends it itself")
]

EVENTS: Final = "text/event-stream"

_EXAMPLE: Final = (
    'id: 1\nevent: queued\ndata: {"id":"j_…","model":"iris","status":"queued"}\n\n'
    'id: 2\nevent: started\ndata: {"id":"j_…","status":"running","version":1,"attempt":1,"started_at":"…"}\n\n'
    'id: 3\nevent: progress\ndata: {"fraction":0.5,"text":"half"}\n\n'
    'id: 4\nevent: ended\ndata: {"id":"j_…","status":"succeeded","output":"setosa", …}\n\n'
)
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = documents.COMMON | {
    200: {
        "description": "Events `queued`, `started`, `progress`, `output`, and last `ended` with the whole job; the "
        "stream ends with it. A comment every 15 seconds keeps it open.",
        "content": {EVENTS: {"example": _EXAMPLE}},
    },
    410: documents.GONE,
}

router = APIRouter(prefix="/v1", tags=["results"])


@router.get(
    "/jobs/{job_id}/events", summary="A job's events, as they happen", response_class=Response, responses=_RESPONSES
)
async def events(request: Request, key: Key, job_id: str, last_event_id: LastEventId = None) -> Response:
    """Server-Sent Events, numbered: after a lost connection go on with Last-Event-ID."""
    return await _stream(request, key, None, job_id, last_event_id)


@router.get(
    "/models/{model}/jobs/{job_id}/events",
    summary="The events of a job by any id",
    response_class=Response,
    responses=_RESPONSES | {404: documents.UNREAD},
)
async def events_of_model(
    request: Request, key: Key, model: str, job_id: str, last_event_id: LastEventId = None
) -> Response:
    """The same for every id, a client's own included."""
    return await _stream(request, key, model, job_id, last_event_id)


async def _stream(
    request: Request, key: specs.Key, model: str | None, job_id: str, last_event_id: str | None
) -> Response:
    state = request.app.state
    made: streams.Streams = state.streams
    opened = await made.open(state.directory, key, model, job_id, streams.place(last_event_id))
    if isinstance(opened, answers.Answer):
        return routes.response(opened)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(opened, media_type=EVENTS, headers=headers)
