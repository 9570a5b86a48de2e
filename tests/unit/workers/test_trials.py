"""Verified batching with a runner that does as it is told: what becomes of a batch that is checked."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.unit.workers import kit
from wire import jobs as words
from wire import specs
from workers import outcomes, sizing, trials, verifying

CLOSED, OPEN = specs.Batching.CLOSED, specs.Batching.OPEN
FAILED = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "OSError: feature store away")


class Runner:
    """Answers an input with its length, and what `alone` and `together` say for a call, counted from 1, otherwise."""

    def __init__(self) -> None:
        self.alone: dict[int, Callable[[int], outcomes.Ran]] = {}
        self.together: dict[int, Callable[[int], outcomes.Ran]] = {}
        self.calls: list[tuple[bool, int]] = []

    async def run(
        self, inputs: Sequence[bytes], *, together: bool, timeout: float, ids: Sequence[str] = ()
    ) -> outcomes.Ran:
        self.calls.append((together, len(inputs)))
        number = sum(one == together for one, _ in self.calls)
        other = (self.together if together else self.alone).get(number)
        if other is not None:
            return other(len(inputs))
        return outcomes.Ran([kit.output(len(one)) for one in inputs], 1.0)


class House:
    """A version whose batches are open and whose next one is checked."""

    def __init__(self) -> None:
        self.runner = Runner()
        self.verdicts: list[specs.Verdict] = []
        known = specs.Verdict(batching=OPEN, why="before")
        self.trials = trials.Trials(known=known, report=self.verdicts.append, sizes=sizing.Sizes())

    async def ran(self, *inputs: bytes) -> outcomes.Ran:
        return await self.trials.run(self.runner, inputs, timeout=5.0, ids=[str(i) for i in range(len(inputs))])

    async def proved(self) -> None:
        """Return when the trial that runs is over."""
        assert self.trials._proving is not None
        await self.trials._proving

    @property
    def state(self) -> specs.Batching:
        return self.trials.policy.state


ANSWERS: list[outcomes.Outcome] = [kit.output(1), kit.output(2), kit.output(3)]


def first_fails(size: int) -> outcomes.Ran:
    return outcomes.Ran([FAILED, *[kit.output(i + 1) for i in range(1, size)]], 1.0)


def dies(size: int, *, asked: bool = False) -> outcomes.Ran:
    found: list[outcomes.Outcome] = [kit.lost(), *[kit.lost(began=False)] * (size - 1)]
    return outcomes.Ran(found, 0.0, asked=asked)


async def test_what_fails_alone_for_a_moment_closes_nothing() -> None:
    house = House()
    house.runner.alone[1] = first_fails
    # When an input of a check fails once
    found = await house.ran(b"a", b"bb", b"ccc")
    # Then it is asked once more, and all is well
    assert found.outcomes == ANSWERS
    assert (house.state, house.verdicts) == (OPEN, [])


async def test_what_fails_alone_always_closes_them() -> None:
    house = House()
    house.runner.alone = dict.fromkeys((1, 2, 3), first_fails)
    found = await house.ran(b"a", b"bb", b"ccc")
    # Then the answers are those of the inputs alone
    assert found.outcomes == [FAILED, *ANSWERS[1:]]
    assert house.state is CLOSED
    assert "failed alone" in house.verdicts[0].why


async def test_a_difference_beside_a_moments_trouble_still_counts() -> None:
    house = House()
    house.runner.alone[1] = first_fails
    house.runner.together[1] = lambda _: outcomes.Ran([ANSWERS[0], ANSWERS[2], ANSWERS[1]], 1.0)
    found = await house.ran(b"a", b"bb", b"ccc")
    assert found.outcomes == ANSWERS
    assert house.state is CLOSED


async def test_a_difference_of_the_same_size_as_before_is_found_by_the_seldom_check() -> None:
    # Given batches that were right, and checked, and are due for another check
    house = House()
    for _ in range(verifying.EVERY + 1):
        assert (await house.ran(b"a", b"bb", b"ccc")).outcomes == ANSWERS
    house.trials.policy.ran(1000.0)
    checks = house.runner.calls.count((False, 3))
    # When one is wrong
    house.runner.together[verifying.EVERY + 2] = lambda _: outcomes.Ran([*reversed(ANSWERS)], 1.0)
    found = await house.ran(b"a", b"bb", b"ccc")
    # Then nobody gets its answers
    assert house.runner.calls.count((False, 3)) > checks
    assert found.outcomes == ANSWERS
    assert house.state is CLOSED


@pytest.mark.parametrize("asked", [True, False])
async def test_a_batch_whose_check_was_cut_off_comes_again(asked: bool) -> None:
    """Catches answers that are handed out though nobody could check them, and a check that counts as passed."""
    house = House()
    house.runner.alone[1] = lambda size: dies(size, asked=asked)
    # When the runner ends during the check
    found = await house.ran(b"a", b"bb", b"ccc")
    # Then no input is at fault, and each comes again
    assert all(isinstance(one, outcomes.Lost) and not one.began for one in found.outcomes)
    assert found.asked is asked
    assert house.state is OPEN
    # and is checked then
    found = await house.ran(b"a", b"bb", b"ccc")
    assert found.outcomes == ANSWERS
    assert house.runner.calls == [(True, 3), (False, 3)] * 2


async def test_checks_that_end_the_runner_close_batches_at_last() -> None:
    house = House()
    house.runner.alone = dict.fromkeys((1, 2), dies)
    for _ in range(verifying.STRIKES):
        await house.ran(b"a", b"bb", b"ccc")
    assert house.state is CLOSED
    # so that who is guilty is found one by one
    assert (await house.ran(b"a", b"bb", b"ccc")).outcomes == ANSWERS


async def test_after_a_restart_the_first_answers_that_differ_are_checked() -> None:
    # Given a predict that gives everybody the first one's answer, and inputs that all had the same one until now
    house = House()
    await house.ran(b"x", b"y", b"z")
    house.runner.together[2] = lambda _: outcomes.Ran([ANSWERS[2], *ANSWERS[:2]], 1.0)
    # When a batch has different ones, and is no larger
    found = await house.ran(b"a", b"bb", b"ccc")
    # Then it is found out
    assert found.outcomes == ANSWERS
    assert house.state is CLOSED


@pytest.mark.parametrize(
    ("together", "state"),
    [
        pytest.param(lambda size: outcomes.Ran([kit.output(1)] * size, 1.0), specs.Batching.UNPROVEN, id="the same"),
        pytest.param(lambda size: outcomes.Ran([kit.output(2)] * size, 1.0), CLOSED, id="something else"),
        pytest.param(lambda size: outcomes.Ran([FAILED] * size, 1.0, "away"), CLOSED, id="it raises"),
        pytest.param(lambda size: outcomes.Ran([kit.lost()] * size, 0.0), CLOSED, id="it dies"),
    ],
)
async def test_the_sample_of_a_deploy_can_close_batches_and_opens_none(
    together: Callable[[int], outcomes.Ran], state: specs.Batching
) -> None:
    runner: Any = Runner()
    runner.together = {1: together, 2: together}
    found = await trials.first(runner, b"a", kit.output(1), timeout=5.0)
    assert found.batching is state
    assert (runner.calls[0], found.advice is None) == ((True, 3), state is not CLOSED)


async def test_a_check_that_another_batch_cut_off_is_no_strike() -> None:
    """Catches a killer in the batch behind, whose runner takes the check along, that closes batches for good."""
    house = House()
    for number in range(1, 6):
        house.runner.alone[number] = lambda size: outcomes.Ran([kit.lost(began=False)] * size, 0.0)
        assert not any(isinstance(one, outcomes.Output) for one in (await house.ran(b"a", b"bb", b"ccc")).outcomes)
    assert house.state is OPEN
    assert (await house.ran(b"a", b"bb", b"ccc")).outcomes == ANSWERS


@pytest.mark.parametrize("asked", [True, False])
async def test_a_second_look_that_is_cut_off_tells_nothing(asked: bool) -> None:
    """Catches an input that failed for a moment, and whose repetition ended with the runner, that closes batches."""
    house = House()
    house.runner.alone = {1: first_fails, 2: lambda size: dies(size, asked=asked)}
    found = await house.ran(b"a", b"bb", b"ccc")
    assert all(isinstance(one, outcomes.Lost) and not one.began for one in found.outcomes)
    assert (house.state, house.verdicts) == (OPEN, [])
    assert (await house.ran(b"a", b"bb", b"ccc")).outcomes == ANSWERS


async def test_a_trial_during_an_outage_proves_nothing() -> None:
    """Catches "each of these inputs does well alone" of inputs that do so no more."""
    house = House()
    house.trials = trials.Trials(known=None, report=house.verdicts.append, sizes=sizing.Sizes())
    house.runner.together = dict.fromkeys((1, 2), lambda size: outcomes.Ran([FAILED] * size, 1.0, FAILED.message))
    house.runner.alone[2] = lambda size: outcomes.Ran([FAILED] * size, 1.0)
    # When a trial raises, twice, and its inputs alone do, too
    await house.ran(b"a", b"bb")
    await house.proved()
    # Then it is tried again later
    assert (house.state, house.verdicts) == (specs.Batching.UNPROVEN, [])
    await house.ran(b"a", b"bb")
    await house.proved()
    assert house.state is OPEN


async def test_a_trial_that_is_stopped_is_forgotten() -> None:
    house = House()
    house.trials = trials.Trials(known=None, report=house.verdicts.append, sizes=sizing.Sizes())
    await house.ran(b"a", b"bb")
    assert house.trials._proving is not None
    await house.trials.stop()
    assert house.trials._proving.cancelled()
    assert (house.state, house.verdicts) == (specs.Batching.UNPROVEN, [])
