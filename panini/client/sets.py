"""Submitting many jobs as bulk sets: lines in, the jobs' documents out in the order of the inputs. No I/O."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from panini.client import calls, errors, exchange

LINES: Final = 1000
"""Jobs of one request: as many refusals as they can have, the server tells one by one."""

BYTES: Final = 8 << 20
"""Bytes of one request, and some: it is held in memory, to be sent again where that is safe."""

Outcome = dict[str, Any] | errors.ClientError
"""A job's document, or why it was not accepted."""


class _Problem(msgspec.Struct):
    line: int
    detail: str = ""


class _Told(msgspec.Struct):
    """What the answer to a set says."""

    id: str
    lines: int
    problems: list[_Problem] = []


def submit(
    options: calls.Options, model: str, inputs: Iterable[Any], words: calls.Words
) -> exchange.Flow[list[Outcome]]:
    """Submit every input; a job's document or an error for each, in their order.

    Raises:
        InvalidInput: an input that cannot be sent; nothing after its set's first is accepted then.
    """
    if words.get("idempotency_key") is not None:
        raise errors.InvalidInput("an idempotency_key is one job's: it cannot be said of many")
    found: list[Outcome] = []
    sets = _sets(calls.body(item, words) for item in inputs)
    for lines in sets:
        try:
            found += yield from _submit(options, model, lines)
        except errors.ClientError as error:
            rest = sum(len(more) for more in sets)
            return found + [error] * (len(lines) + rest)
    return found


def _submit(options: calls.Options, model: str, lines: list[bytes]) -> exchange.Flow[list[Outcome]]:
    path = exchange.path("models", model, "bulk")
    request = exchange.Request(
        method="POST",
        path=path,
        headers={"Content-Type": "application/x-ndjson"},
        body=b"\n".join(lines) + b"\n",
    )
    named = dataclasses.replace(
        request,
        renamed=lambda set_id: dataclasses.replace(request, query={"id": set_id}, repeatable=True, renamed=None),
    )
    reply = yield from exchange.send(named, options.retries, allowed=422)
    told = _convert(reply.document(), _Told, reply)
    refused = {one.line: one.detail for one in told.problems}
    # the answer names the set; its jobs' documents, ids included, are its results as they stand now
    shown = yield from exchange.send(
        exchange.Request(
            method="GET", path=f"{path}/{told.id}/results", query={"lines": str(told.lines)}, repeatable=True
        ),
        options.retries,
    )
    documents = [msgspec.json.decode(line) for line in shown.body.splitlines() if line]
    if len(documents) != len(lines):
        raise errors.NotUnderstood(
            f"{len(documents)} jobs came back for {len(lines)} lines; is the server of this version?"
        )
    return [_refusal(refused[number]) if number in refused else document for number, document in enumerate(documents)]


def _refusal(detail: str) -> errors.Refused:
    return errors.Refused({"type": "about:blank", "title": "Not a job", "status": 422, "detail": detail})


def _convert(document: Any, kind: type[_Told], reply: exchange.Reply) -> _Told:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        if reply.status >= 400:
            raise exchange.refusal(reply) from error
        raise errors.NotUnderstood(f"the answer is not understood: {error}") from error


def _sets(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Lines in requests' worth."""
    while first := list(itertools.islice(lines, 1)):
        some, size = first, len(first[0])
        for line in lines:
            some.append(line)
            size += len(line)
            if len(some) >= LINES or size >= BYTES:
                break
        yield some
