"""A job's way through the worker: received, claimed, predicted, finished; then its record counts as finished.

    source → receive → waiting → take (batching) → claim → predict (bisect) → finish → source.finished

Up to `in_flight` batches are on their way at once, so that claiming the next and storing the last overlap predicting.
Nothing is acknowledged before it is stored: while the store is away a batch waits, holds its place, and the source
stops fetching when the queue is full.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from results import errors as store_errors
from results import protocol, records
from wire import jobs as words
from wire import metrics, specs
from workers import batching, bisect, fleet, jobs, outcomes, source

log = logging.getLogger(__name__)

T = TypeVar("T")

FRUITLESS: Final = 3
"""Runs in a row, with no other batch on its way, that began nothing of a batch, after which it is given up as lost."""

_RUN: Final = protocol.Verdict.RUN


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
    ) -> None:
        self._model = model
        self._store = store
        self._versions = versions
        self._finished = finished
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._drain = drain
        self._waiting: deque[jobs.Job] = deque()
        self._running: dict[str, jobs.Job] = {}
        self._places = asyncio.Semaphore(in_flight)
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurried = asyncio.Event()
        self._draining = False
        self.failed: BaseException | None = None
        """An error of ours that ended a batch. Its jobs are not acknowledged; the worker ends, and they come again."""

    # -- the source's side -------------------------------------------------------------------------------------

    def receive(self, fetched: list[source.Record]) -> None:
        """Queue the jobs of fetched records; while draining none, so that they come to another worker."""
        if self._draining:
            return
        model = self._model()
        received = time.monotonic()
        for record in fetched:
            self._waiting.extend(
                jobs.read(record, topic_uuid=model.topic_uuid, received=received, max_age=model.max_age)
            )
        metrics.RECORDS_FETCHED.inc(len(fetched))
        metrics.JOBS_WAITING.set(len(self._waiting))
        self._arrived.set()
        if len(self._waiting) >= self._max_queue:
            self._room.clear()

    async def room(self) -> None:
        """Return when more records may be fetched."""
        await self._room.wait()

    async def revoked(self) -> None:
        """Forget what has not started; wait (bounded) for what has."""
        self._forget()
        self._room.set()
        await self._settle()

    # -- the loop ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Dispatch batches for ever; cancel to stop (then `settle` what is on its way)."""
        while True:
            await self._versions.ready()
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            await self._places.acquire()
            if not self._waiting:
                self._places.release()
                continue
            version, batch = batching.take(
                self._waiting,
                limit_of=lambda number: self._versions.limit(number, self._max_batch),
                version_of=self._version_of,
            )
            if len(self._waiting) < self._max_queue:
                self._room.set()
            task = asyncio.create_task(self._batch(version, self._first_of_each(batch)))
            self._tasks.add(task)
            task.add_done_callback(self._batch_ended)

    async def drain(self) -> None:
        """Start nothing more; return when what runs is stored, or after the drain time."""
        self._draining = True
        self._forget()
        await self._settle()

    def hurry(self) -> None:
        """Wait no longer for what runs."""
        self._hurried.set()

    def _forget(self) -> None:
        """What has not started comes again, to whoever holds its partition then."""
        self._waiting.clear()
        for job in self._running.values():
            job.twins.clear()

    async def _settle(self) -> None:
        tasks: set[asyncio.Future[Any]] = {task for task in self._tasks if not task.done()}
        if tasks:
            everything = asyncio.ensure_future(asyncio.wait(tasks))
            hurried = asyncio.ensure_future(self._hurried.wait())
            await asyncio.wait({everything, hurried}, timeout=self._drain, return_when=asyncio.FIRST_COMPLETED)
            everything.cancel()
            hurried.cancel()

    def _batch_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a batch ended with an error of ours; its jobs are not acknowledged", exc_info=error)
            self.failed = error

    def _version_of(self, job: jobs.Job) -> int:
        pinned = job.envelope.version if job.envelope is not None else None
        return pinned or self._versions.live

    def _first_of_each(self, batch: list[jobs.Job]) -> list[jobs.Job]:
        """Jobs whose id is on its way already wait as that one's twins instead of racing it for the claim."""
        mine = []
        for job in batch:
            leader = self._running.setdefault(job.id, job)
            if leader is job:
                mine.append(job)
            else:
                leader.twins.append(job)
        return mine

    # -- one batch ---------------------------------------------------------------------------------------------

    async def _batch(self, version: int, batch: list[jobs.Job]) -> None:
        try:
            claimed = await self._claim(version, batch)
            run = [_Claim(job, got) for job, got in zip(batch, claimed, strict=True) if got.verdict is _RUN]
            for number, group in _groups(run):
                await self._predict_and_finish(number, group)
        finally:
            for job in batch:
                self._running.pop(job.id, None)
        for job in batch:
            self._end(job)
            self._waiting.extendleft(reversed(job.twins))
        self._arrived.set()

    async def _claim(self, version: int, batch: Sequence[jobs.Job]) -> list[protocol.Claimed]:
        model = self._model()
        now = _now_ms()
        requests = [
            protocol.ClaimRequest(
                id=job.id,
                version=version,
                token=secrets.token_hex(8),
                created_at=job.accepted_at,
                ttl_ms=job.expires_at - now,
                deadline=job.envelope.deadline if job.envelope is not None else None,
                details=_details(job, started=now),
                record=None if job.ours else (job.record.record.partition, job.record.record.offset, job.place),
                notify=job.envelope.notify if job.envelope is not None else None,
            )
            for job in batch
        ]
        return await _persist(
            lambda: self._store.claim(model.account, model.model, requests, now_ms=now, keep_ms=model.keep * 1000)
        )

    async def _predict_and_finish(self, version: int, group: list["_Claim"]) -> None:
        started = _now_ms()
        began = time.monotonic()
        answers, predict_ms = await self._predict(version, [claim.job for claim in group])
        model = self._model()
        now = _now_ms()
        waited = max((time.monotonic() - began) * 1000 - predict_ms, 0.0)
        timings = [
            records.Timings(max(started - claim.job.accepted_at, 0), round(waited, 3), round(predict_ms, 3), len(group))
            for claim in group
        ]
        ends = [
            _end(claim, answer, model=model, started=started, now=now, timings=spent)
            for claim, answer, spent in zip(group, answers, timings, strict=True)
        ]
        stored = await _persist(lambda: self._store.finish(model.account, model.model, ends))
        if not all(stored):
            metrics.JOBS_FENCED.inc(stored.count(False))
            log.info("%d answers came after another worker's; the first stands", stored.count(False))
        metrics.BATCH_SIZE.observe(len(group))
        metrics.PREDICT_SECONDS.observe(predict_ms / 1000)
        metrics.QUEUED_SECONDS.observe(max(spent.queued_ms or 0 for spent in timings) / 1000)
        metrics.JOBS_ENDED.labels("succeeded").inc(sum(end.status is words.Status.SUCCEEDED for end in ends))
        metrics.JOBS_ENDED.labels("failed").inc(sum(end.status is words.Status.FAILED for end in ends))

    async def _predict(self, version: int, batch: list[jobs.Job]) -> tuple[list[outcomes.Outcome], float]:
        """An outcome for every job; an input that fails its batch is found by running parts of it again."""
        answers: dict[str, outcomes.Outcome] = {}
        alike: dict[float | None, list[jobs.Job]] = {}
        for job in batch:
            if job.envelope is None:
                metrics.RECORDS_INVALID.inc()
                answers[job.id] = outcomes.Failure(words.ErrorType.INVALID_INPUT, job.invalid or "no job")
            else:
                alike.setdefault(job.timeout, []).append(job)
        groups = list(alike.values())  # apart by timeout, so that nobody is held to a neighbour's shorter one
        spent, fruitless = 0.0, 0
        while groups:
            group = groups.pop(0)
            ran = await self._versions.run(version, [_work(job) for job in group])
            spent += ran.predict_ms
            fruitless = fruitless + 1 if _none_began(ran) and len(self._tasks) == 1 else 0
            unanswered = unfinished(group, ran, final=fruitless >= FRUITLESS, answers=answers)
            groups[:0] = bisect.split(unanswered, together=ran.batch_error is not None or _all_began(ran))
        return [answers[job.id] for job in batch], spent

    def _end(self, job: jobs.Job) -> None:
        job.record.remaining -= 1
        if job.record.remaining == 0:
            self._finished(job.record.record)


