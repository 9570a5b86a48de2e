"""One batch, from its claim to the end of its records: claimed, predicted, stored, and only then finished.

claim → predict (bisect) → finish → record finished, or each job of it given back for another try

Nothing is acknowledged before it is stored: while the store is away a batch waits, and holds its place.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Sequence
from typing import Final

from results import cache, protocol
from wire import metrics, specs
from workers import (
    caching,
    cancels,
    claims,
    coalescing,
    ends,
    fleet,
    jobs,
    lanes,
    observed,
    outcomes,
    persisting,
    postponing,
    predicting,
    replies,
    retry,
    saying,
    tickets,
    waiting,
)

FENCED: Final = retry.Again(delay=tickets.IN_PLACE, counted=False)
"""When a job is looked at again that another worker took and has not ended: whoever takes what is not his any more has
heard of that by then, or is lost."""


class Execution:
    """The batches of one pipeline that are on their way, and the jobs in them."""

    def __init__(
        self,
        *,
        model: Callable[[], specs.Model],
        store: protocol.Store,
        versions: fleet.Fleet,
        queues: waiting.Waiting,
        later: postponing.Postponing,
        again: Callable[[list[jobs.Job]], None],
        over: Callable[[jobs.Job], None],
        gone: Callable[[jobs.Job], bool],
        max_queue: int,
        heard: saying.Saying | None = None,
        reply: replies.Replies | None = None,
        shared: cache.Cache | None = None,
    ) -> None:
        """`again`: takes jobs that did not end with those before them; `over`: a job needs its record no more; `gone`:
        whether it comes to another worker, so that it is not to be begun here."""
        self._model = model
        self._store = store
        self._versions = versions
        self._waiting = queues
        self._postponing = later
        self._take_again = again
        self._over = over
        self._gone = gone
        self._saying = heard
        self._replies = reply
        self._claims = claims.Claims(model=model, store=store)
        self._caching = caching.Caching(model=model, store=store, shared=shared)
        self._coalescing = coalescing.Coalescing(most=max_queue)
        self._running: dict[str, jobs.Job] = {}
        self.cancels = cancels.Cancels(model=model, store=store, versions=versions, running=self._running)
        self._predicting = 0
        self._suspecting = asyncio.Lock()

    def first_of_each(self, version: int, batch: list[jobs.Job]) -> list[jobs.Job]:
        """Jobs whose id is on its way already wait as that one's twins instead of racing it for the claim; identical
        ones wait for its answer."""
        self._caching.mark(version, batch)
        mine = []
        for job in batch:
            twin = self._running.get(job.id)
            if twin is not None:
                twin.twins = twin.twins or []
                twin.twins.append(job)
            elif self._coalescing.leads(job):
                self._running[job.id] = job
                mine.append(job)
        return mine

    def streamed(self, job_id: str) -> None:
        """A job yielded an output."""
        if (job := self._running.get(job_id)) is not None:
            job.streamed = True

    def token_of(self, job_id: str) -> str | None:
        """The token of the claim under which a job runs here; None: it does not."""
        job = self._running.get(job_id)
        return job.claimed.token if job is not None and job.claimed is not None else None

    def overdue(self, now: int) -> list[jobs.Job]:
        """Take the jobs that wait for an identical one and whose deadline or maximum age has passed at `now` (Unix
        ms)."""
        return self._coalescing.overdue(now)

    def forget(self) -> None:
        """Who waits for an identical job comes again, to whoever holds its partition then."""
        self._coalescing.forget()

    def give_up(self) -> None:
        """End the batches that still wait for their claims: another worker claims their jobs now."""
        self._claims.give_up()

    async def batch(self, way: waiting.Way, version: int, batch: list[jobs.Job], came: Callable[[], None]) -> None:
        """Give every job of a batch its end, or another try. Raises only for errors of ours. `came`: called when the
        batch is claimed."""
        later, left = list[postponing.Later](), list[jobs.Job]()
        try:
            try:
                run = await self._begun(version, batch)
            finally:
                came()
            alone, groups = claims.apart(run)
            way.visits = len(groups) + len(alone)
            for number, group in groups.items():
                later += await self._predict_and_finish(way, number, group)
            more, left = await self._run_alone(way, alone)
            later += more
            for job in batch:
                if job.canceling is not None:
                    await job.canceling
        finally:
            for job in batch:
                self._running.pop(job.id, None)
                self.cancels.over(job)
        await self._conclude(batch, later, left)

    async def _begun(self, version: int, batch: Sequence[jobs.Job]) -> list[claims.Claim]:
        """Claim jobs, and end those whose answers are known; those that are to be run."""
        await self._caching.look(version, batch)
        run = await self._claims.take(version, batch)
        for claim in run:
            self.cancels.claimed(claim.job)
        known = any(claim.job.given is not None for claim in run)
        return await self._claims.end_given(version, run) if known else run

    async def _run_alone(
        self, way: waiting.Way, suspects: list[claims.Claim]
    ) -> tuple[list[postponing.Later], list[jobs.Job]]:
        """Run jobs whose earlier start was lost with its worker, one after the other in the whole process.

        Their claims are given back until it is their turn: a killer among them takes nobody's start with it. Returns
        those to be tried again later, and those that are another worker's by then.
        """
        waiting_for_turn = [claim for claim in suspects if claim.job.canceling is None]
        for claim in waiting_for_turn:
            claim.job.claimed = None
        model, later, left = self._model(), list[postponing.Later](), list[jobs.Job]()
        given = [ends.released(job, got, model=model) for job, got in waiting_for_turn]
        if given:
            await persisting.stored(
                lambda: self._store.release(model.account, model.model, given, now_ms=claims.now_ms())
            )
        for job, got in waiting_for_turn:
            # in this order: an interactive one, which waits for no turn, must not be waited for by a bulk one's turn
            async with self._waiting.turn(way), self._suspecting:
                if self._gone(job):
                    left.append(job)
                    continue
                for again in await self._begun(got.version, [job]):
                    at_once = waiting.Way(lanes.Lane.INTERACTIVE)
                    later += await self._predict_and_finish(at_once, again.got.version, [again])
        return later, left

    async def _conclude(self, batch: list[jobs.Job], later: list[postponing.Later], left: list[jobs.Job]) -> None:
        """Reply where that is asked for; then count records as finished, but those of jobs that were left, or are held
        for another try."""
        fenced = [job for job in batch if job.fenced]
        if fenced:
            later = later + await self._not_ended(fenced)
        held = {each.job for each in later}
        if later:
            held.difference_update(await self._postponing.wait(later))
        held.update(left)
        if self._replies is not None and any(job.reply_to for job in batch):
            await self._replies.send([job for job in batch if job not in held])
        again = self._coalescing.over(batch)
        for job in batch:
            if job not in held:
                self._over(job)
            if job.twins:
                again += job.twins
                job.twins = None
        if again:
            self._take_again(again)

    async def _not_ended(self, fenced: list[jobs.Job]) -> list[postponing.Later]:
        """Those of jobs that another worker took which have not ended. It may hold their partition no more, and leave
        them to this one: until they end, their records are not finished here."""
        model = self._model()
        found = await persisting.stored(
            lambda: self._store.fetch_many(model.account, model.model, [job.id for job in fenced])
        )
        for job in fenced:
            job.fenced = False
        return [
            postponing.Later(job, FENCED)
            for job, record in zip(fenced, found, strict=True)
            if record is not None and not record.terminal
        ]

    async def _predict_and_finish(
        self, way: waiting.Way, version: int, group: list[claims.Claim]
    ) -> list[postponing.Later]:
        """Run jobs and store their ends. Returns those that were given back, to be tried again later."""
        started = claims.now_ms()
        began = time.monotonic()
        async with self._waiting.turn(way):
            self._predicting += 1
            try:
                answers, predict_ms = await predicting.predict(
                    self._versions, version, [claim.job for claim in group], lonely=lambda: self._predicting == 1
                )
            finally:
                self._predicting -= 1
        self._waiting.queues[way.lane].places.predicted(predict_ms)
        again = {} if outcomes.answered(answers) else self._again(version, group, answers)
        model = self._model()
        now = claims.now_ms()
        waited = max((time.monotonic() - began) * 1000 - predict_ms, 0.0)
        spent = functools.partial(
            ends.timings,
            started=started,
            ready_at=self._versions.ready_at,
            batch_ms=round(waited, 3),
            predict_ms=round(predict_ms, 3),
            batch_size=len(group),
        )
        timings = [spent(job) for job, _ in group]
        over = [
            (job, answer, ends.of(job, got.token, answer, model=model, started=started, now=now, timings=took))
            for (job, got), answer, took in zip(group, answers, timings, strict=True)
            if not job.canceled and job not in again
        ]
        if self._saying is not None and self._saying.pending:
            await self._saying.flush()
        ended = [end for _, _, end in over]
        stored = await self._claims.end(ended)
        if not all(stored):
            for (job, _, _), mine in zip(over, stored, strict=True):
                job.fenced = not mine
        observed.batch(ended, timings, version=version, predict_ms=predict_ms)
        useful = [
            (job, answer)
            for (job, answer, _), mine in zip(over, stored, strict=True)
            if mine and type(answer) is outcomes.Output
        ]
        await self._caching.ran(version, useful, each_ms=predict_ms / len(group))
        return await self._give_back(group, again) if again else []

    def _again(
        self, version: int, group: list[claims.Claim], answers: list[outcomes.Outcome]
    ) -> dict[jobs.Job, retry.Again]:
        """What the version's policy says of the jobs that shall be tried again."""
        policy = self._versions.retry(version)
        decided = {
            job: retry.decide(policy, answer, attempt=got.starts + job.retries, starts=got.starts)
            for (job, got), answer in zip(group, answers, strict=True)
            if type(answer) is not outcomes.Output and not job.canceled
        }
        return {job: again for job, again in decided.items() if again is not None}

    async def _give_back(self, group: list[claims.Claim], again: dict[jobs.Job, retry.Again]) -> list[postponing.Later]:
        """Queued, says the store; not of a job that another worker holds by now."""
        model = self._model()
        back = [claim for claim in group if claim.job in again]
        given = [ends.postponed(job, got, again[job], model=model) for job, got in back]
        stored = await persisting.stored(
            lambda: self._store.postpone(model.account, model.model, given, now_ms=claims.now_ms())
        )
        metrics.JOBS_POSTPONED.inc(stored.count(True))
        for claim, mine in zip(back, stored, strict=True):
            claim.job.fenced = not mine
        return [postponing.Later(claim.job, again[claim.job]) for claim, mine in zip(back, stored, strict=True) if mine]
