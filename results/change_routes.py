"""HTTP in: cancel and delete of jobs. The logic is in `changes`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from results import changes, documents, routes
from wire import access, specs

Key = Annotated[specs.Key, Depends(access.caller)]

_CANCELED: Final = documents.EXAMPLE | {
    "status": "canceled",
    "output": None,
    "timings": None,
    "urls": {"self": f"/v1/jobs/{documents.ID}"},
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = documents.COMMON | {
    200: documents.ok("The job as it stands now", documents.JOB, canceled=_CANCELED),
    410: documents.GONE,
}
_DELETED: Final[dict[int | str, dict[str, Any]]] = documents.COMMON | {
    204: {"description": "Deleted: GET answers 410 from now on"},
    409: documents.problem(409, "Job has not ended", f"job {documents.ID} is running; cancel it first, or wait …"),
    410: documents.GONE,
}

router = APIRouter(prefix="/v1", tags=["results"])


@router.post("/jobs/{job_id}/cancel", summary="Cancel a job", response_class=Response, responses=_ANSWERS)
async def cancel(request: Request, key: Key, job_id: str) -> Response:
    """A queued job never starts. A running one is `canceled` within 2 seconds; the answer waits for that.

    A job that had ended stays as it is, and is the answer.
    """
    state = request.app.state
    made: changes.Changes = state.changes
    return routes.response(await made.cancel(state.directory, key, job_id))


@router.post(
    "/models/{model}/jobs/{job_id}/cancel",
    summary="Cancel a job by any id",
    response_class=Response,
    responses=_ANSWERS,
)
async def cancel_of_model(request: Request, key: Key, model: str, job_id: str) -> Response:
    """An id of a client's own that no worker has read yet is canceled in advance."""
    state = request.app.state
    made: changes.Changes = state.changes
    return routes.response(await made.cancel_of_model(state.directory, key, model, job_id))


@router.delete(
    "/jobs/{job_id}", status_code=204, summary="Delete a job's result", response_class=Response, responses=_DELETED
)
async def delete(request: Request, key: Key, job_id: str) -> Response:
    """Of a job that ended: its input, output, events and pending webhook are dropped."""
    state = request.app.state
    made: changes.Changes = state.changes
    return routes.response(await made.delete(state.directory, key, job_id))


@router.delete(
    "/models/{model}/jobs/{job_id}",
    status_code=204,
    summary="Delete a job's result by any id",
    response_class=Response,
    responses=_DELETED,
)
async def delete_of_model(request: Request, key: Key, model: str, job_id: str) -> Response:
    """The same for every id, a client's own included."""
    state = request.app.state
    made: changes.Changes = state.changes
    return routes.response(await made.delete_of_model(state.directory, key, model, job_id))