class _Claim(NamedTuple):
    job: jobs.Job
    got: protocol.Claimed


def unfinished(
    group: list[jobs.Job], ran: outcomes.Ran, *, final: bool, answers: dict[str, outcomes.Outcome]
) -> list[jobs.Job]:
    """Put the outcomes that stand into `answers`; the jobs that must run again are returned.

    An input that was alone in its call when the runner ended, or when the call raised, is the guilty one.
    """
    again = []
    for job, outcome in zip(group, ran.outcomes, strict=True):
        shared = len(group) > 1 and (ran.batch_error is not None or isinstance(outcome, outcomes.Lost))
        innocent = isinstance(outcome, outcomes.Lost) and not outcome.began
        if (shared or innocent) and not final:
            again.append(job)
        else:
            answers[job.id] = outcome
    return again


def _groups(run: list[_Claim]) -> list[tuple[int, list[_Claim]]]:
    """Claims by the version recorded for them; one whose earlier start was lost with its worker goes alone."""
    together: dict[int, list[_Claim]] = {}
    alone = []
    for claim in run:
        if claim.got.alone:
            alone.append((claim.got.version, [claim]))
        else:
            together.setdefault(claim.got.version, []).append(claim)
    return [*together.items(), *alone]


def _all_began(ran: outcomes.Ran) -> bool:
    lost = [outcome for outcome in ran.outcomes if isinstance(outcome, outcomes.Lost)]
    return len(lost) > 1 and all(outcome.began for outcome in lost)


