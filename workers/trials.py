"""Verified batching carried out: a version's inputs go to its runner alone or together, as its policy says.

What a client gets never comes from a batch in doubt. While a version is unproven its answers are those of the inputs
alone; its trial runs behind them, so it delays no answer. A batch that is checked is held until a few of its inputs ran
alone; if they differ, all of it runs alone.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from wire import jobs as words
from wire import specs
from workers import comparing, errors, outcomes, sizing, verdicts, verifying

log = logging.getLogger(__name__)

_LARGE: Final = 1 << 16
"""Bytes of answers beyond which they are compared in a thread."""

Report = Callable[[specs.Verdict], None]


class Runner(Protocol):
    """What is needed of `runners.Runner`."""

    async def run(
        self, inputs: Sequence[bytes], *, together: bool, timeout: float, ids: Sequence[str] = ()
    ) -> outcomes.Ran:
        """Run one batch."""
        ...


class Trials:
    """One version's way to batches."""

    def __init__(self, *, known: specs.Verdict | None, report: Report, sizes: sizing.Sizes) -> None:
        self.policy: Final = verifying.Policy(known)
        self._report = report
        self._sizes = sizes
        self._proving: asyncio.Task[None] | None = None

    @property
    def together(self) -> bool:
        """Whether inputs may come together now."""
        return self.policy.state is verifying.OPEN

    async def run(self, runner: Runner, inputs: Sequence[bytes], *, timeout: float, ids: Sequence[str]) -> outcomes.Ran:
        """Run inputs of jobs. Never raises for what a model does."""
        policy = self.policy
        if policy.state is not verifying.OPEN or len(inputs) == 1:
            ran = await runner.run(inputs, together=False, timeout=timeout, ids=ids)
            if policy.state is verifying.UNPROVEN:
                self._learn(runner, inputs, ran, timeout)
            return ran
        due = policy.checks(len(inputs))
        ran = await runner.run(inputs, together=True, timeout=timeout, ids=ids)
        if not outcomes.answered(ran.outcomes):
            return await self._mended(runner, inputs, ran, timeout=timeout, ids=ids)
        if policy.state is not verifying.OPEN:  # another batch closed them meanwhile
            return await self._alone(runner, inputs, ran, range(len(inputs)), timeout=timeout, ids=ids)
        if due or policy.weak:
            answers = [one for one in ran.outcomes if isinstance(one, outcomes.Output)]
            if due or not comparing.alike(answers):
                return await self._checked(runner, inputs, ran, answers, timeout=timeout, ids=ids)
        policy.ran(ran.predict_ms)
        return ran

    async def stop(self) -> None:
        """Forget a trial that runs."""
        if self._proving is not None:
            self._proving.cancel()
            await asyncio.gather(self._proving, return_exceptions=True)

    # -- unproven ----------------------------------------------------------------------------------------------

    def _learn(self, runner: Runner, inputs: Sequence[bytes], ran: outcomes.Ran, timeout: float) -> None:
        trial = self.policy.remember(inputs, ran.outcomes)
        if trial is not None:
            self._start(runner, trial, timeout)

    async def _prove(self, runner: Runner, trial: verifying.Trial, timeout: float) -> None:
        size = len(trial.inputs)
        try:
            verdict = await attempt(runner, trial, timeout=timeout)
        except errors.RunnerEnded as ended:
            if not ended.began:
                self.policy.postpone()
            elif self.policy.broke():
                self._close(verdicts.ended(ended.message, size))
            return
        if verdict is not None:
            self._close(verdict)
        elif self.policy.state is verifying.UNPROVEN:
            self.policy.passed(trial)
            self._report(verdicts.opened(size, weak=trial.weak))

    def _start(self, runner: Runner, trial: verifying.Trial, timeout: float) -> None:
        self._proving = asyncio.create_task(self._prove(runner, trial, timeout))
        self._proving.add_done_callback(_told)

    # -- open --------------------------------------------------------------------------------------------------

    async def _checked(
        self, runner: Runner, inputs: Sequence[bytes], ran: outcomes.Ran, together: list[outcomes.Output], *,
        timeout: float, ids: Sequence[str],
    ) -> outcomes.Ran:  # fmt: skip
        """Hold a batch's answers until some of its inputs ran alone."""
        places = verifying.sample(together)
        some = [inputs[place] for place in places]
        proof = await runner.run(some, together=False, timeout=timeout)
        lost = [
            (place, one) for place, one in zip(places, proof.outcomes, strict=True) if isinstance(one, outcomes.Lost)
        ]
        if lost:
            return self._unchecked(ran, lost, asked=proof.asked)
        try:
            verdict = await compare(runner, some, proof.outcomes, [together[place] for place in places], timeout)
        except errors.RunnerEnded as ended:
            end = outcomes.Lost(words.ErrorType.CRASHED, ended.message, began=ended.began)
            return self._unchecked(ran, [(places[0], end)], asked=False)
        if verdict is None:
            self.policy.agreed(len(inputs), cost_ms=proof.predict_ms, alike=comparing.alike(together))
            return ran
        self._close(verdict)
        return await self._alone(runner, inputs, ran, range(len(inputs)), timeout=timeout, ids=ids)

    def _unchecked(self, ran: outcomes.Ran, lost: list[tuple[int, outcomes.Lost]], *, asked: bool) -> outcomes.Ran:
        """The runner ended before a check was over: all its inputs come again, since none was answered in certainty."""
        began = [(place, one) for place, one in lost if one.began]  # else another batch ended it
        if began and not asked and self.policy.broke():
            self._close(verdicts.alone_fails(*began[0]))
        again = outcomes.Lost(lost[0][1].type, lost[0][1].message, began=False)
        return outcomes.Ran([again] * len(ran.outcomes), ran.predict_ms, asked=asked)

    async def _mended(
        self, runner: Runner, inputs: Sequence[bytes], ran: outcomes.Ran, *, timeout: float, ids: Sequence[str]
    ) -> outcomes.Ran:
        """A batch that has not an answer for each: whatever may be the batch's fault runs again alone."""
        again = [
            place
            for place, one in enumerate(ran.outcomes)
            if isinstance(one, outcomes.Failure)
            and (ran.batch_error is not None or one.type is words.ErrorType.INVALID_OUTPUT)
        ]
        if not again:
            return ran
        first = ran.outcomes[again[0]]
        mended = await self._alone(runner, inputs, ran, again, timeout=timeout, ids=ids)
        alone = [one for place in again if isinstance(one := mended.outcomes[place], outcomes.Output)]
        if len(alone) == len(again) and isinstance(first, outcomes.Failure):
            if verdicts.oversized(first):
                self._sizes.failed(len(inputs))
            elif ran.batch_error is None:
                self._close(verdicts.failed(first, len(inputs)))
            elif self._proving is None or self._proving.done():  # it may have been a moment's trouble: once more
                self._start(runner, verifying.Trial(inputs=inputs, alone=alone), timeout)
        return mended

    async def _alone(
        self, runner: Runner, inputs: Sequence[bytes], ran: outcomes.Ran, places: Sequence[int], *,
        timeout: float, ids: Sequence[str],
    ) -> outcomes.Ran:  # fmt: skip
        """`ran` with the outcomes at `places` replaced by those of the inputs alone."""
        chosen = [ids[place] for place in places] if ids else ()
        alone = await runner.run([inputs[place] for place in places], together=False, timeout=timeout, ids=chosen)
        found = list(ran.outcomes)
        for place, outcome in zip(places, alone.outcomes, strict=True):
            found[place] = outcome
        return outcomes.Ran(found, ran.predict_ms + alone.predict_ms, asked=alone.asked)

    def _close(self, verdict: specs.Verdict) -> None:
        if self.policy.state is not verifying.CLOSED:
            self.policy.close()
            self._report(verdict)


