"""The memory of results on a Valkey of its own: when it fills, what is refused, and what goes on."""

import pathlib
from collections.abc import AsyncIterator

import pytest

from panini.stack import settings as stack_settings
from panini.stack import valkey as stack_valkey
from results import budget, errors, link, protocol, store
from tests.conftest import free_ports, make_home
from tests.contract.results.test_note import HOUR, note
from tests.contract.results.test_store import A, claim, end, now, request
from wire import settings

MIB = 1 << 20


@pytest.fixture
async def over(tmp_path: pathlib.Path) -> AsyncIterator[link.Link]:
    place = make_home(tmp_path)
    server = stack_valkey.Valkey(place, stack_settings.Settings.load(home=place.root), free_ports(), "secret")
    await server.start()
    made = link.Link(settings.Connections(redis=server.url_with_password))
    yield made
    await made.aclose()
    await server.stop()


async def fill(kept: store.Store, model: str, first: int, count: int, size: int = MIB) -> None:
    names = [f"n{first + i}" for i in range(count)]
    await claim(kept, model, *[request(name, created_at=now() - 10_000) for name in names])
    for name in names:
        assert await kept.finish(A, model, [end(name, output=b"1" * size, keep_ms=1000, completed_at=now() - 5000)])


async def test_it_is_full_and_has_room_again(over: link.Link, model: str) -> None:
    kept, room = store.Store(over), budget.Budget(over, asked=10 * MIB)
    await room.look()
    assert (room.full, room.most) == (False, 10 * MIB)

    await fill(kept, model, 0, 10)
    await room.look()
    assert room.full
    assert room.used > 10 * MIB

    # what was accepted before still ends, and what is past its time is freed
    await fill(kept, model, 10, 1)
    shrunk = await kept.shrink(A, model, now_ms=now(), keep_ms=1000)
    assert shrunk.removed == 11
    await room.look()
    assert not room.full


async def test_the_bound_follows_what_redis_may_take(over: link.Link) -> None:
    room = budget.Budget(over, asked=None)
    await over.call("CONFIG", "SET", "maxmemory", 100 * MIB)
    await room.look()
    assert room.most == 80 * MIB
    await over.call("CONFIG", "SET", "maxmemory", 0)
    await room.look()
    assert room.most == budget.UNBOUNDED


async def test_a_redis_without_any_room_still_frees_what_is_past_its_time(over: link.Link, model: str) -> None:
    """Catches a sweep that needs memory to free some: nothing would ever end again."""
    kept = store.Store(over)
    await fill(kept, model, 0, 3)
    kept_job = "kept"
    await claim(kept, model, request(kept_job))
    await kept.finish(A, model, [end(kept_job)])
    await kept.note(A, model, [note("late", waits=protocol.Waits(deadline=now() - 1))], now_ms=now())
    await over.call("CONFIG", "SET", "maxmemory", 2 * MIB)

    assert (await kept.expire(A, model, now_ms=now(), max_age_ms=HOUR)).ended == 1
    with pytest.raises(errors.StoreUnavailable, match="OOM"):
        await claim(kept, model, request("new"))
    assert (await kept.fetch(A, model, kept_job)) is not None, "reading goes on"
    await kept.delete(A, model, "n0", now_ms=now())
    assert (await kept.shrink(A, model, now_ms=now(), keep_ms=1000)).removed == 2

    found = await kept.fetch(A, model, "n1")
    assert found is not None
    assert found.cut
    await over.call("CONFIG", "SET", "maxmemory", 20 * MIB)
    assert (await claim(kept, model, request("new")))[0].verdict is protocol.Verdict.RUN


async def test_while_redis_is_away_jobs_are_accepted() -> None:
    away = link.Link(settings.Connections(redis="redis://127.0.0.1:1/0"))
    room = budget.Budget(away, asked=MIB)
    room.full = True

    await room.look()

    assert not room.full
    await away.aclose()


async def test_a_full_redis_takes_no_note_and_no_harm(over: link.Link, model: str) -> None:
    kept = store.Store(over)
    await over.call("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(errors.StoreUnavailable, match="OOM"):
        await kept.note(A, model, [note("one")], now_ms=now())
