"""What stands behind answers from the cache, as every store of results keeps it."""

import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from panini.stack import valkey as stack_valkey
from results import cache, caching, link, memory, protocol, records, store
from wire import jobs, settings

A = "acme"
OF = cache.digest(7, 3, jobs.InputType.JSON, b"[1]")


class Kept(NamedTuple):
    store: protocol.Store
    cache: cache.Cache


@pytest.fixture(params=["memory", "valkey"])
async def kept(request: pytest.FixtureRequest, valkey: stack_valkey.Valkey) -> AsyncIterator[Kept]:
    """A store, and the cache beside it."""
    if request.param == "memory":
        double = memory.Store()
        yield Kept(double, memory.Cache(double))
        return
    over = link.Link(settings.Connections(redis=valkey.url_with_password))
    yield Kept(store.Store(over), caching.Cache(over))
    await over.aclose()


def now() -> int:
    return time.time_ns() // 1_000_000


def record(*, at: int, keep_ms: int = 5000) -> records.Record:
    return records.Record(
        status=jobs.Status.SUCCEEDED, starts=1, token="0" * 16, cancel_asked=False, version=3, created_at=at,
        completed_at=at, expires_at=at + keep_ms, output=b'"yes"',
        details=records.Details(started_at=at, cached=True, metadata={"n": 7}),
    )  # fmt: skip


async def test_a_job_is_written_as_ended_before_anybody_heard_of_it(kept: Kept, model: str) -> None:
    at = now()

    assert await kept.cache.answer(A, model, "b", record(at=at), now_ms=at, ttl_ms=60_000)

    assert await kept.store.fetch(A, model, "b") == record(at=at)
    assert [job_id for job_id, _ in (await kept.store.page(A, model)).jobs] == ["b"]
    request = protocol.ClaimRequest(id="b", token="a" * 16, version=3, created_at=at)
    (claimed,) = await kept.store.claim(A, model, [request], now_ms=now())
    assert claimed.verdict is protocol.Verdict.DONE


async def test_a_job_that_is_known_is_left_as_it_is(kept: Kept, model: str) -> None:
    request = protocol.ClaimRequest(id="b", token="a" * 16, version=3, created_at=now())
    await kept.store.claim(A, model, [request], now_ms=now())

    assert not await kept.cache.answer(A, model, "b", record(at=now()), now_ms=now(), ttl_ms=60_000)

    found = await kept.store.fetch(A, model, "b")
    assert found is not None
    assert found.status is jobs.Status.RUNNING


async def test_who_answered_what_is_remembered(kept: Kept, model: str) -> None:
    other = cache.digest(7, 4, jobs.InputType.JSON, b"[1]")

    await kept.cache.remember(A, model, [(OF, "j_one"), (other, "my-own.id:2")], seconds=60)
    await kept.cache.remember(A, model, [], seconds=60)

    assert await kept.cache.recall(A, model, [other, OF]) == ["my-own.id:2", "j_one"]
    assert await kept.cache.recall(A, model, []) == []


async def test_a_digest_is_compared_in_full(kept: Kept, model: str) -> None:
    near = OF[:-1] + bytes([OF[-1] ^ 1])
    await kept.cache.remember(A, model, [(OF, "j_one")], seconds=60)

    assert await kept.cache.recall(A, model, [near, OF]) == [None, "j_one"]


async def test_a_later_answer_takes_the_place_of_an_earlier(kept: Kept, model: str) -> None:
    near = OF[:-1] + bytes([OF[-1] ^ 1])
    await kept.cache.remember(A, model, [(OF, "j_one")], seconds=60)

    await kept.cache.remember(A, model, [(near, "j_two")], seconds=60)

    assert await kept.cache.recall(A, model, [near, OF]) == ["j_two", None]


@pytest.mark.parametrize(("account", "suffix"), [("zeta", ""), (A, "-2")])
async def test_nobody_recalls_what_is_anothers(kept: Kept, model: str, account: str, suffix: str) -> None:
    await kept.cache.remember(A, model, [(OF, "j_one")], seconds=60)

    assert await kept.cache.recall(account, model + suffix, [OF]) == [None]