async def first(runner: Runner, sample: bytes, answer: outcomes.Outcome, *, timeout: float) -> specs.Verdict:
    """What the sample of a deploy, which alone gave `answer`, tells of batches: it can close them, and opens none."""
    if not isinstance(answer, outcomes.Output):
        return verdicts.unproven("the sample has no answer")
    trial = verifying.Trial(inputs=[sample] * 3, alone=[answer] * 3)
    try:
        found = await attempt(runner, trial, timeout=timeout)
    except errors.RunnerEnded as ended:
        return verdicts.ended(ended.message, len(trial.inputs))
    return found or verdicts.unproven("a batch of the sample alone proves little")


async def attempt(runner: Runner, trial: verifying.Trial, *, timeout: float) -> specs.Verdict | None:
    """Run a trial's batch: why batches must stay closed, or None where it gave the same. Raises RunnerEnded.

    What predict() raises may be a moment's trouble, so then it runs once more.
    """
    ran = await runner.run(trial.inputs, together=True, timeout=timeout)
    if ran.batch_error is not None:
        ran = await runner.run(trial.inputs, together=True, timeout=timeout)
    if ran.asked:
        raise errors.RunnerEnded("the runner was stopped", began=False)
    return await compare(runner, trial.inputs, trial.alone, ran.outcomes, timeout)


