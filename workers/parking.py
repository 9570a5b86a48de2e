"""Jobs that wait for later, kept in Kafka: written to the model's `.later` topics before their own record is finished.

Nothing is held in memory while it waits, and a restart loses nothing. The topics are made when first needed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wire import names
from workers import errors, member, produce, tickets

log = logging.getLogger(__name__)

LOOK: Final = 60.0
"""Seconds between looks for topics that other workers made."""

MOST: Final = 500
"""Records written at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parked:
    """A job to be parked."""

    content: bytes
    """Its envelope, encoded, with its id."""
    ticket: tickets.Ticket


class Parking:
    """Parks jobs of one model, and tells which topics there are to be consumed."""

    def __init__(self, account: str, model: str, producer: produce.Producer) -> None:
        self._account = account
        self._model = model
        self._producer = producer
        self._known: set[str] = set()
        self._changed = asyncio.Event()

    async def park(self, jobs: Sequence[Parked]) -> None:
        """Write them; returns when Kafka acknowledged all, however long it is away."""
        now = time.time_ns() // 1_000_000
        records = [
            produce.Record(
                topic=names.later_topic(self._account, self._model, tickets.tier((job.ticket.due - now) / 1000)),
                value=job.content,
                headers=tickets.headers(job.ticket),
            )
            for job in jobs
        ]
        for start in range(0, len(records), MOST):
            await self._persist(records[start : start + MOST])

    async def topics(self) -> list[str]:
        """Every topic of the model that its workers consume; the bulk lane is made where it is missing.

        Raises KafkaAway.
        """
        jobs = names.jobs_topic(self._account, self._model)
        bulk = names.bulk_topic(self._account, self._model)
        there = await self._producer.existing(jobs.removesuffix("jobs"))
        if bulk not in there:
            await self._producer.make([bulk], like=jobs)
        self._known |= {topic for topic in there if tickets.tier_of(topic, self._account, self._model) is not None}
        return [jobs, bulk, *sorted(self._known)]

    async def follow(self, into: member.Member) -> None:
        """See that `into` consumes topics as they are made, here or by other workers; for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._changed.wait()
            self._changed.clear()
            try:
                wanted = await self.topics()
            except errors.KafkaAway as error:
                log.warning("the topics of parked jobs cannot be listed, trying again: %s", error)
                continue
            if wanted != into.topics:
                await into.subscribe(wanted)

    async def _persist(self, records: Sequence[produce.Record]) -> None:
        delay = 0.1
        while True:
            try:
                new = await self._made({record.topic for record in records})
                await self._producer.send(records)
                if new:
                    self._known |= new
                    self._changed.set()
                return
            except errors.KafkaAway as error:
                log.warning("Kafka is away, %d jobs wait to be parked: %s", len(records), error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _made(self, topics: set[str]) -> set[str]:
        """Those that were not known; they are there now."""
        new = topics - self._known
        if new:
            await self._producer.make(sorted(new), like=names.jobs_topic(self._account, self._model))
        return new
