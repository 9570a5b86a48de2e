"""The end of a job that no worker holds: its webhook and who waits for it are told in the same step."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from panini.stack import valkey as stack_valkey
from results import deliveries, keys, link, protocol, records, store, waiting
from tests.contract.results.test_note import HOOK, HOUR, note
from tests.contract.results.test_store import A, claim, end, given, now, request
from wire import jobs, settings

EVER = protocol.Hook(url="https://example.com/expired", statuses=frozenset({jobs.Status.EXPIRED}))


@pytest.fixture
async def over(valkey: stack_valkey.Valkey) -> AsyncIterator[link.Link]:
    made = link.Link(settings.Connections(redis=valkey.url_with_password))
    yield made
    await made.aclose()


@pytest.fixture
def kept(over: link.Link) -> store.Store:
    return store.Store(over)


async def cancel(kept: store.Store, model: str, job_id: str) -> records.Record:
    return await kept.cancel(A, model, job_id, created_at=now(), now_ms=now(), ttl_ms=72 * HOUR)


async def expire(kept: store.Store, model: str, at: int) -> protocol.Expired:
    return await kept.expire(A, model, now_ms=at, max_age_ms=72 * HOUR)


async def due(over: link.Link, model: str) -> list[tuple[str, str]]:
    taken, _ = await deliveries.Outbox(over).take(A, model, now_ms=now() + 10**6, lease_ms=1, limit=100)
    return sorted((one.id, one.url) for one in taken)


@pytest.mark.parametrize("order", [*itertools.permutations(["note", "cancel", "claim"])], ids=" ".join)
async def test_a_cancel_calls_the_webhook_once_in_every_order(
    over: link.Link, kept: store.Store, model: str, order: tuple[str, ...]
) -> None:
    for step in order:
        if step == "note":
            await kept.note(A, model, [note("one", waits=protocol.Waits(hook=HOOK))], now_ms=now())
        elif step == "cancel":
            await cancel(kept, model, "one")
        else:
            await claim(kept, model, request("one", hook=HOOK))
            await kept.finish(A, model, [end("one", status=jobs.Status.CANCELED, output=None, hook=HOOK)])

    assert await due(over, model) == [("one", HOOK.url)]
    assert await over.call("HLEN", keys.hooks(A, model)) == 0


async def test_an_expiry_calls_the_webhook(over: link.Link, kept: store.Store, model: str) -> None:
    at = now()
    hooks = {"all": HOOK, "expired": EVER, "canceled": EVER, "none": None}
    await kept.note(
        A, model, [note(name, waits=protocol.Waits(deadline=at, hook=hook)) for name, hook in hooks.items()], now_ms=at
    )
    await claim(kept, model, request("parked", hook=HOOK))
    waits = protocol.Waits(hook=HOOK)
    parked = protocol.Postponed(
        id="parked", token="a" * 16, details=records.Details(), expires_at=at, waits=waits
    )  # fmt: skip
    await kept.postpone(A, model, [parked], now_ms=at)
    await claim(kept, model, request("given", hook=HOOK))
    await kept.release(A, model, [given("given", expires_at=at, waits=waits)], now_ms=at)
    await cancel(kept, model, "canceled")

    assert (await expire(kept, model, at + 1)).ended == 5

    told = [("all", HOOK.url), ("expired", EVER.url), ("given", HOOK.url), ("parked", HOOK.url)]
    assert await due(over, model) == told
    ttl: int = await over.call("PTTL", keys.job(A, model, "all"))
    assert ttl > 75 * HOUR, "the result is there as long as the webhook is tried"


@pytest.mark.parametrize("how", ["cancel", "cancel, then note", "expire"])
async def test_a_post_that_waits_is_told(over: link.Link, kept: store.Store, model: str, how: str) -> None:
    waiters = waiting.Waiters(over, kept)
    listening = asyncio.create_task(waiters.run())
    expected, at = waiters.expect(A, model, "one"), now()
    noted: Any = [note("one", waits=protocol.Waits(deadline=at + 1000, notify=waiters.channel))]

    if how == "cancel, then note":
        await cancel(kept, model, "one")
        await kept.note(A, model, noted, now_ms=at)
    else:
        await kept.note(A, model, noted, now_ms=at)
        await (cancel(kept, model, "one") if how == "cancel" else expire(kept, model, at + 1001))

    async with asyncio.timeout(30):
        ended = records.decode(await expected)
    assert ended.status is (jobs.Status.EXPIRED if how == "expire" else jobs.Status.CANCELED)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_the_sweeper_is_told_when_to_look(over: link.Link, kept: store.Store, model: str) -> None:
    at = now()

    async def hinted() -> int | None:
        score = await over.call("ZSCORE", keys.SWEEP_DUE, f"{A}:{model}")
        return None if score is None else int(float(score))

    await kept.note(A, model, [], now_ms=at)
    assert await hinted() is None
    await kept.note(A, model, [note("old")], now_ms=at)
    assert await hinted() == at + 72 * HOUR
    await kept.note(A, model, [note("one", waits=protocol.Waits(deadline=at + 500))], now_ms=at)
    await kept.note(A, model, [note("two", waits=protocol.Waits(deadline=at + 900))], now_ms=at)
    assert await hinted() == at + 500
    await claim(kept, model, request("three"))
    await kept.release(A, model, [given("three", expires_at=at + 20)], now_ms=at)
    assert await hinted() == at + 20
