"""Every operation of the API as a flow: which requests it takes and what it returns. Both clients share them."""

import dataclasses
import datetime as dt
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypedDict

from panini.client import errors, exchange, records, values
from wire import jobs

LONG_POLL: Final = 20
"""Seconds one request asks the server to wait; longer waits are several requests."""

Clock = Callable[[], float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How the operations behave, the same for all of a client."""

    retries: int = 3  # times a request is sent again where that is safe
    clock: Clock = time.monotonic  # seconds; tests bring their own


class Words(TypedDict, total=False):
    """What may be said of a job besides model and input. The server's defaults hold for what is not said."""

    metadata: dict[str, Any] | None  # your own words, handed back with the job
    timeout: float | None  # seconds its predict() may take
    deadline: dt.datetime | float | None  # after this time (or Unix seconds) it never starts
    webhook: str | None  # a URL that is called at its end
    webhook_events: Sequence[str] | None  # the statuses that are delivered; all terminal ones by default
    version: int | None  # a pin to one version of the model
    reply_to: str | None  # a Kafka topic of the model's allow-list that receives the finished job
    cache: bool | None  # False: never answer from the cache
    idempotency_key: str | None  # the same key again is the same job


def body(value: Any, words: Words) -> bytes:
    """The JSON body of the POST of a job. Raises InvalidInput."""
    fields: dict[str, Any] = {"input": value}
    fields |= {name: word for name, word in words.items() if word is not None and name != "idempotency_key"}
    deadline = words.get("deadline")
    if isinstance(deadline, dt.datetime):
        fields["deadline"] = deadline.astimezone(dt.UTC).isoformat()
    return values.encode(fields)


def submit(options: Options, model: str, value: Any, words: Words, wait: float) -> exchange.Flow[dict[str, Any]]:
    """Submit one job and wait up to `wait` seconds for its end; the job's document, finished or not."""
    ends = options.clock() + wait
    asked = min(math.floor(wait), LONG_POLL)
    content = body(value, words)
    key = words.get("idempotency_key")
    headers = {"Content-Type": "application/json"}
    if asked:
        headers["Prefer"] = f"wait={asked}"
    if key is not None:
        headers["Idempotency-Key"] = key
    request = exchange.Request(
        method="POST",
        path=exchange.path("models", model, "jobs"),
        headers=headers,
        body=content,
        patience=asked,
        repeatable=key is not None,
    )
    named = dataclasses.replace(
        request,
        renamed=lambda job_id: dataclasses.replace(
            request, body=values.with_id(content, job_id), repeatable=True, renamed=None
        ),
    )
    reply = yield from exchange.send(named, options.retries)
    document = _object(reply)
    if wait and not _done(document):
        left = ends - options.clock()
        return (yield from finished(options, _id(document), model, max(left, 0.0)))
    return document


def job(options: Options, job_id: str, model: str | None, wait: float) -> exchange.Flow[dict[str, Any]]:
    """The job as it stands now, or after at most `wait` seconds once it ended."""
    if wait:
        return (yield from finished(options, job_id, model, wait))
    return (yield from _look(options, job_id, model, 0))


def finished(options: Options, job_id: str, model: str | None, timeout: float | None) -> exchange.Flow[dict[str, Any]]:
    """The job's document once it ended, or as it stood when `timeout` seconds were over (None: no bound)."""
    ends = None if timeout is None else options.clock() + timeout
    pause = 0.0
    while True:
        left = math.inf if ends is None else ends - options.clock() - pause
        asked = max(0, math.floor(min(left, LONG_POLL)))
        asked_at = options.clock()
        document = yield from _look(options, job_id, model, asked, pause)
        if _done(document) or left <= 0:
            return document
        early = options.clock() - asked_at - pause < asked / 2  # it did not wait: do not ask in a tight loop
        pause = min(max(pause * 2, 0.05), 1.0) if early or not asked else 0.0
        if ends is not None:
            pause = max(0.0, min(pause, ends - options.clock()))


def cancel(options: Options, job_id: str, model: str | None) -> exchange.Flow[dict[str, Any]]:
    """Cancel a job; its document. An id of the client's own needs its model."""
    place = ("jobs", job_id) if model is None else ("models", model, "jobs", job_id)
    request = exchange.Request(method="POST", path=exchange.path(*place, "cancel"), repeatable=True)
    return _object((yield from exchange.send(request, options.retries)))


def jobs_page(
    options: Options, model: str, status: jobs.Status | str | None, cursor: str | None
) -> exchange.Flow[tuple[list[Any], str | None]]:
    """One page of a model's jobs, newest first, and the cursor of the next page; None at the end."""
    query = {"status": str(status)} if status else {}
    if cursor:
        query["cursor"] = cursor
    document = yield from _get(options, "models", model, "jobs", query=query)
    following = document.get("next") if isinstance(document, dict) else None
    return records.listed(document, "jobs"), following


def models(options: Options) -> exchange.Flow[list[records.Model]]:
    """The account's models."""
    document = yield from _get(options, "models")
    return [records.model(item) for item in records.listed(document, "models")]


def model(options: Options, name: str) -> exchange.Flow[records.Model]:
    """One model."""
    return records.model((yield from _get(options, "models", name)))


def versions(options: Options, name: str) -> exchange.Flow[list[records.Version]]:
    """A model's versions."""
    document = yield from _get(options, "models", name, "versions")
    return [records.version(item, model=name) for item in records.listed(document, "versions")]


def version(options: Options, name: str, number: int) -> exchange.Flow[records.Version]:
    """One version of a model."""
    return records.version((yield from _get(options, "models", name, "versions", number)), model=name)


def rollback(options: Options, name: str, number: int) -> exchange.Flow[dict[str, Any]]:
    """Make an earlier version the live one; the server's document."""
    request = exchange.Request(
        method="POST",
        path=exchange.path("models", name, "rollback"),
        headers={"Content-Type": "application/json"},
        body=values.encode({"version": number}),
        repeatable=True,  # it names the version: twice is once
    )
    return _object((yield from exchange.send(request, options.retries)))


def remove(options: Options, name: str) -> exchange.Flow[None]:
    """Remove a model, its versions, topics and results."""
    request = exchange.Request(method="DELETE", path=exchange.path("models", name))
    yield from exchange.send(request, options.retries)


def text_log(options: Options, name: str, number: int | None) -> exchange.Flow[list[records.Line]]:
    """A model's log as it stands, or that of one version's build."""
    request = exchange.Request(
        method="GET", path=log_path(name, number), headers={"Accept": "text/plain"}, repeatable=True
    )
    reply = yield from exchange.send(request, options.retries)
    lines = reply.body.decode("utf-8", "replace").splitlines()
    return [records.Line(number=place, text=text) for place, text in enumerate(lines, 1)]


def log_path(name: str, number: int | None) -> str:
    """Where a model's log is, or that of one version's build."""
    return exchange.path("models", name, *(() if number is None else ("versions", number)), "log")


def _look(
    options: Options, job_id: str, model: str | None, wait: int, pause: float = 0.0
) -> exchange.Flow[dict[str, Any]]:
    parts = ("models", model, "jobs", job_id) if model else ("jobs", job_id)
    request = exchange.Request(
        method="GET",
        path=exchange.path(*parts),
        query={"wait": str(wait)} if wait else {},
        patience=wait,
        repeatable=True,
        pause=pause,
    )
    return _object((yield from exchange.send(request, options.retries)))


def _get(options: Options, *parts: str | int, query: dict[str, str] | None = None) -> exchange.Flow[Any]:
    request = exchange.Request(method="GET", path=exchange.path(*parts), query=query or {}, repeatable=True)
    return (yield from exchange.send(request, options.retries)).document()


def _object(reply: exchange.Reply) -> dict[str, Any]:
    document = reply.document()
    if not isinstance(document, dict):
        raise errors.NotUnderstood("the answer is no JSON object; does the address lead to Panini's API?")
    return document


def _done(document: dict[str, Any]) -> bool:
    return document.get("status") in jobs.TERMINAL


def _id(document: dict[str, Any]) -> str:
    found = document.get("id")
    if not isinstance(found, str):
        raise errors.NotUnderstood("the answer names no job; does the address lead to Panini's API?")
    return found
