"""Waits are woken by ends, survive the loss of their connection, and leave nothing behind."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

import pydantic
import pytest

from panini.stack import valkey as stack_valkey
from results import errors, keys, link, protocol, records, store, waiting
from tests.integration.results.test_store import A, end, now, request
from wire import settings

LONG = 60.0
"""A wait that only an end can end within a test."""


async def started(kept: store.Store, model: str, *ids: str) -> None:
    await kept.claim(A, model, [request(one) for one in ids], now_ms=now())


async def listening(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    """Until an end reaches `expect`: the subscription holds."""
    for number in range(1000):
        job_id = f"probe-{number}"
        future = waiters.expect(A, model, job_id)
        await started(kept, model, job_id)
        await kept.finish(A, model, [end(job_id, notify=waiters.channel)])
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(future, 0.2)
            return
    raise AssertionError("never subscribed")


async def eventually(condition: Callable[[], bool]) -> None:
    """Until it holds; the test's own time limit is the bound."""
    while not condition():  # noqa: ASYNC110  what is looked at has no event, and production needs none
        await asyncio.sleep(0.005)


def subscribed(waiters: waiting.Waiters, model: str) -> bool:
    confirmed = waiters._subscribed.get(keys.ended(A, model))
    return confirmed is not None and confirmed.done()


