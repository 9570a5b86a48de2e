"""A batch through its runner, until every job of it has an outcome: what failed together is run again in parts."""

from collections.abc import Callable
from typing import Final

from wire import jobs as words
from wire import metrics
from workers import bisect, fleet, jobs, outcomes, verdicts

FRUITLESS: Final = 3
"""Runs in a row, with no other batch on its way, that began nothing of a batch, after which it is given up as lost."""

_TOO_LARGE: Final = frozenset({words.ErrorType.TIMEOUT, words.ErrorType.OUT_OF_MEMORY})

_CANCELED: Final = outcomes.Lost(words.ErrorType.CRASHED, "canceled", began=False)


async def predict(
    versions: fleet.Fleet, version: int, batch: list[jobs.Job], *, lonely: Callable[[], bool]
) -> tuple[list[outcomes.Outcome], float]:
    """An outcome for every job, and the milliseconds in predict(); an input that fails its batch is found.

    `lonely`: whether no other batch is on its way now, so that a runner that began nothing is this batch's own trouble.
    """
    answers: dict[str, outcomes.Outcome] = {}
    alike: dict[float | None, list[jobs.Job]] = {}
    for job in batch:
        if job.envelope is None:
            metrics.RECORDS_INVALID.inc()
            answers[job.id] = outcomes.Failure(words.ErrorType.INVALID_INPUT, job.invalid or "no job")
        else:
            alike.setdefault(job.timeout, []).append(job)
    groups = list(alike.values())  # apart by timeout, so that nobody is held to a neighbour's shorter one
    spent, fruitless, sizes = 0.0, 0, _Sizes()
    while groups:
        group = [job for job in groups.pop(0) if not job.canceled]
        if not group:
            continue
        ran = await versions.run(version, [_work(job) for job in group])
        spent += ran.predict_ms
        if len(group) == len(batch) and outcomes.answered(ran.outcomes) and not any(job.canceled for job in batch):
            return ran.outcomes, spent
        sizes.saw(group, ran)
        if ran.asked:  # killed for a canceled job: the others run again, whatever they had begun
            groups.insert(0, unfinished(group, ran, stopped=True, answers=answers))
            continue
        fruitless = fruitless + 1 if _none_began(ran) and lonely() else 0
        unanswered = unfinished(group, ran, final=fruitless >= FRUITLESS, answers=answers)
        groups[:0] = bisect.split(unanswered, together=ran.batch_error is not None or _all_began(ran))
    all_well = len(answers) == len(batch) and outcomes.answered(list(answers.values()))
    if all_well and (larger := sizes.too_large()) is not None:  # else a guilty or a canceled input may be why
        versions.too_large(version, larger)
    return [_CANCELED if job.canceled else answers[job.id] for job in batch], spent


def unfinished(
    group: list[jobs.Job],
    ran: outcomes.Ran,
    *,
    answers: dict[str, outcomes.Outcome],
    final: bool = False,
    stopped: bool = False,
) -> list[jobs.Job]:
    """Put the outcomes that stand into `answers`; the jobs that must run again are returned, canceled ones never.

    An input that was alone in its call when the runner ended, or when the call raised, is the guilty one, unless we
    `stopped` the runner ourselves.
    """
    again = []
    for job, outcome in zip(group, ran.outcomes, strict=True):
        if job.canceled:
            continue
        if stopped and isinstance(outcome, outcomes.Lost):
            again.append(job)
            continue
        shared = len(group) > 1 and (ran.batch_error is not None or isinstance(outcome, outcomes.Lost))
        innocent = isinstance(outcome, outcomes.Lost) and not outcome.began
        if (shared or innocent) and not final:
            again.append(job)
        else:
            answers[job.id] = outcome
    return again


class _Sizes:
    """Calls for several of a batch's inputs: which sizes ran out of time or memory, and which did well."""

    def __init__(self) -> None:
        self._failed: list[int] = []
        self._well = 1

    def saw(self, group: list[jobs.Job], ran: outcomes.Ran) -> None:
        """A call came back. One that had a job's own time is not the version's fault."""
        if len(group) == 1 or ran.asked:
            return
        if outcomes.answered(ran.outcomes):
            self._well = max(self._well, len(group))
        elif _for_its_size(ran) and (group[0].timeout is None or not _timed_out(ran)):
            self._failed.append(len(group))

    def too_large(self) -> int | None:
        """The smallest size that failed while no larger one did well; None: there is none."""
        return min([size for size in self._failed if size > self._well], default=None)


def _timed_out(ran: outcomes.Ran) -> bool:
    last = ran.outcomes[-1]
    return isinstance(last, outcomes.Lost) and last.type is words.ErrorType.TIMEOUT


def _for_its_size(ran: outcomes.Ran) -> bool:
    """Whether one call for several inputs ran out of time or memory, as one does that is too large."""
    last = ran.outcomes[-1]
    if isinstance(last, outcomes.Lost):
        return _all_began(ran) and last.type in _TOO_LARGE
    return ran.batch_error is not None and isinstance(last, outcomes.Failure) and verdicts.oversized(last)


def _all_began(ran: outcomes.Ran) -> bool:
    lost = [outcome for outcome in ran.outcomes if isinstance(outcome, outcomes.Lost)]
    return len(lost) > 1 and all(outcome.began for outcome in lost)


def _none_began(ran: outcomes.Ran) -> bool:
    return all(isinstance(outcome, outcomes.Lost) and not outcome.began for outcome in ran.outcomes)


def _work(job: jobs.Job) -> fleet.Work:
    content = job.envelope
    assert content is not None  # noqa: S101  jobs without an envelope were answered before
    return fleet.Work(id=job.id, input=content.input, timeout=job.timeout, canceled=job.leaves)