async def compare(
    runner: Runner, inputs: Sequence[bytes], alone: Sequence[outcomes.Outcome], together: Sequence[outcomes.Outcome],
    timeout: float,
) -> specs.Verdict | None:  # fmt: skip
    """Why the outcomes of inputs together are not those of the inputs alone; None: they are. Raises RunnerEnded.

    Where they differ the inputs run alone once more: a predict() that contradicts itself is told so, what failed alone
    for a moment only is compared by its second answer, and where the second look tells nothing, nothing is told.
    """
    lost = next((one for one in together if isinstance(one, outcomes.Lost)), None)
    if lost is not None:
        raise errors.RunnerEnded(lost.message, began=lost.began)
    if await _found(alone, together) is None:
        return None
    second = await runner.run(inputs, together=False, timeout=timeout)
    steady: list[outcomes.Outcome] = []
    for first, again, other in zip(alone, second.outcomes, together, strict=True):
        failed = isinstance(first, outcomes.Failure)
        if failed and isinstance(again, outcomes.Lost):
            raise errors.RunnerEnded(again.message, began=again.began and not second.asked)
        if isinstance(again, outcomes.Failure) and isinstance(other, outcomes.Failure):
            raise errors.RunnerEnded("by now it fails alone, too", began=False)
        if not failed and isinstance(again, outcomes.Output) and await _found([first], [again]) is not None:
            return verdicts.unsteady(first, again)
        steady.append(again if failed else first)
    return await _found(steady, together)


async def _found(alone: Sequence[outcomes.Outcome], together: Sequence[outcomes.Outcome]) -> specs.Verdict | None:
    for place, (one, other) in enumerate(zip(alone, together, strict=True)):
        if isinstance(other, outcomes.Failure) and isinstance(one, outcomes.Output):
            return verdicts.failed(other, len(together))
        if isinstance(one, outcomes.Failure) and isinstance(other, outcomes.Output):
            return verdicts.alone_fails(place, one)
    mine = [one for one in alone if isinstance(one, outcomes.Output)]
    theirs = [one for one in together if isinstance(one, outcomes.Output)]
    if sum(len(one.data) for one in mine) > _LARGE and mine != theirs:
        return await asyncio.to_thread(_compared, mine, theirs)
    return _compared(mine, theirs)


def _compared(alone: list[outcomes.Output], together: list[outcomes.Output]) -> specs.Verdict | None:
    if alone == together:
        return None
    answers = comparing.Answers(alone)
    difference = answers.difference(together)
    return verdicts.differs(difference, answers, together) if difference is not None else None


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a trial of batches ended with an error of ours", exc_info=error)
