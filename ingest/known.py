"""POSTs whose answer is known: answered at once, where this process has seen the input a moment ago.

Accepting depends on Kafka alone, so Redis is asked only where there is a good chance, and not for longer than PATIENCE.
Whatever is out of the ordinary takes the ordinary way, at whose end a worker has the answer as well.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from results import cache, errors, patience, protocol, records
from wire import envelope, metrics, specs

PATIENCE: Final = 0.1
"""Seconds that Redis gets: some fsyncs of a busy disk."""

SILENCE: Final = 1.0
"""Seconds without a question after Redis did not answer one, so that it being away delays no POST to speak of."""

_HITS: Final = metrics.JOBS_CACHED.labels("ingest")


class Known:
    """What one process took lately."""

    def __init__(
        self,
        *,
        store: protocol.Store,
        answers: cache.Cache,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._store = store
        self._answers = answers
        self._clock_ms = clock_ms
        self._lately = cache.Lately()
        self._silent_until = 0.0
        self._patience = patience.Patience(PATIENCE)

    def digest(self, endpoint: specs.Endpoint, job: envelope.Envelope) -> bytes | None:
        """What identical jobs have in common; None: it takes the ordinary way."""
        plain = (
            endpoint.cache > 0
            and job.cache is not False
            and endpoint.live is not None
            and (job.version is None or job.version == endpoint.live)
            and job.deadline is None
            and job.webhook is None
            and endpoint.webhook is None
            and job.reply_to is None
        )
        return cache.digest(endpoint.model_uid, endpoint.live or 0, endpoint.input, job.input) if plain else None

    def seen(self, of: bytes) -> bool:
        """Whether there is a good chance of an answer."""
        return self._lately.get(of) is not None

    async def answer(self, endpoint: specs.Endpoint, job: envelope.Envelope, of: bytes) -> records.Record | None:
        """The record of the job, which has ended; None: it is to be run, or Redis does not say."""
        known = self._lately.get(of)
        if known is None or job.id is None or time.monotonic() < self._silent_until:
            return None
        try:
            with self._patience.wait():
                return await self._answer(endpoint, job, of, known)
        except (TimeoutError, errors.StoreUnavailable):
            self._silent_until = time.monotonic() + SILENCE
            return None

    def accepted(self, of: bytes, job_id: str) -> None:
        """Kafka has the job."""
        if self._lately.get(of) is None:
            self._lately.put(of, job_id)

    async def _answer(
        self, endpoint: specs.Endpoint, job: envelope.Envelope, of: bytes, known: str
    ) -> records.Record | None:
        found, now = await self._store.fetch(endpoint.account, endpoint.model, known), self._clock_ms()
        version = endpoint.live or 0
        if found is None or not found.terminal:
            return None  # it is on its way, and those behind it will get its answer
        if not cache.answers(found, version=version, now_ms=now, seconds=endpoint.cache):
            self._lately.drop(of)
            return None
        details = records.Details(
            started_at=now,
            timings=records.Timings(0.0, 0.0, 0.0),
            metadata=job.metadata,
            media=found.details.media,
            cached=True,
            traceparent=job.traceparent,
            answered_at=cache.answered_at(found),
        )
        record = msgspec.structs.replace(
            found, starts=1, token="0" * 16, cancel_asked=False, created_at=now, completed_at=now,
            expires_at=now + endpoint.keep * 1000, details=details,
        )  # fmt: skip
        written = await self._answers.answer(
            endpoint.account, endpoint.model, job.id or "", record, now_ms=now, ttl_ms=endpoint.max_age * 1000
        )
        if not written:
            return None
        _HITS.inc()
        return record
