"""A bulk job set's results: its jobs' ids follow from the set's id, so nothing is looked up but they."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from results import answers, records, views
from wire import ids, problems, specs

CHUNK: Final = 500
"""Jobs read at once."""

PAUSE: Final = 0.2
"""Seconds between looks at a chunk that has not ended, while its stream waits: being woken by every batch that ends
would read the chunk hundreds of times a second."""

NDJSON: Final = "application/x-ndjson"


async def stream(
    kept: answers.Results,
    endpoint: specs.Endpoint,
    found: ids.JobId,
    lines: int,
    *,
    wait: float,
    refused: Mapping[int, str] | None = None,
) -> AsyncIterator[bytes]:
    """A line of JSON for each of the set's lines, in their order; waiting up to `wait` seconds, each as soon as it and
    those before it ended. Of a line that is known as `refused` no job comes: its problem stands there at once."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    without = refused or {}
    for first in range(0, lines, CHUNK):
        last = min(first + CHUNK, lines)
        members = range(first, last)
        named = ids_of(kept, endpoint, found, members)
        values = await kept.store.values(endpoint.account, endpoint.model, named)
        while loop.time() < until and not all(
            line in without or (value is not None and records.is_terminal(value))
            for line, value in zip(members, values, strict=True)
        ):
            await asyncio.sleep(PAUSE)
            values = await kept.store.values(endpoint.account, endpoint.model, named)
        shown = []
        for line, job_id, value in zip(members, named, values, strict=True):
            if line in without:
                shown.append(msgspec.json.encode(problems.document(422, "Not a job", without[line], line=line)))
            elif value is None:
                shown.append(views.queued(job_id, endpoint.model, found.issued_ms))
            else:
                shown.append(views.job(job_id, endpoint.model, records.decode(value), ours=True))
        yield b"\n".join(shown) + b"\n"


async def read(kept: answers.Results, endpoint: specs.Endpoint, found: ids.JobId, members: range) -> list[bytes | None]:
    """The records of these lines' jobs, undecoded. Raises StoreUnavailable."""
    return await kept.store.values(endpoint.account, endpoint.model, ids_of(kept, endpoint, found, members))


def ids_of(kept: answers.Results, endpoint: specs.Endpoint, found: ids.JobId, members: range) -> list[str]:
    """The ids of these lines' jobs."""
    return list(map(kept.signer.members(found, account_uid=endpoint.account_uid), members))
