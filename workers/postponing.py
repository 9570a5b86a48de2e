"""Jobs that are tried again later, from the worker's side: given back in the store, then held here or parked in Kafka.

First the store says `queued`, then the wait begins, and only a job that is durably parked lets its record count as
finished. A worker lost between any two of these steps leaves the record unfinished: the job comes again, early.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from wire import envelope
from workers import errors, jobs, lanes, parking, retry, tickets

log = logging.getLogger(__name__)

MOST: Final = 1000
"""Jobs held in memory for a short wait; further ones are parked."""


@dataclass(frozen=True, slots=True)
class Later:
    """A job and what was decided about it."""

    job: jobs.Job
    again: retry.Again


class Postponing:
    """Holds jobs for short waits, parks them for longer ones."""

    def __init__(self, *, park: parking.Parking | None, back: Callable[[list[jobs.Job]], None]) -> None:
        self._park = park
        self._back = back
        self._held: dict[jobs.Job, asyncio.TimerHandle] = {}

    async def wait(self, postponed: Sequence[Later]) -> list[jobs.Job]:
        """Let them wait. Returns those that are parked, however long Kafka is away: their records hold them no more."""
        parked = []
        for later in postponed:
            later.job.retries += later.again.counted and not later.again.charged
            if later.again.delay <= tickets.IN_PLACE and len(self._held) < MOST:
                self._hold(later)
            else:
                parked.append(later)
        if self._park is None:
            for later in parked:
                self._hold(later)
            return []
        try:
            await self._park.park([_parked(later) for later in parked])
        except errors.KafkaRefused as error:
            log.warning("%d jobs cannot be parked and wait in memory: %s", len(parked), error)
            for later in parked:
                self._hold(later)
            return []
        return [later.job for later in parked]

    async def once_more(self, fetched: Sequence[jobs.Job], due: int) -> None:
        """Park jobs whose wait is longer than the tier they were in; due: Unix ms."""
        assert self._park is not None  # noqa: S101  it read the ticket that parked them
        await self._park.park([_content(job, due) for job in fetched])

    def forget(self) -> None:
        """What is held comes again, to whoever holds its partition then."""
        for timer in self._held.values():
            timer.cancel()
        self._held.clear()

    def _hold(self, later: Later) -> None:
        loop = asyncio.get_running_loop()
        self._held[later.job] = loop.call_later(later.again.delay, self._over, later.job)

    def _over(self, job: jobs.Job) -> None:
        del self._held[job]
        self._back([job])


def _parked(later: Later) -> parking.Parked:
    return _content(later.job, time.time_ns() // 1_000_000 + int(later.again.delay * 1000))


def _content(job: jobs.Job, due: int) -> parking.Parked:
    return parking.Parked(
        content=envelope.encode(job.named()),
        ticket=tickets.Ticket(
            due=due,
            place=job.origin,
            stamp=job.stamp,
            ours=job.ours,
            bulk=job.lane is lanes.Lane.BULK,
            retries=job.retries,
        ),
    )
