"""The public routes of models and their versions."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request, Response

from registry import bundles, models, refusals, replies, service, staging, uploads, versions
from wire import access, problems, specs

router = APIRouter(route_class=refusals.Route)

Caller = Annotated[specs.Key, Depends(access.caller)]

ARCHIVES = (
    "application/x-tar",
    "application/tar",
    "application/gzip",
    "application/x-gzip",
    "application/x-compressed-tar",
    "application/zip",
    "application/x-zip-compressed",
    "application/octet-stream",
)
FORM = "multipart/form-data"
FORM_OVERHEAD = 16 << 20
"""Bytes that a form may have beside its files' own."""

_OPTIONS: dict[str, Any] = {
    "framework": {"type": "string", "enum": ["pytorch", "python", "fastai"], "default": "python"},
    "input": {"type": "string", "enum": ["bytes", "ints", "floats", "doubles", "strings", "json"], "default": "json"},
    "weights": {"type": "string", "description": "Path of the weights file, where there are several"},
    "batch": {"type": "string", "enum": ["true", "false", "verified"], "default": "verified"},
    "max_batch": {"type": "integer", "default": 256},
    "timeout": {"type": "number", "default": 60, "description": "Seconds one predict() call may take"},
    "load_timeout": {"type": "number", "default": 300, "description": "Seconds import and load() may take"},
    "memory_mb": {"type": "integer", "description": "Bound of the model's memory in MiB"},
    "sample": {"type": "string", "description": "One example input as JSON: it is run before the version goes live"},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "description": "The bundle's files, each with its path in the bundle as filename, or one archive of them. "
        "With an archive as the whole body the options are query parameters.",
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "array", "items": _BINARY["schema"]}, **_OPTIONS},
                },
                "example": {"file": ["predict.py", "requirements.txt", "model.joblib"], "input": "floats"},
            },
            "application/x-tar": _BINARY,
            "application/gzip": _BINARY,
            "application/zip": _BINARY,
        },
    },
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": schema} for name, schema in _OPTIONS.items()
    ],
}


class Receiver(Protocol):
    """A body being received."""

    fields: dict[str, bytes]

    def feed(self, chunk: bytes) -> None:
        """Take the next piece. Blocks."""
        ...

    def finish(self) -> None:
        """The body is complete. Blocks."""
        ...


@router.post(
    "/v1/models/{model}/versions",
    status_code=202,
    summary="Deploy: upload a version of a model",
    response_model=replies.Version,
    openapi_extra=_UPLOAD,
    responses={
        200: {"description": "The upload is the live version already", "model": replies.Version},
        **refusals.documented(400, 409, 413, 415, 422, 503, 507),
    },
    tags=["models"],
)
async def deploy(request: Request, response: Response, model: str, caller: Caller) -> replies.Version:
    """Everything is checked before anything is stored; then the version is built, and goes live when it passed.

    The first upload of a name makes the model and its Kafka topic. Follow `urls.log` to see it built.
    """
    models.require_name(model)
    registry: service.Registry = request.app.state.registry
    async with registry.stage() as staged:
        fields = await _received(request, staged)
        deployed = await registry.deploy(
            caller.account, model, staged, uploads.options_of(fields), fields.get(uploads.SAMPLE) or None
        )
    await _tell(request)
    body = replies.version(deployed.model, deployed.version, unchanged=deployed.unchanged)
    response.status_code = 200 if deployed.unchanged else 202
    response.headers["Location"] = body.urls.self
    return body


@router.get(
    "/v1/models",
    summary="List the models",
    response_model=replies.Models,
    responses=refusals.documented(503),
    tags=["models"],
)
async def list_models(request: Request, caller: Caller) -> replies.Models:
    """The account's models, by name."""
    registry: service.Registry = request.app.state.registry
    return replies.Models(models=[replies.model(row) for row in await registry.list_models(caller.account)])