def _none_began(ran: outcomes.Ran) -> bool:
    return all(isinstance(outcome, outcomes.Lost) and not outcome.began for outcome in ran.outcomes)


def _work(job: jobs.Job) -> fleet.Work:
    content = job.envelope
    assert content is not None  # noqa: S101  jobs without an envelope were answered before
    return fleet.Work(id=job.id, input=content.input, timeout=job.timeout)


def _details(job: jobs.Job, *, started: int) -> records.Details:
    content = job.envelope
    return records.Details(
        started_at=started,
        metadata=content.metadata if content is not None else None,
        traceparent=content.traceparent if content is not None else None,
        place=(job.record.record.partition, job.record.record.offset, job.place),
        replay_of=content.replay_of if content is not None else None,
    )


def _end(
    claim: _Claim, answer: outcomes.Outcome, *, model: specs.Model, started: int, now: int, timings: records.Timings
) -> protocol.End:
    job = claim.job
    content = job.envelope
    output = answer if isinstance(answer, outcomes.Output) else None
    error = (
        None
        if isinstance(answer, outcomes.Output)
        else records.Error(
            answer.type, answer.message, answer.traceback if isinstance(answer, outcomes.Failure) else None
        )
    )
    details = records.Details(
        started_at=started,
        error=error,
        timings=timings,
        metadata=content.metadata if content is not None else None,
        media=output.media if output is not None else None,
        traceparent=content.traceparent if content is not None else None,
        place=(job.record.record.partition, job.record.record.offset, job.place),
        replay_of=content.replay_of if content is not None else None,
    )
    return protocol.End(
        id=job.id,
        token=claim.got.token,
        status=words.Status.FAILED if output is None else words.Status.SUCCEEDED,
        completed_at=now,
        details=details,
        output=output.data if output is not None else None,
        keep_ms=model.keep * 1000,
        ttl_ms=job.expires_at - now,
        notify=content.notify if content is not None else None,
    )


async def _persist(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a store's call until it succeeds: an answer that cannot be stored is neither dropped nor acknowledged."""
    delay = 0.05
    while True:
        try:
            return await call()
        except store_errors.StoreUnavailable as error:
            metrics.STORE_AWAY.inc()
            log.warning("the store is away, the batch waits for it: %s", error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
