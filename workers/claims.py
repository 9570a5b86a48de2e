"""Claims of jobs: taken for a batch, and ended in the store, for as long as that takes."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from results import protocol, records
from wire import metrics, specs
from workers import ends, jobs, observed, persisting

log = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A job and what the store said when it was claimed."""

    job: jobs.Job
    got: protocol.Claimed


def apart(run: Sequence[Claim]) -> tuple[list[Claim], dict[int, list[Claim]]]:
    """Those that are to run alone, and the others by the version that they were claimed for."""
    alone: list[Claim] = []
    groups: dict[int, list[Claim]] = {}
    for claim in run:
        if claim.got.alone:
            alone.append(claim)
        else:
            groups.setdefault(claim.got.version, []).append(claim)
    return alone, groups


class Claims:
    """Those of one pipeline."""

    def __init__(self, *, model: Callable[[], specs.Model], store: protocol.Store) -> None:
        self._model = model
        self._store = store
        self._taking: set[asyncio.Task[object]] = set()

    def give_up(self) -> None:
        """End the batches that still wait for their claims: another worker claims those jobs now, and two that claim
        them by turns, while the store comes back, would use up their starts."""
        for task in self._taking:
            task.cancel()

    async def take(self, version: int, batch: Sequence[jobs.Job]) -> list[Claim]:
        """Claim jobs; those that are to be run, or answered."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine runs in one
        self._taking.add(task)
        try:
            return await self._take(version, batch)
        finally:
            self._taking.discard(task)

    async def _take(self, version: int, batch: Sequence[jobs.Job]) -> list[Claim]:
        model, now = self._model(), now_ms()
        requests = [
            ends.request(job, version, token=token, model=model, now=now)
            for job, token in zip(batch, _tokens(len(batch)), strict=True)
        ]
        claimed = await persisting.stored(
            lambda: self._store.claim(model.account, model.model, requests, now_ms=now, keep_ms=model.keep * 1000)
        )
        run = []
        for job, got in zip(batch, claimed, strict=True):
            if got.verdict is protocol.Verdict.RUN:
                job.claimed, job.started_at = got, now
                run.append(Claim(job, got))
        return run

    async def end(self, ended: list[protocol.End]) -> list[bool]:
        """Store ends; which of them stand."""
        model = self._model()
        stored = await persisting.stored(lambda: self._store.finish(model.account, model.model, ended))
        if not all(stored):
            metrics.JOBS_FENCED.inc(stored.count(False))
            log.info("%d answers came after another worker's; the first stands", stored.count(False))
        return stored

    async def end_given(self, version: int, run: list[Claim]) -> list[Claim]:
        """End the jobs that were given an identical one's answer, where they were claimed for its version; the rest."""
        known = [(job, job.given, got) for job, got in run if job.given is not None and got.version == version]
        model, now = self._model(), now_ms()
        ended, ending = [], []
        for job, answer, got in known:
            job.answer = answer
            spent = records.Timings(max(job.started_at - job.accepted_at, 0), 0.0, 0.0)
            end = ends.of(
                job, got.token, answer.output, model=model, started=job.started_at, now=now, timings=spent,
                answered_at=answer.at,
            )  # fmt: skip
            if not job.canceled:
                ended.append(end)
                ending.append(job)
        for job, mine in zip(ending, await self.end(ended), strict=True):
            job.fenced = not mine
        metrics.JOBS_CACHED.labels("worker").inc(len(ended))
        metrics.JOBS_ENDED.labels("succeeded").inc(len(ended))
        observed.tell(ended, version)
        over = {job for job, _, _ in known}
        return [claim for claim in run if claim.job not in over]


def _tokens(count: int) -> list[str]:
    """So many, of 16 hex digits each: one call of the system for all."""
    digits = secrets.token_hex(8 * count)
    return [digits[start : start + 16] for start in range(0, 16 * count, 16)]


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
