"""Errors as HTTP clients see them: RFC 9457 problem details.

Routes raise `Problem`; nothing below the routes does. Its `detail` says what to do next.
"""

from http import HTTPStatus
from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """A request that ends in an error, with its status, words and headers."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}
        self.extra = extra

    def body(self) -> bytes:
        """The problem+json document."""
        return msgspec.json.encode(document(self.status, self.title, self.detail, **self.extra))


OURS: Final = Problem(500, "Our mistake", "an error of Panini itself; the log of this process has it")
"""What a client is told of an error that nobody foresaw."""


def document(status: int, title: str, detail: str = "", **extra: Any) -> dict[str, Any]:
    """A problem details object; `extra` members stand beside the standard ones."""
    document: dict[str, Any] = {"type": "about:blank", "title": title or HTTPStatus(status).phrase, "status": status}
    if detail:
        document["detail"] = detail
    return document | extra
