"""Claimed jobs that end before their answer: canceled, whatever becomes of the call that they are in; or expired, where
their deadline passes before their call has begun."""

import asyncio
import time
from collections.abc import Callable, Mapping

from results import protocol
from wire import metrics, specs
from workers import ends, fleet, jobs, persisting


class Cancels:
    """The cancels of one pipeline; `running` are its jobs from before their claim to their end."""

    def __init__(
        self,
        *,
        model: Callable[[], specs.Model],
        store: protocol.Store,
        versions: fleet.Fleet,
        running: Mapping[str, jobs.Job],
    ) -> None:
        self._model = model
        self._store = store
        self._versions = versions
        self._running = running
        self._deadlines: dict[jobs.Job, asyncio.TimerHandle] = {}
        self._watching: set[asyncio.Task[None]] = set()

    def ask(self, job_id: str) -> None:
        """A client asked to cancel a job; nothing happens where it does not run here."""
        job = self._running.get(job_id)
        if job is None or job.canceled:
            return
        job.canceled = True
        if job.claimed is not None:
            self._begin(job)

    async def look(self) -> None:
        """Find the cancels that were asked while nobody listened. Raises StoreUnavailable."""
        model, asked = self._model(), [*self._running]
        for job_id, found in zip(asked, await self._store.fetch_many(model.account, model.model, asked), strict=True):
            if found is not None and found.cancel_asked and not found.terminal:
                self.ask(job_id)

    def claimed(self, job: jobs.Job) -> None:
        """A job was claimed: cancel may have been asked while the claim was on its way."""
        job.sent = False
        if job.canceled:
            self._begin(job)
        elif job.envelope is not None and job.envelope.deadline is not None and job not in self._deadlines:
            delay = max(0.0, job.envelope.deadline / 1000 - time.time())
            self._deadlines[job] = asyncio.get_running_loop().call_later(delay, self._overdue, job)

    def over(self, job: jobs.Job) -> None:
        """A job's batch is over."""
        if self._deadlines and (timer := self._deadlines.pop(job, None)) is not None:
            timer.cancel()

    def _overdue(self, job: jobs.Job) -> None:
        """Its deadline passed: it ends, unless its call has begun, or it is not claimed just now."""
        claim = job.claimed
        if claim is None or job.canceled or (job.sent and not self._versions.waits(claim.version, job.id)):
            return
        job.canceled = True
        self._begin(job, ends.expired)

    def _begin(self, job: jobs.Job, end: Callable[..., protocol.End] = ends.canceled) -> None:
        job.canceling = asyncio.create_task(self._cancel(job, end))

    async def _cancel(self, job: jobs.Job, how: Callable[..., protocol.End]) -> None:
        """End it, then see that its runner does not work for nothing."""
        claim, model = job.claimed, self._model()
        assert claim is not None  # noqa: S101  only claimed jobs come here
        end = how(job, claim.token, model=model, now=time.time_ns() // 1_000_000)
        stored = await persisting.stored(lambda: self._store.finish(model.account, model.model, [end]))
        job.fenced = not stored[0]
        if stored[0]:
            metrics.JOBS_ENDED.labels(end.status).inc()
            watching = asyncio.create_task(self._versions.cancel(claim.version, job.id))
            self._watching.add(watching)
            watching.add_done_callback(self._watching.discard)