@router.get(
    "/v1/models/{model}",
    summary="Show a model",
    response_model=replies.Model,
    responses=refusals.documented(404, 503),
    tags=["models"],
)
async def get_model(request: Request, model: str, caller: Caller) -> replies.Model:
    """The model, its live version and where to send jobs."""
    registry: service.Registry = request.app.state.registry
    return replies.model(await registry.model(caller.account, model))


@router.delete(
    "/v1/models/{model}",
    status_code=204,
    summary="Remove a model",
    responses=refusals.documented(404, 503),
    tags=["models"],
)
async def remove_model(request: Request, model: str, caller: Caller) -> None:
    """Its versions, logs, variables and topics go, with the jobs that wait in them and all results.

    That takes some seconds in the background; a deploy under its name waits for it.
    """
    registry: service.Registry = request.app.state.registry
    await registry.remove(caller.account, model)
    await _tell(request)


@router.get(
    "/v1/models/{model}/versions",
    summary="List a model's versions",
    response_model=replies.Versions,
    responses=refusals.documented(404, 503),
    tags=["models"],
)
async def list_versions(request: Request, model: str, caller: Caller) -> replies.Versions:
    """Newest first."""
    registry: service.Registry = request.app.state.registry
    row = await registry.model(caller.account, model)
    return replies.Versions(model=row.name, versions=[replies.version(row, each) for each in reversed(row.versions)])


@router.get(
    "/v1/models/{model}/versions/{version}",
    summary="Show a version",
    response_model=replies.Version,
    responses=refusals.documented(404, 422, 503),
    tags=["models"],
)
async def get_version(request: Request, model: str, version: int, caller: Caller) -> replies.Version:
    """The version, its files and options, and why it failed if it did."""
    registry: service.Registry = request.app.state.registry
    row = await registry.model(caller.account, model)
    return replies.version(row, versions.get(row, version))


@router.post(
    "/v1/models/{model}/rollback",
    summary="Make an earlier version live again",
    response_model=replies.Model,
    responses=refusals.documented(404, 409, 422, 503),
    tags=["models"],
)
async def rollback(request: Request, model: str, wanted: replies.Rollback, caller: Caller) -> replies.Model:
    """Only a version that passed its check can go live. Waiting jobs that pin no version go to it."""
    registry: service.Registry = request.app.state.registry
    row = await registry.rollback(caller.account, model, wanted.version)
    await _tell(request)
    return replies.model(row)


async def _received(request: Request, staged: staging.Staging) -> dict[str, bytes]:
    """Stream the body to disk; the fields it came with. Raises Problem 415 and the errors of uploads."""
    registry: service.Registry = request.app.state.registry
    receiver = _receiver(request, staged, registry)
    async for chunk in request.stream():
        if chunk:
            await asyncio.to_thread(_on_disk, receiver.feed, chunk)
    await asyncio.to_thread(_on_disk, receiver.finish)
    return {name: value.encode() for name, value in request.query_params.items()} | receiver.fields


def _receiver(request: Request, staged: staging.Staging, registry: service.Registry) -> Receiver:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    length = request.headers.get("content-length", "")
    allowed = staged.max_bytes + (FORM_OVERHEAD if kind == FORM else 0)
    if length.isdecimal() and int(length) > allowed:
        raise staging.too_large(staged.max_bytes)
    ratio = registry.settings.upload_ratio
    if kind == FORM:
        return uploads.Form(staged, content_type, max_ratio=ratio)
    if kind in ARCHIVES:
        return uploads.Archive(staged, max_ratio=ratio)
    raise problems.Problem(
        415, "Unsupported media type", f"{kind or 'no Content-Type'}: send {FORM}, or one of {', '.join(ARCHIVES)}"
    )


def _on_disk(work: Callable[..., None], *arguments: bytes) -> None:
    with bundles.translated():
        work(*arguments)


async def _tell(request: Request) -> None:
    """Make a change hold in this process at once; the others have it within seconds."""
    await request.app.state.directory.refresh()
