"""Waits that share a timer."""

import asyncio

import pytest

from results import patience

SHORT = 0.02


async def test_a_wait_that_takes_too_long_is_ended_with_a_timeout() -> None:
    bound = patience.Patience(SHORT)
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError), bound.wait():
        await never
    assert never.cancelled()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "the task goes on as if nobody had asked it to end"


async def test_one_that_ends_in_time_is_left_alone_afterwards() -> None:
    bound = patience.Patience(SHORT)
    with bound.wait():
        await asyncio.sleep(0)
    await asyncio.sleep(3 * SHORT)


async def test_each_of_many_has_its_own_end() -> None:
    bound = patience.Patience(SHORT)

    async def one(number: int) -> str:
        try:
            with bound.wait():
                await asyncio.sleep(0 if number % 2 else 60)
        except TimeoutError:
            return "late"
        return "in time"

    ended = await asyncio.gather(*[one(number) for number in range(100)])
    assert ended == ["late", "in time"] * 50
    assert await one(0) == "late", "the timer is set again after it found nothing to wait for"


async def test_what_it_waited_for_keeps_its_own_error() -> None:
    bound = patience.Patience(SHORT)
    with pytest.raises(ConnectionError), bound.wait():
        raise ConnectionError


async def test_a_task_that_is_cancelled_meanwhile_is_cancelled() -> None:
    bound = patience.Patience(SHORT)

    async def waits() -> None:
        with bound.wait():
            await asyncio.sleep(60)

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancel_in_the_moment_of_the_timeout_wins() -> None:
    bound = patience.Patience(SHORT)
    ended: list[type[BaseException]] = []

    async def waits() -> None:
        try:
            with bound.wait():
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    asyncio.current_task().cancel()  # type: ignore[union-attr]  # it runs
                    raise
        except BaseException as error:
            ended.append(type(error))
            raise

    task = asyncio.create_task(waits())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [asyncio.CancelledError]
