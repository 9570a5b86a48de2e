"""Notes: accepted jobs written down as queued, for their place in the queue and for an end in time without a worker.

After the ack, never waited for, and late on purpose: what this process sees ended within its delay is not written at
all, and of the rest the store is asked first which have not ended. So quick workers cost nearly nothing, and only what
really waits is written. A note that is lost (Redis away, too many at once) costs the place and the early end, no more.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from ingest import producer
from results import errors, protocol, records
from wire import envelope, metrics, names, specs

log = logging.getLogger(__name__)

PERIOD: Final = 0.125
"""Seconds between two writes; a job is written after one to two of them."""

MOST: Final = 50_000
"""Jobs that wait to be noted, some hundred bytes each; further ones are not."""


class _Accepted(NamedTuple):
    endpoint: specs.Endpoint
    job_id: str
    created_at: int
    deadline: int | None
    webhook: envelope.Webhook | None
    notify: str | None
    metadata: dict[str, object] | None
    traceparent: str | None
    place: producer.Place
    bulk: bool


class Notes:
    """What this process accepted a moment ago."""

    def __init__(
        self,
        store: protocol.Store,
        *,
        most: int,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._most = most
        self._clock_ms = clock_ms
        self._young: dict[str, _Accepted] = {}
        self._old: dict[str, _Accepted] = {}
        self._some = asyncio.Event()

    def accepted(
        self, endpoint: specs.Endpoint, content: envelope.Envelope, place: producer.Place, *, bulk: bool
    ) -> None:
        """Kafka has the job."""
        if len(self._young) >= MOST:
            metrics.NOTES_DROPPED.inc()
            return
        job_id = content.id or ""
        self._young[job_id] = _Accepted(
            endpoint, job_id, content.accepted_at or self._clock_ms(), content.deadline, content.webhook,
            content.notify, content.metadata, content.traceparent, place, bulk,
        )  # fmt: skip
        self._some.set()

    def forget(self, job_id: str) -> None:
        """The job has a record already: nothing is to be noted."""
        if self._young.pop(job_id, None) is None:
            self._old.pop(job_id, None)

    async def run(self) -> None:
        """Write notes for ever; cancel to stop, and what is not written then is lost."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._young or self._old:
                await asyncio.sleep(PERIOD)
                await self.tick()

    async def tick(self) -> None:
        """Write what was accepted before the last tick."""
        old, self._old, self._young = self._old, self._young, {}
        by_model: dict[tuple[str, str], list[_Accepted]] = {}
        for one in old.values():
            by_model.setdefault((one.endpoint.account, one.endpoint.model), []).append(one)
        await asyncio.gather(*(self._write(*name, some) for name, some in by_model.items()))

    async def _write(self, account: str, model: str, accepted: list[_Accepted]) -> None:
        now = self._clock_ms()
        # a job that was canceled sooner than it could be noted has ended, and its webhook is still to be called
        told = [one for one in accepted if one.notify or one.webhook or one.endpoint.webhook]
        plain = {one.job_id: one for one in accepted if not (one.notify or one.webhook or one.endpoint.webhook)}
        try:
            left = await self._store.unfinished(account, model, [*plain]) if plain else []
            notes = [_note(one, now) for one in itertools.chain(told, (plain[job_id] for job_id in left))]
            if notes:
                await self._store.note(account, model, notes, now_ms=now, most=self._most)
        except errors.ResultsError as error:
            metrics.NOTES_DROPPED.inc(len(accepted))
            log.debug("%d jobs of %s/%s are not noted: %s", len(accepted), account, model, error)


def _note(one: _Accepted, now: int) -> protocol.Note:
    partition = one.place.partition + (names.BULK_PARTITION if one.bulk else 0)
    return protocol.Note(
        id=one.job_id,
        created_at=one.created_at,
        ttl_ms=one.created_at + one.endpoint.max_age * 1000 - now,
        details=records.Details(
            metadata=one.metadata, traceparent=one.traceparent, place=(partition, one.place.offset, one.place.member)
        ),
        waits=protocol.Waits(
            deadline=one.deadline, notify=one.notify, hook=protocol.hook(one.webhook, default=one.endpoint.webhook)
        ),
    )
