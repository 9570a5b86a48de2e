"""Requests and replies as plain values, and the flows that turn them into answers, without any I/O.

A flow is a generator: it yields requests, receives replies, and returns what was asked for. A transport (sync or async)
only carries the one to the other. So retries, waiting and paging are written once and tested without a server.
"""

import dataclasses
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from panini.client import errors

T = TypeVar("T")

LONGEST_PAUSE: Final = 5.0
"""Seconds waited before a retry at most, whatever Retry-After says: the caller's own patience rules."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request, to be sent after a pause."""

    method: str
    path: str
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    patience: float = 0.0  # seconds the server may take beyond the client's own timeout: it was asked to wait
    repeatable: bool = False  # sending it twice does no more than once
    renamed: Callable[[str], "Request"] | None = None  # the same with the id of a job that a 503 named: repeatable
    pause: float = 0.0  # seconds to wait before sending


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """One HTTP answer, whole."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def document(self) -> Any:
        """The JSON of the body. Raises NotUnderstood."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise errors.NotUnderstood(
                f"the answer (HTTP {self.status}) is no JSON; does the address lead to Panini's API?"
            ) from error


Flow = Generator[Request, Reply, T]


def path(*parts: str | int) -> str:
    """A path under /v1 with each part quoted: a job's id may hold `:`, and nothing may climb out."""
    quoted = (quote(str(part), safe=":") for part in parts)
    return "/v1/" + "/".join(part.replace(".", "%2E") if part in {".", ".."} else part for part in quoted)


def send(request: Request, retries: int, *, allowed: int = 0) -> Flow[Reply]:
    """The reply to `request`, a success or of the status `allowed`. Retried where that is safe, up to `retries` times.

    Safe is what surely was not seen, and what is repeatable. A 503 is retried likewise; for a new job with the id that
    the 503 names.

    Raises:
        Unreachable: no answer; Refused: any problem the server names.
    """
    for attempt in range(retries + 1):
        last = attempt == retries
        try:
            reply = yield request
        except errors.Unreachable as error:
            if last or not (request.repeatable or error.unsent):
                raise
            request = dataclasses.replace(request, pause=_pause(attempt))
            continue
        if reply.status < 300 or reply.status == allowed:
            return reply
        problem = refusal(reply)
        following = None if last else _again(request, problem, attempt)
        if following is None:
            raise problem
        request = following
    raise AssertionError("unreachable: the last attempt returns or raises")


def refusal(reply: Reply) -> errors.Refused:
    """The error of a reply that is no success."""
    problem = _problem(reply)
    kind = {401: errors.Unauthorized, 403: errors.Unauthorized, 404: errors.NotFound, 410: errors.Gone}.get(
        reply.status
    )
    if kind is None:
        kind = errors.Unavailable if reply.status >= 500 or reply.status == 429 else errors.Refused
    return kind(problem, retry_after=_seconds(reply.headers.get("retry-after")))


def _problem(reply: Reply) -> dict[str, Any]:
    """The problem document, or one made of what there is: a proxy's page is no JSON."""
    try:
        document = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        document = None
    if not isinstance(document, dict) or "title" not in document:
        detail = "the answer is not Panini's: does the address lead to its API?"
        document = {"title": f"The server answered HTTP {reply.status}", "detail": detail}
    return document | {"status": reply.status}


def _again(request: Request, problem: errors.Refused, attempt: int) -> Request | None:
    """The request to send after a refusal; None: do not."""
    if problem.status != 503:
        return None
    named = problem.problem.get("id")
    if request.renamed is not None and isinstance(named, str):
        request = request.renamed(named)
    elif not request.repeatable:
        return None
    wanted = _pause(attempt) if problem.retry_after is None else problem.retry_after
    return dataclasses.replace(request, pause=min(wanted, LONGEST_PAUSE))


def _pause(attempt: int) -> float:
    """Seconds before the retry that follows the attempt: 0.1, 0.4, 1.6 …"""
    return min(0.1 * 4.0 ** min(attempt, 9), LONGEST_PAUSE)


def _seconds(text: str | None) -> float | None:
    try:
        return max(float(text), 0.0) if text else None
    except ValueError:  # a date; our servers send seconds
        return None
