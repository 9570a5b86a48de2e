"""A job's way through the worker: received, claimed, predicted, finished; then its record counts as finished.

    source → receive → waiting → take (batching) → claim → predict (bisect) → finish → source.finished

Some batches are on their way at once (`waiting.Places`): claiming the next and storing the last overlap predicting.
Nothing is acknowledged before it is stored: while the store is away a batch waits, holds its place, and the source
stops fetching when the queue is full.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from results import cache, protocol
from wire import metrics, names, specs
from workers import (
    batching,
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
    parking,
    persisting,
    postponing,
    predicting,
    replies,
    retry,
    saying,
    source,
    tickets,
    waiting,
)

log = logging.getLogger(__name__)


class Pipeline:
    """Takes records, gives every job in them its end."""

    def __init__(
        self,
        *,
        model: Callable[[], specs.Model],
        store: protocol.Store,
        versions: fleet.Fleet,
        finished: Callable[[source.Record], None],
        max_batch: int,
        max_queue: int,
        in_flight: int,
        drain: float,
        park: parking.Parking | None = None,
        heard: saying.Saying | None = None,
        reply: replies.Replies | None = None,
        shared: cache.Cache | None = None,
    ) -> None:
        self._model = model
        self._store = store
        self._versions = versions
        self._finished = finished
        self._max_batch = max_batch
        self._drain = drain
        self._waiting = waiting.Waiting(most=max_queue, places=in_flight)
        self._postponing = postponing.Postponing(park=park, back=self._back)
        self._saying = heard
        self._replies = reply
        self._claims = claims.Claims(model=model, store=store)
        self._caching = caching.Caching(model=model, store=store, shared=shared)
        self._coalescing = coalescing.Coalescing(most=max_queue)
        self._running: dict[str, jobs.Job] = {}
        self.cancels = cancels.Cancels(model=model, store=store, versions=versions, running=self._running)
        self._predicting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurried = asyncio.Event()
        self._suspecting = asyncio.Lock()
        self._draining = False
        self._newest = self._void = -1
        """Generation of the last records that came, and the last one of which nothing is to be begun here any more."""
        self.failed: BaseException | None = None
        """An error of ours that ended a batch. Its jobs are not acknowledged; the worker ends, and they come again."""

    # -- the source's side -------------------------------------------------------------------------------------

    def receive(self, fetched: list[source.Record]) -> None:
        """Queue the jobs of fetched records; while draining none, so that they come to another worker."""
        if self._draining:
            return
        model = self._model()
        self._newest = fetched[-1].generation
        bulk, now = names.bulk_topic(model.account, model.model), claims.now_ms()
        arrived: list[jobs.Job] = []
        for record in fetched:
            ticket = tickets.read(record.headers) if names.is_later(record.topic) else None
            lane = lanes.Lane.BULK if record.topic == bulk else lanes.Lane.INTERACTIVE
            found = jobs.read(record, topic_uuid=model.topic_uuid, max_age=model.max_age, lane=lane, ticket=ticket)
            if ticket is not None and tickets.rest(ticket, now):
                self._start(self._once_more(found, ticket.due))
            else:
                arrived += found
        self._waiting.arrived(arrived)
        metrics.RECORDS_FETCHED.inc(len(fetched))
        metrics.JOBS_WAITING.set(len(self._waiting))

    def room(self, topic: str) -> int:
        """How many jobs of that topic there is room for; 0: none, as while draining."""
        model = self._model()
        return 0 if self._draining else self._waiting.room(topic, model.account, model.model)

    def opened(self) -> "asyncio.Future[None]":
        """Done when a topic that has no room now has some."""
        return self._waiting.opened()

    def ready(self, record: Any) -> int:
        """Unix ms before which a record of a `.later` topic has not its turn."""
        model = self._model()
        tier = tickets.tier_of(record.topic, model.account, model.model)
        return 0 if tier is None else tickets.ready(tickets.read(record.headers), tier=tier, parked_at=record.timestamp)

    async def revoked(self) -> None:
        """Forget what has not started; wait (bounded) for what has. What is not claimed then is another worker's."""
        self._forget()
        await self._settle()
        self._claims.give_up()

    # -- the loop ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Dispatch batches for ever; cancel to stop (then `settle` what is on its way)."""
        queues = self._waiting.queues.items()
        await asyncio.gather(self._watch(), *(self._dispatch(lane, queue) for lane, queue in queues))

    async def _watch(self) -> None:
        """Jobs that wait past their deadline, behind a long batch, say: the claim ends them, ahead of their turn."""
        while True:
            await asyncio.sleep(waiting.LOOK)
            now = claims.now_ms()
            overdue = self._waiting.overdue(now)
            for job in self._coalescing.overdue(now):
                overdue.setdefault(job.lane, []).append(job)
            for lane, late in overdue.items():
                for job in late:
                    job.apart = True  # nor does it wait behind an identical one
                for version, some in batching.apart(late, self._version_of).items():
                    self._start(self._batch(waiting.Way(lane), version, self._first_of_each(version, some)))

    async def _dispatch(self, lane: lanes.Lane, queue: waiting.Queue) -> None:
        while True:
            await self._versions.ready()
            await queue.some()
            await queue.places.acquire()
            if queue.jobs:
                await self._versions.turn(self._version_of(queue.jobs[0]))
            if not queue.jobs:
                queue.places.release()
                continue
            limit = functools.partial(self._versions.limit, most=self._max_batch, within=self._waiting.within(lane))
            version, batch = batching.take(
                queue.jobs,
                limit_of=limit,
                version_of=self._version_of,
                in_time=self._versions.in_time,
                now=claims.now_ms(),
            )
            self._waiting.taken(batch)
            way = self._waiting.began(lane)
            task = self._start(self._batch(way, version, self._first_of_each(version, batch)))
            task.add_done_callback(functools.partial(self._waiting.ended, way))

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    async def _once_more(self, fetched: list[jobs.Job], due: int) -> None:
        """Park a record whose wait is longer than its tier's."""
        await self._postponing.once_more(fetched, due)
        for job in fetched:
            self._end(job)

    def _back(self, again: list[jobs.Job]) -> None:
        """Their short wait is over."""
        for job in again:
            job.claimed = None
        self._take_again(again)

    def _take_again(self, again: list[jobs.Job]) -> None:
        """Queue jobs that are not to end with those before them; those whose partition was taken away come to another
        worker, which may run them already."""
        self._waiting.back([job for job in again if job.record.record.generation > self._void])

    async def drain(self) -> None:
        """Start nothing more; return when what runs is stored, or after the drain time: what runs then is given up."""
        self._draining = True
        self._forget()
        await self._settle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hurry(self) -> None:
        """Wait no longer for what runs."""
        self._hurried.set()

    def _forget(self) -> None:
        """What has not started comes again, to whoever holds its partition then; nor does anything start twice here."""
        self._void = self._newest
        self._waiting.clear()
        self._postponing.forget()
        self._coalescing.forget()

    async def _settle(self) -> None:
        if self._tasks:
            everything = asyncio.ensure_future(asyncio.wait(self._tasks))
            hurried = asyncio.ensure_future(self._hurried.wait())
            both: set[asyncio.Future[Any]] = {everything, hurried}
            await asyncio.wait(both, timeout=self._drain, return_when=asyncio.FIRST_COMPLETED)
            everything.cancel()
            hurried.cancel()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a batch ended with an error of ours; its jobs are not acknowledged", exc_info=error)
            self.failed = error

    def _version_of(self, job: jobs.Job) -> int:
        return (job.envelope is not None and job.envelope.version) or self._versions.live

    def _first_of_each(self, version: int, batch: list[jobs.Job]) -> list[jobs.Job]:
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

    # -- one batch ---------------------------------------------------------------------------------------------

    async def _batch(self, way: waiting.Way, version: int, batch: list[jobs.Job]) -> None:
        later: list[postponing.Later] = []
        try:
            run = await self._begun(version, batch)
            alone, groups = claims.apart(run)
            way.visits = len(groups) + len(alone)
            for number, group in groups.items():
                later += await self._predict_and_finish(way, number, group)
            later += await self._run_alone(way, alone)
            for job in batch:
                if job.canceling is not None:
                    await job.canceling
        finally:
            for job in batch:
                self._running.pop(job.id, None)
                self.cancels.over(job)
        await self._conclude(batch, later)

    async def _begun(self, version: int, batch: Sequence[jobs.Job]) -> list[claims.Claim]:
        """Claim jobs, and end those whose answers are known; those that are to be run."""
        await self._caching.look(version, batch)
        run = await self._claims.take(version, batch)
        for claim in run:
            self.cancels.claimed(claim.job)
        known = any(claim.job.given is not None for claim in run)
        return await self._claims.end_given(version, run) if known else run

    async def _run_alone(self, way: waiting.Way, suspects: list[claims.Claim]) -> list[postponing.Later]:
        """Run jobs whose earlier start was lost with its worker, one after the other in the whole process.

        Their claims are given back until it is their turn: a killer among them takes nobody's start with it.
        """
        waiting_for_turn = [claim for claim in suspects if claim.job.canceling is None]
        for claim in waiting_for_turn:
            claim.job.claimed = None
        model, later = self._model(), list[postponing.Later]()
        given = [ends.released(job, got, model=model) for job, got in waiting_for_turn]
        if given:
            await persisting.stored(
                lambda: self._store.release(model.account, model.model, given, now_ms=claims.now_ms())
            )
        for job, got in waiting_for_turn:
            # in this order: an interactive one, which waits for no turn, must not be waited for by a bulk one's turn
            async with self._waiting.turn(way), self._suspecting:
                for again in await self._begun(got.version, [job]):
                    at_once = waiting.Way(lanes.Lane.INTERACTIVE)
                    later += await self._predict_and_finish(at_once, again.got.version, [again])
        return later

    async def _conclude(self, batch: list[jobs.Job], later: list[postponing.Later]) -> None:
        """Reply where that is asked for; then count records as finished, but those of jobs held for another try."""
        held = {each.job for each in later}
        if later:
            held.difference_update(await self._postponing.wait(later))
        if self._replies is not None and any(job.reply_to for job in batch):
            await self._replies.send([job for job in batch if job not in held])
        again = self._coalescing.over(batch)
        for job in batch:
            if job not in held:
                self._end(job)
            if job.twins:
                again += job.twins
                job.twins = None
        if again:
            self._take_again(again)

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
        """Queued, says the store; a job that another worker holds by now is that one's."""
        model = self._model()
        back = [claim for claim in group if claim.job in again]
        given = [ends.postponed(job, got, again[job], model=model) for job, got in back]
        stored = await persisting.stored(
            lambda: self._store.postpone(model.account, model.model, given, now_ms=claims.now_ms())
        )
        metrics.JOBS_POSTPONED.inc(stored.count(True))
        return [postponing.Later(claim.job, again[claim.job]) for claim, mine in zip(back, stored, strict=True) if mine]

    def _end(self, job: jobs.Job) -> None:
        job.record.remaining -= 1
        if job.record.remaining == 0:
            self._finished(job.record.record)
