"""When the next batch is taken: at once while the runner is idle, else shortly before it should end."""

import asyncio

import pytest

from wire import jobs
from workers import outcomes, pacing

ANSWER = outcomes.Output(b"1")


def ran(size: int, seconds: float) -> outcomes.Ran:
    """A batch that went well."""
    return outcomes.Ran([ANSWER] * size, seconds * 1000)


def learn(pace: pacing.Pace, size: int, seconds: float, *, together: bool = True) -> None:
    """A batch that took so long."""
    pace.begin(size, together=together)
    pace.end(size, ran(size, seconds), together=together)


async def test_an_idle_runner_takes_at_once() -> None:
    pace = pacing.Pace()
    await pace.turn()
    learn(pace, 1, 100.0)
    await pace.turn()


async def test_a_short_batch_is_not_waited_for() -> None:
    pace = pacing.Pace()
    learn(pace, 4, 0.001)
    pace.begin(4, together=True)
    await pace.turn()


async def test_a_batch_has_as_many_as_fit_into_its_time() -> None:
    pace = pacing.Pace()
    for size in (1, 2, 4, 8, 16, 32, 64):
        learn(pace, size, 0.005 + 0.001 * size)
    assert pace.limit(256, together=True, timeout=60) == 32
    assert pace.limit(256, together=True, timeout=60, within=0.025) == 16
    assert pace.limit(256, together=True, timeout=60, within=0.001) == 1


async def test_of_a_first_batch_nothing_is_expected() -> None:
    pace = pacing.Pace()
    pace.begin(4, together=True)
    await pace.turn()


async def test_a_long_batch_is_waited_for_until_it_ends() -> None:
    # Given a batch that should take very long
    pace = pacing.Pace()
    learn(pace, 4, 100.0)
    pace.begin(4, together=True)
    turn = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    assert not turn.done()
    # When it ends early, then the next is taken
    pace.end(4, ran(4, 0.1), together=True)
    async with asyncio.timeout(5):
        await turn


async def test_a_long_batch_is_not_waited_for_longer_than_it_should_take() -> None:
    pace = pacing.Pace()
    learn(pace, 4, 0.05)
    pace.begin(4, together=True)
    async with asyncio.timeout(5):
        await pace.turn()


async def test_of_two_in_flight_both_count() -> None:
    # Given two long ones
    pace = pacing.Pace()
    learn(pace, 4, 100.0)
    pace.begin(4, together=True)
    pace.begin(4, together=True)
    # When the first ends
    turn = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    pace.end(4, ran(4, 100.0), together=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    # Then the second is still to be waited for
    assert not turn.done()
    pace.end(4, None, together=True)
    async with asyncio.timeout(5):
        await turn


@pytest.mark.parametrize(
    "bad",
    [
        outcomes.Ran([outcomes.Lost(jobs.ErrorType.TIMEOUT, "long")] * 8, 0.0),
        outcomes.Ran([outcomes.Lost(jobs.ErrorType.OUT_OF_MEMORY, "killed")] * 8, 0.0),
        outcomes.Ran([outcomes.Failure(jobs.ErrorType.OUT_OF_MEMORY, "MemoryError")] * 8, 1.0, "MemoryError"),
        outcomes.Ran([outcomes.Failure(jobs.ErrorType.PREDICT_ERROR, "CUDA out of memory")] * 8, 1.0, "CUDA"),
    ],
)
def test_a_batch_that_was_too_large_halves_the_next(bad: outcomes.Ran) -> None:
    pace = pacing.Pace()
    for size in (1, 2, 4, 8):
        learn(pace, size, 0.1)
    assert pace.limit(64, together=True, timeout=60) == 16
    pace.begin(8, together=True)
    pace.end(8, bad, together=True)
    assert pace.limit(64, together=True, timeout=60) == 4


@pytest.mark.parametrize(
    "innocent",
    [
        outcomes.Ran([outcomes.Lost(jobs.ErrorType.CRASHED, "gone")] * 8, 0.0),
        outcomes.Ran([outcomes.Lost(jobs.ErrorType.TIMEOUT, "long", began=False)] * 8, 0.0),
        outcomes.Ran([outcomes.Lost(jobs.ErrorType.TIMEOUT, "stopped")] * 8, 0.0, asked=True),
        outcomes.Ran([outcomes.Failure(jobs.ErrorType.PREDICT_ERROR, "KeyError")] * 8, 1.0, "KeyError"),
    ],
)
def test_other_ends_say_nothing_of_sizes(innocent: outcomes.Ran) -> None:
    pace = pacing.Pace()
    for size in (1, 2, 4, 8):
        learn(pace, size, 0.1)
    pace.begin(8, together=True)
    pace.end(8, innocent, together=True)
    assert pace.limit(64, together=True, timeout=60) == 16


def test_a_call_should_stay_far_from_its_timeout() -> None:
    pace = pacing.Pace()
    for size in (1, 2, 4, 8):
        learn(pace, size, 0.1 + 0.01 * size)
    assert pace.limit(64, together=True, timeout=60) == 16
    assert pace.limit(64, together=True, timeout=0.3) <= 4
    assert pace.limit(64, together=False, timeout=0.3) == 1  # nothing is known of inputs alone
