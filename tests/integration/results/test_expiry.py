"""The sweeper on a real Valkey: what it ends, what it asks, and who it is."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from panini.stack import valkey as stack_valkey
from results import errors, expiry, keys, link, protocol, store
from tests.contract.results.test_note import HOUR, note
from tests.contract.results.test_store import DETAILS, A, claim, now, request, token
from wire import jobs, settings, specs


class Counting(store.Store):
    """Keeps which models were asked."""

    def __init__(self, over: link.Link) -> None:
        super().__init__(over)
        self.asked: list[str] = []

    async def expire(self, account: str, model: str, **fields: int) -> protocol.Expired:
        self.asked.append(model)
        return await super().expire(account, model, **fields)


@pytest.fixture
async def over(valkey: stack_valkey.Valkey) -> AsyncIterator[link.Link]:
    made = link.Link(settings.Connections(redis=valkey.url_with_password))
    await made.call("DEL", keys.SWEEP_LEASE, keys.SWEEP_DUE)
    yield made
    await made.call("DEL", keys.SWEEP_LEASE, keys.SWEEP_DUE)
    await made.aclose()


class Clock:
    """Unix ms, moved by hand."""

    def __init__(self) -> None:
        self.ms = now()

    def __call__(self) -> int:
        return self.ms


def endpoint(model: str) -> specs.Endpoint:
    return specs.Endpoint(account=A, account_uid=1, model=model, model_uid=1, topic_uuid="u", live=1)


async def test_it_ends_what_is_due_and_asks_no_other_model(over: link.Link, model: str) -> None:
    kept, clock, idle = Counting(over), Clock(), f"{model}-idle"
    models = [endpoint(model), endpoint(idle)]
    sweeper = expiry.Sweeper(over, kept, endpoints=lambda: models, clock_ms=clock)
    at = clock.ms
    await kept.note(A, model, [note("soon", waits=protocol.Waits(deadline=at + 2000)), note("not")], now_ms=at)

    assert await sweeper.tick()
    assert sorted(kept.asked) == sorted([model, idle]), "a new sweeper asks all"
    await sweeper.tick()
    clock.ms = at + 2000
    await sweeper.tick()
    assert len(kept.asked) == 2
    # one that comes later and is due sooner
    await kept.note(A, model, [note("sooner", waits=protocol.Waits(deadline=at + 1000))], now_ms=at)
    await sweeper.tick()
    clock.ms = at + 2001
    await sweeper.tick()
    clock.ms = at + 3000
    await sweeper.tick()

    assert kept.asked[2:] == [model, model], "asked when something was due"
    found = await kept.fetch_many(A, model, ["soon", "sooner", "not"])
    assert [one.status for one in found if one] == [jobs.Status.EXPIRED, jobs.Status.EXPIRED, jobs.Status.QUEUED]


async def test_a_maximum_age_is_due_too(over: link.Link, model: str) -> None:
    kept, clock = Counting(over), Clock()
    at = clock.ms
    sweeper = expiry.Sweeper(over, kept, endpoints=lambda: [endpoint(model)], clock_ms=clock)
    await kept.note(A, model, [note("one", created_at=at, ttl_ms=72 * HOUR)], now_ms=at)
    await sweeper.tick()

    clock.ms = at + 72 * HOUR + 2
    await sweeper.tick()

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert found.status is jobs.Status.EXPIRED


async def test_many_are_ended_in_one_tick(over: link.Link, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "STEP", 10)
    kept, clock = Counting(over), Clock()
    at = clock.ms
    sweeper = expiry.Sweeper(over, kept, endpoints=lambda: [endpoint(model)], clock_ms=clock)
    names = [f"n{i}" for i in range(35)]
    await kept.note(A, model, [note(name, waits=protocol.Waits(deadline=at - 1)) for name in names], now_ms=at)

    await sweeper.tick()

    assert await kept.unfinished(A, model, names) == []


async def test_one_sweeps_and_the_next_takes_over(over: link.Link, model: str) -> None:
    kept, clock = Counting(over), Clock()
    first, second = (
        expiry.Sweeper(over, kept, endpoints=lambda: [endpoint(model)], clock_ms=clock, lease=3600) for _ in range(2)
    )

    assert [await first.tick(), await second.tick(), await first.tick()] == [True, False, True]
    assert kept.asked == [model]
    await over.call("DEL", keys.SWEEP_LEASE)  # as when its time is over
    assert [await second.tick(), await first.tick()] == [True, False]
    assert kept.asked == [model, model], "whoever takes over asks all"
    ttl: int = await over.call("PTTL", keys.SWEEP_LEASE)
    assert 0 < ttl <= 3600 * 1000


class Interrupted(store.Store):
    """Something happens after its first hint, or instead of its second."""

    def __init__(self, over: link.Link) -> None:
        super().__init__(over)
        self.between: Callable[[], Awaitable[object]] | None = None
        self.dies = False
        self.hints = 0

    async def _hint(self, account: str, model: str, at: int) -> None:
        self.hints += 1
        if self.dies and self.hints == 2:
            raise errors.StoreUnavailable("killed")
        await super()._hint(account, model, at)
        if self.between is not None and self.hints == 1:
            await self.between()


async def put(kept: protocol.Store, how: str, model: str, *, expires_at: int, at: int) -> None:
    """Write a queued job in one of the ways that there are."""
    if how == "note":
        await kept.note(A, model, [note("one", waits=protocol.Waits(deadline=expires_at))], now_ms=at)
    elif how == "release":
        given = protocol.Release(id="one", token=token("a"), expires_at=expires_at)
        await kept.release(A, model, [given], now_ms=at)
    else:
        waiting = protocol.Postponed(
            id="one", token=token("a"), charged=False, anew=False, details=DETAILS, expires_at=expires_at
        )
        await kept.postpone(A, model, [waiting], now_ms=at)


@pytest.mark.parametrize("how", ["note", "release", "postpone"])
@pytest.mark.parametrize("what", ["killed before its last word", "looked at before the job was there"])
async def test_no_hint_is_lost(over: link.Link, model: str, how: str, what: str) -> None:
    """Catches either `_hint` in `Store._hinted`: the job would expire with the next look at all models, late."""
    kept, clock = Interrupted(over), Clock()
    at = clock.ms
    if how != "note":
        await claim(kept, model, request("one"), now_ms=at)
    sweeper = expiry.Sweeper(over, kept, endpoints=lambda: [endpoint(model)], clock_ms=clock)
    await sweeper.tick()
    # Given
    if what.startswith("killed"):
        kept.dies = True
        with pytest.raises(errors.StoreUnavailable):
            await put(kept, how, model, expires_at=at + 2000, at=at)
    else:
        kept.between = sweeper.tick
        await put(kept, how, model, expires_at=at - 1, at=at)
    # When its time is over
    clock.ms = at + 2001
    await sweeper.tick()
    # Then
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert found.status is jobs.Status.EXPIRED


async def test_a_hint_of_a_model_that_is_gone_is_dropped(over: link.Link, model: str) -> None:
    kept, clock = Counting(over), Clock()
    sweeper = expiry.Sweeper(over, kept, endpoints=list, clock_ms=clock)
    at = clock.ms
    await kept.note(A, model, [note("one", waits=protocol.Waits(deadline=at - 1))], now_ms=at)

    await sweeper.tick()

    assert await over.call("ZSCORE", keys.SWEEP_DUE, f"{A}:{model}") is None
    assert kept.asked == []
