"""The registry's errors as HTTP says them: the one table from errors to status codes."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from registry import errors
from wire import problems

STATUSES: dict[type[errors.RegistryError], tuple[int, str]] = {
    errors.UnknownModel: (404, "No such model"),
    errors.UnknownVersion: (404, "No such version"),
    errors.UnknownKey: (404, "No such key"),
    errors.NotFound: (404, "Not found"),
    errors.BadName: (422, "Bad model name"),
    errors.BadArchive: (400, "Bad upload"),
    errors.BadUpload: (400, "Bad upload"),
    errors.BadBundle: (422, "Bad bundle"),
    errors.BadEnviron: (422, "Bad variables"),
    errors.BadPush: (422, "Bad receiver"),
    errors.TooLarge: (413, "Bundle too large"),
    errors.StorageFailed: (507, "The registry's storage failed"),
    errors.KafkaUnavailable: (503, "Kafka does not answer"),
    errors.KafkaRefused: (503, "Kafka refused"),
    errors.Conflict: (409, "Conflict"),
    errors.NoEncryptionKey: (503, "No encryption key"),
    errors.WrongEncryptionKey: (503, "Wrong encryption key"),
    errors.DatabaseUnavailable: (503, "The registry's database does not answer"),
    errors.RegistryUnavailable: (503, "The registry does not answer"),
}
"""Looked up along an error's bases, the nearest first."""

RETRY_AFTER = {
    errors.KafkaUnavailable: 2,
    errors.DatabaseUnavailable: 2,
    errors.RegistryUnavailable: 2,
    errors.NameTaken: 5,
}
"""Seconds after which another try may do."""


def problem(error: errors.RegistryError) -> problems.Problem:
    """The problem that tells a client of `error`."""
    status, title = next((STATUSES[base] for base in type(error).__mro__ if base in STATUSES), (500, "Registry error"))
    extra: dict[str, Any] = {}
    if isinstance(error, errors.BadBundle):
        extra = {name: value for name, value in (("file", error.file), ("line", error.line)) if value is not None}
    wait = RETRY_AFTER.get(type(error))
    return problems.Problem(status, title, str(error), headers={"Retry-After": str(wait)} if wait else None, **extra)


class Route(APIRoute):
    """A route whose registry errors leave as problems."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handler(request)
            except errors.RegistryError as error:
                raise problem(error) from error

        return translated


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` for problems with these status codes."""
    words = {
        400: "The upload cannot be read",
        401: "No, an unknown or a revoked API key",
        404: "There is no such thing in this account",
        409: "That does not fit the present state",
        413: "The bundle is larger than allowed",
        415: "The body is neither a form nor an archive",
        422: "The request or the bundle is wrong; `file` and `line` name the place",
        503: "An engine does not answer; try again after `Retry-After` seconds",
        507: "The registry's disk is full or cannot be written",
    }
    schema = {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What is wrong, and the next step"},
            "file": {"type": "string", "description": "The file of the bundle to mend"},
            "line": {"type": "integer", "description": "Its line, from 1"},
        },
    }
    return {
        status: {"description": words[status], "content": {problems.MEDIA_TYPE: {"schema": schema}}}
        for status in (401, *statuses)
    }