async def test_a_post_that_waits_gets_the_value_itself(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    await listening(waiters, kept, model)
    future, other = waiters.expect(A, model, "one"), waiters.expect(A, model, "one")
    elsewhere = waiters.expect("other", model, "one")
    await started(kept, model, "one")

    await kept.finish(A, model, [end("one", notify=waiters.channel)])

    assert records.decode(await future).output == b"[1]"
    assert await other == await future
    assert not elsewhere.done(), "the same id of another account is another job"
    elsewhere.cancel()


async def test_a_large_value_is_read(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    await listening(waiters, kept, model)
    future = waiters.expect(A, model, "one")
    await started(kept, model, "one")

    await kept.finish(A, model, [end("one", output=b"1" * 1_000_000, notify=waiters.channel)])

    assert records.decode(await future).output == b"1" * 1_000_000


@pytest.mark.parametrize("fate", ["done", "expired"])
async def test_a_post_hears_of_an_end_that_a_claim_finds_or_makes(
    waiters: waiting.Waiters, kept: store.Store, model: str, fate: str
) -> None:
    await listening(waiters, kept, model)
    await started(kept, model, "one")
    if fate == "done":
        await kept.finish(A, model, [end("one")])
    future = waiters.expect(A, model, "one")

    again = request("one", token="b" * 16, deadline=1, notify=waiters.channel)
    await kept.claim(A, model, [again], now_ms=now())

    assert records.decode(await future).status == ("succeeded" if fate == "done" else "expired")


async def test_a_get_is_woken(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    waits = [asyncio.create_task(waiters.wait(A, model, f"job-{n}", LONG)) for n in (0, 0, 1)]
    await started(kept, model, "job-0", "job-1")

    await kept.finish(A, model, [end("job-0"), end("job-1")])

    found = await asyncio.gather(*waits)
    assert [one.output if one else None for one in found] == [b"[1]"] * 3


@pytest.mark.parametrize("round_trips", range(8))
async def test_an_end_at_any_moment_of_the_wait_is_seen(
    waiters: waiting.Waiters, kept: store.Store, over: link.Link, model: str, round_trips: int
) -> None:
    """The end comes after so many round trips of the wait: before, between and after its subscription and its read."""
    await started(kept, model, "one")
    wait = asyncio.create_task(waiters.wait(A, model, "one", LONG))
    for _ in range(round_trips):
        await over.call("PING")

    await kept.finish(A, model, [end("one")])

    found = await wait
    assert found is not None
    assert found.terminal


async def test_a_wait_ends_with_the_job_as_it_is(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    assert await waiters.wait(A, model, "one", 0.05) is None
    await started(kept, model, "one")
    found = await waiters.wait(A, model, "one", 0.05)
    assert found is not None
    assert not found.terminal


async def test_any_job_of_a_model_wakes(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    async def read() -> tuple[bool, int]:
        found = await kept.fetch_many(A, model, ["one", "two"])
        ended = sum(one is not None and one.terminal for one in found)
        return ended == 2, ended

    wait = asyncio.create_task(waiters.until(A, model, waiting.ANY, LONG, read))
    for job_id in ("one", "two"):
        await started(kept, model, job_id)
        await kept.finish(A, model, [end(job_id)])

    assert await wait == 2


async def test_a_cancel_wakes_too(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    wait = asyncio.create_task(waiters.wait(A, model, "one", LONG))
    await kept.cancel(A, model, "one", created_at=now(), now_ms=now(), ttl_ms=1000)

    found = await wait
    assert found is not None
    assert found.status == "canceled"


async def test_who_leaves_leaves_nothing(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    wait = asyncio.create_task(waiters.wait(A, model, "one", LONG))
    future = waiters.expect(A, model, "one")
    await eventually(lambda: bool(waiters._waits))

    wait.cancel()
    waiters.forget(A, model, "one", future)
    await asyncio.gather(wait, return_exceptions=True)

    assert (waiters._waits, waiters._expected) == ({}, {})


async def test_channels_nobody_waits_for_are_left(
    waiters: waiting.Waiters, over: link.Link, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_PING", 0.05)
    channel = keys.ended(A, model)
    other = waiting.Waiters(over, waiters._store)
    task = asyncio.create_task(other.run())

    await other.wait(A, model, "one", 0.2)
    await eventually(lambda: not other._models)

    assert (await over.call("PUBSUB", "NUMSUB", channel))[1] == 0
    assert other._subscribed == {}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_ended_while_nobody_listened_is_read_after(mortal: stack_valkey.Valkey) -> None:
    connections = settings.Connections(redis=mortal.url, redis_password=pydantic.SecretStr(mortal.password))
    over = link.Link(connections)
    kept = store.Store(over)
    waiters = waiting.Waiters(over, kept)
    task = asyncio.create_task(waiters.run())
    await listening(waiters, kept, "m")
    await started(kept, "m", "one", "two")
    wait = asyncio.create_task(waiters.wait(A, "m", "one", LONG))
    future = waiters.expect(A, "m", "two")
    await eventually(lambda: subscribed(waiters, "m"))

    mortal.child.signal(signal.SIGKILL)
    await mortal.child.wait()
    with pytest.raises(errors.StoreUnavailable):
        await waiters.wait(A, "m", "three", LONG)
    task.cancel()  # so that the ends are surely told while nobody listens
    await asyncio.gather(task, return_exceptions=True)
    await mortal.start()
    await kept.finish(A, "m", [end("one"), end("two", notify=waiters.channel)])
    task = asyncio.create_task(waiters.run())

    found = await wait
    assert found is not None
    assert found.terminal
    assert records.decode(await future).terminal

    wait = asyncio.create_task(waiters.wait(A, "m", "three", LONG))
    await started(kept, "m", "three")
    await kept.finish(A, "m", [end("three")])
    assert await wait is not None, "and the next waits are woken as ever"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await over.aclose()


async def test_it_comes_back_by_itself(mortal: stack_valkey.Valkey) -> None:
    connections = settings.Connections(redis=mortal.url, redis_password=pydantic.SecretStr(mortal.password))
    over = link.Link(connections)
    kept = store.Store(over)
    waiters = waiting.Waiters(over, kept)
    task = asyncio.create_task(waiters.run())
    await listening(waiters, kept, "m")
    await started(kept, "m", "one")
    wait = asyncio.create_task(waiters.wait(A, "m", "one", LONG))
    await eventually(lambda: subscribed(waiters, "m"))

    mortal.child.signal(signal.SIGKILL)
    await mortal.child.wait()
    await mortal.start()
    await listening(waiters, kept, "m")
    await kept.finish(A, "m", [end("one")])

    found = await wait
    assert found is not None
    assert found.terminal
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await over.aclose()


async def test_verdict_of_a_lost_claim_is_told(waiters: waiting.Waiters, kept: store.Store, model: str) -> None:
    wait = asyncio.create_task(waiters.wait(A, model, "one", LONG))
    for by in "abc":
        await kept.claim(A, model, [request("one", token=by * 16)], now_ms=now())

    claimed = await kept.claim(A, model, [request("one", token="d" * 16)], now_ms=now())

    assert claimed[0].verdict is protocol.Verdict.EXHAUSTED
    found = await wait
    assert found is not None
    assert found.status == "failed"
