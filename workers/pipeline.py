"""A job's way through the worker: received, claimed, predicted, finished; then its record counts as finished.

    source → receive → waiting → take (batching) → claim → predict (bisect) → finish → source.finished

Some batches are on their way at once (`waiting.Places`): claiming the next and storing the last overlap predicting.
Nothing is acknowledged before it is stored: while the store is away a batch waits, holds its place, and the source
stops fetching when the queue is full.
"""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from results import cache, protocol
from wire import metrics, names, specs
from workers import (
    batching,
    claims,
    execution,
    fleet,
    jobs,
    lanes,
    pacing,
    parking,
    postponing,
    replies,
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
        self._versions = versions
        self._finished = finished
        self._max_batch = max_batch
        self._drain = drain
        self._waiting = waiting.Waiting(most=max_queue, places=in_flight)
        self._postponing = postponing.Postponing(park=park, back=self._back)
        self.execution = execution.Execution(
            model=model,
            store=store,
            versions=versions,
            queues=self._waiting,
            later=self._postponing,
            again=self._take_again,
            over=self._end,
            gone=self._gone,
            max_queue=max_queue,
            heard=heard,
            reply=reply,
            shared=shared,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurried = asyncio.Event()
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
        self.execution.give_up()

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
            for job in self.execution.overdue(now):
                overdue.setdefault(job.lane, []).append(job)
            for lane, late in overdue.items():
                for job in late:
                    job.apart = True  # nor does it wait behind an identical one
                for version, some in batching.apart(late, self._version_of).items():
                    self._launch(waiting.Way(lane), version, some)

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
                in_time=self._versions.in_time if lane is lanes.Lane.INTERACTIVE else None,
                now=claims.now_ms(),
            )
            self._waiting.taken(batch)
            way = self._waiting.began(lane)
            # nobody interactive waits for a bulk batch that is not in the runner yet
            came = self._versions.coming(version, len(batch)) if lane is lanes.Lane.INTERACTIVE else pacing.nothing
            self._launch(way, version, batch, came).add_done_callback(functools.partial(self._waiting.ended, way))

    def _launch(
        self, way: waiting.Way, version: int, batch: list[jobs.Job], came: Callable[[], None] = pacing.nothing
    ) -> "asyncio.Task[None]":
        return self._start(self.execution.batch(way, version, self.execution.first_of_each(version, batch), came))

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
        self._waiting.back([job for job in again if not self._gone(job)])

    def _gone(self, job: jobs.Job) -> bool:
        return job.record.record.generation <= self._void

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
        self.execution.forget()

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

    def _end(self, job: jobs.Job) -> None:
        job.record.remaining -= 1
        if job.record.remaining == 0:
            self._finished(job.record.record)
