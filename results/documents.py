"""The OpenAPI of results: schemas and examples that several routes share."""

from typing import Any, Final

from results import answers
from wire import problems

ID: Final = "j_EAAAAAEBmPzF1wAqv4K0wq5v1lP0o8Vd"
EXAMPLE: Final[dict[str, Any]] = {
    "id": ID,
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
    "urls": {"self": f"/v1/jobs/{ID}", "output": f"/v1/jobs/{ID}/output"},
}
QUEUED: Final = EXAMPLE | {
    "version": None,
    "status": "queued",
    "queue_position": 17,
    "eta_seconds": 4.2,
    "output": None,
    "attempt": 0,
    "started_at": None,
    "completed_at": None,
    "timings": None,
    "urls": {"self": f"/v1/jobs/{ID}"},
}
FAILED: Final = EXAMPLE | {
    "status": "failed",
    "output": None,
    "error": {"type": "predict_error", "message": "ValueError: could not convert string to float: 'x'"},
    "urls": {"self": f"/v1/jobs/{ID}"},
}

TEXT: Final[dict[str, Any]] = {"type": "string"}
NULLABLE_TEXT: Final[dict[str, Any]] = {"type": ["string", "null"]}
NULLABLE_TIME: Final[dict[str, Any]] = {"type": ["string", "null"], "format": "date-time"}
NUMBER: Final[dict[str, Any]] = {"type": ["number", "null"]}
JOB: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Job",
    "required": ["id", "model", "status", "created_at", "urls"],
    "properties": {
        "id": TEXT,
        "model": TEXT,
        "version": {"type": ["integer", "null"]},
        "status": {"enum": ["queued", "running", "succeeded", "failed", "canceled", "expired"]},
        "output": {"description": "Any JSON; of a bytes output, base64. Lists leave it out."},
        "output_media_type": {"type": "string", "description": "Only of a bytes output."},
        "error": {
            "type": ["object", "null"],
            "properties": {"type": TEXT, "message": TEXT},
        },
        "attempt": {"type": "integer"},
        "queue_position": {
            "type": "integer",
            "minimum": 1,
            "description": "Only of a queued job whose place is known: how many of the model's jobs are queued up to "
            "this one, by the time of their acceptance.",
        },
        "eta_seconds": {
            "type": "number",
            "description": "Only beside queue_position, and only where this job was seen to move up within the last "
            "half minute: seconds until it starts, at that pace.",
        },
        "lane": {"const": "bulk", "description": "Only in the answer to a POST whose job went to the bulk lane."},
        "cached": {"type": "boolean"},
        "created_at": {"type": "string", "format": "date-time"},
        "started_at": NULLABLE_TIME,
        "completed_at": NULLABLE_TIME,
        "timings": {
            "type": ["object", "null"],
            "properties": {
                "queued_ms": NUMBER,
                "batch_ms": NUMBER,
                "predict_ms": NUMBER,
                "batch_size": {"type": ["integer", "null"]},
                "cold_ms": {
                    "type": "number",
                    "description": "Of queued_ms: a cold start of its worker.",
                },
            },
        },
        "metadata": {"type": ["object", "null"]},
        "urls": {"type": "object", "properties": {"self": TEXT, "output": TEXT}},
    },
}


def ok(description: str, schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    """A JSON answer."""
    named = {name: {"value": value} for name, value in examples.items()}
    return {"description": description, "content": {"application/json": {"schema": schema, "examples": named}}}


def problem(status: int, title: str, detail: str) -> dict[str, Any]:
    """A problem document."""
    schema = {
        "type": "object",
        "title": "Problem",
        "properties": {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
    }
    example = problems.document(status, title, detail)
    return {"description": title, "content": {problems.MEDIA_TYPE: {"schema": schema, "example": example}}}


AWAY: Final = problem(503, "Results cannot be read now", "the store of results is away; the job itself is safe")
UNAUTHORIZED: Final = problem(401, "API key needed", "no API key: send Authorization: Bearer pn_…")
NO_JOB: Final = problem(404, "No such job", "'j_…' is no id that Panini made for this account; …")
UNREAD: Final = problem(404, "Not known yet", "order-17 is not known: a job produced straight to Kafka is …")
GONE: Final = problem(410, "Result expired", f"job {ID} succeeded at 2026-01-01T12:00:00.005Z; its result was kept …")
WAIT_RANGE: Final = problem(422, "Wait out of range", "wait is a number of seconds from 0 to 60, not '61'")
COMMON: Final[dict[int | str, dict[str, Any]]] = {401: UNAUTHORIZED, 404: NO_JOB, 503: AWAY}

WAIT: Final[list[dict[str, Any]]] = [
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
        "schema": TEXT,
        "example": "wait=20",
    },
]
LIST: Final[list[dict[str, Any]]] = [
    {"name": "status", "in": "query", "required": False, "schema": JOB["properties"]["status"]},
    {"name": "cursor", "in": "query", "required": False, "description": "`next` of the page before.", "schema": TEXT},
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": answers.MAX_LIMIT, "default": 50},
    },
]
SEVERAL: Final[dict[str, Any]] = {"type": "object", "properties": {"jobs": {"type": "array", "items": JOB}}}
PAGE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"jobs": {"type": "array", "items": JOB}, "next": NULLABLE_TEXT},
}
LISTED: Final = {name: value for name, value in EXAMPLE.items() if name != "output"}
