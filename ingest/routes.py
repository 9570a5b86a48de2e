"""HTTP in: jobs. The logic is in `accept`; here are only addresses and their documentation."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from ingest import accept, settings
from results import waits
from wire import access, problems, specs

Key = Annotated[specs.Key, Depends(access.caller)]


_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["input"],
                "additionalProperties": False,
                "properties": {
                    "input": {"description": "What the model takes; its type is chosen at deploy."},
                    "id": {"type": "string", "description": "The id that a 503 carried: the same job again."},
                    "version": {"type": "integer", "minimum": 1, "description": "Pin; default: the live version."},
                    "timeout": {"type": "number", "description": "Seconds one predict() call may take."},
                    "deadline": {"description": "RFC 3339 time or Unix seconds; the job never starts after it."},
                    "metadata": {"type": "object", "description": "Handed back with the job; 16 KiB at most."},
                    "webhook": {"type": "string", "format": "uri"},
                    "webhook_events": {"type": "array", "items": {"type": "string"}},
                    "reply_to": {"type": "string", "description": "A topic of the model's allow-list."},
                    "lane": {
                        "enum": ["interactive", "bulk"],
                        "description": "bulk: after everybody's interactive jobs.",
                    },
                    "cache": {"type": "boolean", "description": "False: never answer from the cache."},
                },
            },
            "examples": {
                "iris": {"summary": "Four floats", "value": {"input": [5.1, 3.5, 1.4, 0.2]}},
                "metadata": {
                    "summary": "With words of your own",
                    "value": {"input": {"text": "hello"}, "metadata": {"order": 17}},
                },
            },
        }
    },
}

_HEADERS: Final[list[dict[str, Any]]] = [
    {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "`wait=n`: answer with the finished job if it ends within n seconds (RFC 7240).",
        "schema": {"type": "string"},
        "example": "wait=20",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same key and body are the same job of this model, finished or not, for 24 hours; another "
        "body with it is 422. 1 to 255 printable ASCII characters.",
        "schema": {"type": "string", "maxLength": 255},
    },
]


def _problem(what: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "detail": {"type": "string"}}}
    return {"description": what, "content": {problems.MEDIA_TYPE: {"schema": schema}}}


_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    401: _problem("No or unknown API key"),
    404: _problem("No such model"),
    409: _problem("The model has no live version yet"),
    413: _problem("The job is too large"),
    422: _problem("Not a job of this model"),
    503: _problem("Kafka did not acknowledge (`id` repeats the job safely), or results have no room"),
}
_ACCEPTED: Final = {"description": "Accepted; poll `Location`, unless `status` says that its answer was known"}

router = APIRouter(tags=["jobs"])


@router.post(
    "/v1/models/{model}/jobs",
    status_code=202,
    summary="Submit a job",
    responses=_REFUSALS | {200: {"description": "Finished within `Prefer: wait=…`"}, 202: _ACCEPTED},
    openapi_extra={"requestBody": _BODY, "parameters": _HEADERS},
)
async def submit(request: Request, model: str, key: Key) -> Response:
    """Accept one job. With `Prefer: wait=20` the answer is the finished job, if it ends in time."""
    return await _handle(request, key, model, "submit", _wait(request, default=None))


@router.post(
    "/v1/models/{model}/predict",
    summary="Predict, and wait for the answer",
    responses=_REFUSALS | {200: {"description": "The output"}, 202: _ACCEPTED},
    openapi_extra={"requestBody": _BODY, "parameters": _HEADERS},
)
async def predict(request: Request, model: str, key: Key) -> Response:
    """The original Panini call: `{"query_id", "output", "default"}`; past its wait 202 and `Location`."""
    return await _handle(request, key, model, "predict", _wait(request, default=_settings(request).ingest_predict_wait))


@router.post("/{account}-{model}/predict", include_in_schema=False)
async def predict_2019(request: Request, account: str, model: str, key: Key) -> Response:
    """The same at the address that Panini had in 2019."""
    if account != key.account:
        raise access.unknown_model(model)
    return await _handle(request, key, model, "predict", _wait(request, default=_settings(request).ingest_predict_wait))


async def _handle(request: Request, key: specs.Key, model: str, what: str, wait: float | None) -> Response:
    acceptor: accept.Acceptor = request.app.state.acceptor
    endpoint = await access.endpoint(request, key, model)
    raw = await body(request, _settings(request).ingest_max_body)
    wanted = accept.Wanted(
        wait=wait,
        traceparent=request.headers.get("traceparent"),
        key=key.id,
        idempotency_key=request.headers.get("idempotency-key"),
    )
    reply = await (acceptor.submit if what == "submit" else acceptor.predict)(endpoint, raw, wanted)
    return Response(reply.body, status_code=reply.status, headers=reply.headers, media_type=reply.media_type)


async def body(request: Request, most: int) -> bytes:
    """The request's body, refused before it is buffered where it is too large. Raises Problem 413."""
    length = request.headers.get("content-length")
    if length is not None and length.isdigit() and int(length) > most:
        raise _too_large(most)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(most: int) -> problems.Problem:
    return problems.Problem(
        413, "Body too large", f"a body may have {most} bytes; send a reference to the data instead"
    )


def _settings(request: Request) -> settings.Settings:
    found: settings.Settings = request.app.state.ingest_settings
    return found


def _wait(request: Request, *, default: float | None) -> float | None:
    """Seconds that `Prefer: wait=` or `?wait=` asks for. Raises Problem 422 where ?wait is out of range."""
    most = _settings(request).ingest_max_wait
    asked = request.query_params.get("wait")
    if asked is not None:
        return waits.asked(asked, most=most)
    found = waits.preferred(request.headers.get("prefer", ""), most=most)
    return default if found is None else found
