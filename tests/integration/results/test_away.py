"""Redis away, refusing, or silent: said at once, and over as soon as it is back."""

import asyncio
import signal
import time

import pydantic
import pytest

from panini.stack import valkey as stack_valkey
from results import errors, link, records, store
from results import settings as results_settings
from tests import conftest
from tests.integration.results.test_store import TOKEN, A, end, now, request
from wire import settings


def linked(server: stack_valkey.Valkey, **bounds: float) -> link.Link:
    connections = settings.Connections(redis=server.url, redis_password=pydantic.SecretStr(server.password))
    return link.Link(connections, results_settings.Settings(**bounds))


async def test_nobody_there() -> None:
    where = conftest.free_ports().valkey
    kept = store.Store(link.Link(settings.Connections(redis=f"redis://127.0.0.1:{where}/0")))

    with pytest.raises(errors.StoreUnavailable, match=f"127.0.0.1:{where}"):
        await kept.fetch(A, "m", "one")
    with pytest.raises(errors.StoreUnavailable):
        await kept.claim(A, "m", [request("one")], now_ms=now())


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_the_wrong_password(valkey: stack_valkey.Valkey, password: str | None) -> None:
    given = None if password is None else pydantic.SecretStr(password)
    over = link.Link(settings.Connections(redis=valkey.url, redis_password=given))

    with pytest.raises(errors.StoreUnavailable) as raised:
        await over.call("GET", "x")

    assert valkey.password not in str(raised.value)
    await over.aclose()


async def test_a_url_with_user_password_and_database(valkey: stack_valkey.Valkey, model: str) -> None:
    url = valkey.url.replace("redis://", f"redis://default:{valkey.password}@").removesuffix("/0") + "/3"
    over = link.Link(settings.Connections(redis=url))

    await over.call("SET", model, "here", "PX", 60_000)

    assert await over.call("GET", model) == b"here"
    assert b"db=3" in await over.call("CLIENT", "INFO")
    await over.aclose()


async def test_a_command_of_ours_that_is_wrong_is_a_fault(over: link.Link) -> None:
    with pytest.raises(errors.StoreFault, match="wrong number"):
        await over.call("GET")
    assert await over.call("PING") == b"PONG", "the connection goes on"


async def test_commands_that_travel_together(over: link.Link, model: str) -> None:
    other = asyncio.create_task(over.call("ECHO", "between"))
    replies = await over.calls(("SET", model, "1", "PX", 60_000), ("GET", model), ("SET", model, "2", "NX"))

    assert (replies, await other) == ([b"OK", b"1", None], b"between")
    with pytest.raises(errors.StoreFault, match="wrong number"):
        await over.calls(("GET", model), ("GET",), ("GET", model))
    assert await over.call("PING") == b"PONG", "each reply found who asked for it"


async def test_commands_whose_connection_is_lost_are_sent_again(over: link.Link, model: str) -> None:
    await over.call("SET", model, "1", "PX", 60_000)
    own = await over.call("CLIENT", "ID")
    other = link.Link(over._connections)
    await other.call("CLIENT", "KILL", "ID", own)

    assert await over.calls(("GET", model), ("GET", model)) == [b"1", b"1"]
    await other.aclose()


async def test_a_full_server_is_away_not_wrong(mortal: stack_valkey.Valkey) -> None:
    over = linked(mortal)
    kept = store.Store(over)
    await over.call("CONFIG", "SET", "maxmemory", "1")

    with pytest.raises(errors.StoreUnavailable, match="OOM"):
        await kept.claim(A, "m", [request("one")], now_ms=now())

    await over.call("CONFIG", "SET", "maxmemory", "0")
    assert (await kept.claim(A, "m", [request("one")], now_ms=now()))[0].starts == 1
    await over.aclose()


async def test_a_silent_server_is_away(mortal: stack_valkey.Valkey) -> None:
    over = linked(mortal, redis_timeout=0.1, redis_connect_timeout=0.1)
    kept = store.Store(over)
    await kept.claim(A, "m", [request("one")], now_ms=now())

    mortal.child.signal(signal.SIGSTOP)
    try:
        with pytest.raises(errors.StoreUnavailable):
            await kept.fetch(A, "m", "one")
    finally:
        mortal.child.signal(signal.SIGCONT)

    found = await retried(kept)
    assert found is not None
    assert found.starts == 1
    await over.aclose()


async def test_a_killed_server_loses_nothing_it_answered(mortal: stack_valkey.Valkey) -> None:
    over = linked(mortal)
    kept = store.Store(over)
    await kept.claim(A, "m", [request("one"), request("two")], now_ms=now())
    assert await kept.finish(A, "m", [end("one")]) == [True]

    mortal.child.signal(signal.SIGKILL)
    await mortal.child.wait()
    with pytest.raises(errors.StoreUnavailable):
        await kept.finish(A, "m", [end("two")])
    await mortal.start()

    assert await kept.finish(A, "m", [end("two")]) == [True], "the same claim holds, its script is sent anew"
    found = await kept.fetch_many(A, "m", ["one", "two"])
    assert [one.output if one else None for one in found] == [b"[1]", b"[1]"]
    assert [one.token if one else None for one in found] == [TOKEN, TOKEN]
    await over.aclose()


async def test_a_connection_closed_by_the_server_goes_unnoticed(over: link.Link, kept: store.Store, model: str) -> None:
    await kept.claim(A, model, [request("one")], now_ms=now())
    number = int(await over.call("CLIENT", "ID"))
    other = link.Link(over._connections)

    await other.call("CLIENT", "KILL", "ID", number)

    assert await kept.fetch(A, model, "one") is not None
    assert await over.call("CLIENT", "ID") != number
    await other.aclose()


async def test_many_callers_share_one_dial(valkey: stack_valkey.Valkey) -> None:
    over = linked(valkey)
    first = asyncio.create_task(over.call("CLIENT", "ID"))
    rest = [asyncio.create_task(over.call("CLIENT", "ID")) for _ in range(20)]
    await asyncio.sleep(0)

    first.cancel()

    assert len(set(await asyncio.gather(*rest))) == 1
    await over.aclose()


async def retried(kept: store.Store) -> records.Record | None:
    """What a patient caller gets."""
    until = time.monotonic() + 20
    while True:
        try:
            return await kept.fetch(A, "m", "one")
        except errors.StoreUnavailable:
            if time.monotonic() > until:
                raise


async def test_a_call_just_as_the_dial_is_done_uses_it(valkey: stack_valkey.Valkey) -> None:
    """Calls that begin at every tick of a dial: before, at and after its end."""
    over = linked(valkey)
    calls: list[asyncio.Task[int]] = []
    while not calls or not calls[0].done():
        calls.append(asyncio.create_task(over.call("CLIENT", "ID")))
        await asyncio.sleep(0)

    assert len(set(await asyncio.gather(*calls))) == 1
    await over.aclose()
