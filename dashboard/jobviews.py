"""Lists of jobs: of one model by cursor, or the newest of several models together."""

import asyncio
from typing import Final, NamedTuple

from dashboard import backend, errors, records

AT_ONCE: Final = 8
"""Models that are asked for their jobs at the same time."""


class Listing(NamedTuple):
    """Jobs, newest first; or why they cannot be shown now."""

    jobs: list[records.Job]
    next: str | None = None
    """The cursor of the page behind; none: this is the last, or a list of several models."""
    failure: str = ""

    @property
    def newest(self) -> str:
        """When the newest of them was created; empty where there is none."""
        return self.jobs[0].created_at if self.jobs else ""


async def listing(
    api: backend.Backend,
    models: list[records.Model],
    *,
    status: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Listing:
    """The newest jobs of these models. A refusal is part of the listing: the rest of its page stays.

    Raises:
        SignedOut.
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def ask(model: records.Model) -> records.JobPage:
        async with slots:
            return await api.jobs(model.model, status=status, cursor=cursor, limit=limit)

    try:
        found = await asyncio.gather(*(ask(model) for model in models))
    except (errors.ApiRefused, errors.ApiUnavailable) as error:
        return Listing([], failure=str(error))
    merged = sorted((job for page in found for job in page.jobs), key=lambda job: job.created_at, reverse=True)
    return Listing(merged[:limit], next=found[0].next if len(found) == 1 else None)
