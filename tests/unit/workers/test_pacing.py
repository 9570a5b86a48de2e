"""When the next batch is taken: at once while the runner is idle, else shortly before it should end."""

import asyncio

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
    turn = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    assert turn.done()


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


async def test_a_batch_that_is_being_claimed_counts_already() -> None:
    """Catches what arrives in the millisecond of a claim and goes as a small batch of its own, behind the first."""
    pace = pacing.Pace()
    learn(pace, 4, 100.0)
    # Given a long one that was taken
    came = pace.coming(4, together=True)
    turn = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    assert not turn.done()
    # When it is claimed and goes to the runner, it is still waited for
    came()
    pace.begin(4, together=True)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not turn.done()
    pace.end(4, ran(4, 100.0), together=True)
    async with asyncio.timeout(5):
        await turn


async def test_one_that_never_comes_is_not_waited_for() -> None:
    pace = pacing.Pace()
    learn(pace, 4, 100.0)
    came = pace.coming(4, together=True)
    turn = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    came()
    async with asyncio.timeout(5):
        await turn


async def test_one_as_short_as_its_claim_keeps_nobody_from_being_claimed() -> None:
    pace = pacing.Pace()
    learn(pace, 4, 0.001)
    for _ in range(8):
        pace.coming(4, together=True)
    turn = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    assert turn.done()


async def test_one_that_came_leaves_those_that_still_come() -> None:
    pace = pacing.Pace()
    learn(pace, 4, 100.0)
    came, _ = pace.coming(4, together=True), pace.coming(4, together=True)
    came()
    turn = asyncio.create_task(pace.turn())
    await asyncio.sleep(0)
    assert not turn.done()
    turn.cancel()


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


async def test_what_the_runner_is_at_counts_for_a_deadline() -> None:
    # Given batches of 8 that take two seconds, and of 4 that take 1.1
    pace = pacing.Pace()
    for size in (1, 2, 4, 8):
        learn(pace, size, 0.2 + 0.225 * size)
    due = [(0, 1.5)]
    # When the runner is idle, a smaller one is in time for the first of them
    assert pace.in_time(8, due, together=True) == 4
    # When it has to end another before, nothing is
    pace.begin(8, together=True)
    assert pace.in_time(8, due, together=True) == 8


def test_a_call_should_stay_far_from_its_timeout() -> None:
    pace = pacing.Pace()
    for size in (1, 2, 4, 8):
        learn(pace, size, 0.1 + 0.01 * size)
    assert pace.limit(64, together=True, timeout=60) == 16
    assert pace.limit(64, together=True, timeout=0.3) <= 4
    assert pace.limit(64, together=False, timeout=0.3) == 1  # nothing is known of inputs alone
