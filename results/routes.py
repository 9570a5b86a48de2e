"""HTTP out: the jobs' results. The logic is in `answers`; here are only addresses and their documentation."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from results import answers
from wire import access, problems, specs

Key = Annotated[specs.Key, Depends(access.caller)]

_ID: Final = "j_EAAAAAEBmPzF1wAqv4K0wq5v1lP0o8Vd"
_EXAMPLE: Final[dict[str, Any]] = {
    "id": _ID,
    "model": "iris",
    "version": 1,
    "status": "succeeded",
    "output": "setosa",
    "error": None,
    "attempt": 1,
    "cached": False,
    "created_at": "2026-01-01T12:00:00.000Z",
    "started_at": "2026-01-01T12:00:00.003Z",
    "completed_at": "2026-01-01T12:00:00.005Z",
    "timings": {"queued_ms": 3.1, "batch_ms": 0.2, "predict_ms": 1.4, "batch_size": 1},
    "metadata": None,
    "urls": {"self": f"/v1/jobs/{_ID}", "output": f"/v1/jobs/{_ID}/output"},
}
_QUEUED: Final = _EXAMPLE | {
    "version": None,
    "status": "queued",
    "output": None,
    "attempt": 0,
    "started_at": None,
    "completed_at": None,
    "timings": None,
    "urls": {"self": f"/v1/jobs/{_ID}"},
}
_FAILED: Final = _EXAMPLE | {
    "status": "failed",
    "output": None,
    "error": {"type": "predict_error", "message": "ValueError: could not convert string to float: 'x'"},
    "urls": {"self": f"/v1/jobs/{_ID}"},
}

_text: Final[dict[str, Any]] = {"type": "string"}
_nullable_text: Final[dict[str, Any]] = {"type": ["string", "null"]}
_nullable_time: Final[dict[str, Any]] = {"type": ["string", "null"], "format": "date-time"}
_number: Final[dict[str, Any]] = {"type": ["number", "null"]}
_JOB: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Job",
    "required": ["id", "model", "status", "created_at", "urls"],
    "properties": {
        "id": _text,
        "model": _text,
        "version": {"type": ["integer", "null"]},
        "status": {"enum": ["queued", "running", "succeeded", "failed", "canceled", "expired"]},
        "output": {"description": "Any JSON; of a bytes output, base64. Lists leave it out."},
        "output_media_type": {"type": "string", "description": "Only of a bytes output."},
        "error": {
            "type": ["object", "null"],
            "properties": {"type": _text, "message": _text},
        },
        "attempt": {"type": "integer"},
        "cached": {"type": "boolean"},
        "created_at": {"type": "string", "format": "date-time"},
        "started_at": _nullable_time,
        "completed_at": _nullable_time,
        "timings": {
            "type": ["object", "null"],
            "properties": {
                "queued_ms": _number,
                "batch_ms": _number,
                "predict_ms": _number,
                "batch_size": {"type": ["integer", "null"]},
            },
        },
        "metadata": {"type": ["object", "null"]},
        "urls": {"type": "object", "properties": {"self": _text, "output": _text}},
    },
}


def _ok(description: str, schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"description": description, "content": {"application/json": {"schema": schema, "examples": named}}}


def _problem(status: int, title: str, detail: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "title": "Problem",
        "properties": {"type": _text, "title": _text, "status": {"type": "integer"}, "detail": _text},
    }
    example = problems.document(status, title, detail)
    return {"description": title, "content": {problems.MEDIA_TYPE: {"schema": schema, "example": example}}}


_AWAY: Final = _problem(503, "Results cannot be read now", "the store of results is away; the job itself is safe")
_401: Final = _problem(401, "API key needed", "no API key: send Authorization: Bearer pn_…")
_404: Final = _problem(404, "No such job", "'j_…' is no id that Panini made for this account; …")
_UNREAD: Final = _problem(404, "Not known yet", "order-17 is not known: a job produced straight to Kafka is …")
_410: Final = _problem(410, "Result expired", f"job {_ID} succeeded at 2026-01-01T12:00:00.005Z; its result was kept …")
_422: Final = _problem(422, "Wait out of range", "wait is a number of seconds from 0 to 60, not '61'")
_COMMON: Final[dict[int | str, dict[str, Any]]] = {401: _401, 404: _404, 503: _AWAY}

_WAIT: Final[list[dict[str, Any]]] = [
    {
        "name": "wait",
        "in": "query",
        "required": False,
        "description": "Seconds to wait for the end before answering with the job as it is.",
        "schema": {"type": "number", "minimum": 0, "maximum": answers.MAX_WAIT, "default": 0},
    },
    {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "`wait=n`, the same as the query's (RFC 7240); answered with Preference-Applied.",
        "schema": _text,
        "example": "wait=20",
    },
]
_LIST: Final[list[dict[str, Any]]] = [
    {"name": "status", "in": "query", "required": False, "schema": _JOB["properties"]["status"]},
    {"name": "cursor", "in": "query", "required": False, "description": "`next` of the page before.", "schema": _text},
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": answers.MAX_LIMIT, "default": 50},
    },
]
_SEVERAL: Final[dict[str, Any]] = {"type": "object", "properties": {"jobs": {"type": "array", "items": _JOB}}}
_PAGE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"jobs": {"type": "array", "items": _JOB}, "next": _nullable_text},
}
_LISTED: Final = {name: value for name, value in _EXAMPLE.items() if name != "output"}

router = APIRouter(prefix="/v1", tags=["results"])


@router.get(
    "/jobs/{job_id}",
    summary="A job's status and result",
    response_class=Response,
    openapi_extra={"parameters": _WAIT},
    responses=_COMMON
    | {
        200: _ok("The job", _JOB, succeeded=_EXAMPLE, queued=_QUEUED, failed=_FAILED),
        304: {"description": "If-None-Match names the job's ETag: it ended, and you have it"},
        410: _410,
        422: _422,
    },
)
async def job(request: Request, key: Key, job_id: str) -> Response:
    """Every id that Panini made, from the moment of its 202. A job that ended never changes again."""
    state = request.app.state
    return _response(await state.results.job(state.directory, key, job_id, _asked(request)))


@router.get(
    "/jobs/{job_id}/output",
    summary="A job's output as a file",
    response_class=Response,
    openapi_extra={"parameters": _WAIT},
    responses=_COMMON
    | {
        200: {"description": "The output: raw bytes in their media type, else JSON", "content": {"*/*": {}}},
        409: _problem(409, "No output yet", f"job {_ID} is running; ask again with ?wait=20"),
        410: _410,
        422: _422,
    },
)
async def output(request: Request, key: Key, job_id: str) -> Response:
    """Of a job that succeeded; 409 of any other."""
    state = request.app.state
    return _response(await state.results.output(state.directory, key, job_id, _asked(request)))


@router.get(
    "/models/{model}/jobs/{job_id}",
    summary="A job by any id, a client's own included",
    response_class=Response,
    openapi_extra={"parameters": _WAIT},
    responses=_COMMON | {200: _ok("The job", _JOB, succeeded=_EXAMPLE), 404: _UNREAD, 410: _410, 422: _422},
)
async def job_of_model(request: Request, key: Key, model: str, job_id: str) -> Response:
    """A job that was produced straight to Kafka is known once a worker has read its record."""
    state = request.app.state
    return _response(await state.results.job_of_model(state.directory, key, model, job_id, _asked(request)))


@router.get(
    "/models/{model}/records/{partition}/{offset}",
    summary="The jobs of a Kafka record",
    response_class=Response,
    openapi_extra={"parameters": _WAIT},
    responses=_COMMON | {200: _ok("Its jobs", _SEVERAL, one={"jobs": [_EXAMPLE]}), 404: _UNREAD, 410: _410, 422: _422},
)
async def record(request: Request, key: Key, model: str, partition: str, offset: str) -> Response:
    """By the partition and offset that a producer got: those of its jobs that workers have read."""
    state = request.app.state
    place = (partition, offset)
    return _response(await state.results.record(state.directory, key, model, place, _asked(request)))


@router.get(
    "/models/{model}/jobs",
    summary="A model's jobs, newest first",
    response_class=Response,
    openapi_extra={"parameters": _LIST},
    responses=_COMMON
    | {200: _ok("A page", _PAGE, first={"jobs": [_LISTED], "next": f"1767268800000~{_ID}"}), 422: _422},
)
async def jobs_of_model(request: Request, key: Key, model: str) -> Response:
    """Those that workers have read, without their outputs. A page may be short and still name a next one."""
    state = request.app.state
    query = request.query_params
    answer = await state.results.page(
        state.directory,
        key,
        model,
        status=query.get("status"),
        cursor=query.get("cursor"),
        limit=query.get("limit"),
    )
    return _response(answer)


def _asked(request: Request) -> answers.Asked:
    headers = request.headers
    return answers.Asked(
        wait=request.query_params.get("wait"),
        prefer=headers.get("prefer"),
        if_none_match=headers.get("if-none-match"),
    )


def _response(answer: answers.Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)
