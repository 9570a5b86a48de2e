"""Ids that an Idempotency-Key reserves, and what requests with one do."""

import asyncio

import pytest

from ingest import idempotency
from results import keys, link, protocol, reservations, store, waiting
from tests.integration.results.test_webhooks import endpoint
from wire import problems

A = "acme"
RAW = b'{"input": [1], "metadata": {"a": 1}}'


@pytest.fixture
def held(over: link.Link, waiters: waiting.Waiters) -> idempotency.Idempotency:
    return idempotency.Idempotency(reservations.Reservations(over), waiters)


async def test_the_same_key_is_the_same_job(held: idempotency.Idempotency, model: str) -> None:
    of = endpoint(model)

    first = await held.hold(of, "key", RAW, "j_first")
    again = await held.hold(of, "key", RAW, "j_second")
    await held.accepted(of, "key", first)
    later = await held.hold(of, "key", RAW, "j_third")

    assert [one.job_id for one in (first, again, later)] == ["j_first"] * 3
    assert [one.accepted for one in (first, again, later)] == [False, False, True]
    assert (await held.hold(of, "other", RAW, "j_fourth")).job_id == "j_fourth"
    assert (await held.hold(endpoint(model + "x"), "key", RAW, "j_fifth")).job_id == "j_fifth", "another model's"


async def test_another_body_is_refused(held: idempotency.Idempotency, model: str) -> None:
    of = endpoint(model)
    await held.hold(of, "key", RAW, "j_first")

    for body in (b'{"input": [2]}', b'{"input": [1]}'):
        with pytest.raises(problems.Problem) as refused:
            await held.hold(of, "key", body, "j_second")
        assert refused.value.status == 422
        assert "j_first" in refused.value.detail
    same = b'{ "metadata":{"a": 1}, "id": "j_first", "input":[1]}'
    assert (await held.hold(of, "key", same, "j_third")).job_id == "j_first", "order and a 503's id make no difference"


@pytest.mark.parametrize("name", ["", "a b", "x" * 256, "ü", "a\n"])
async def test_strange_keys_are_refused(held: idempotency.Idempotency, model: str, name: str) -> None:
    with pytest.raises(problems.Problem) as refused:
        await held.hold(endpoint(model), name, RAW, "j_first")
    assert refused.value.status == 422


async def test_one_of_many_at_once_reserves(held: idempotency.Idempotency, model: str) -> None:
    found = await asyncio.gather(*[held.hold(endpoint(model), "key", RAW, f"j_{n}") for n in range(20)])

    assert len({one.job_id for one in found}) == 1


async def test_a_key_is_forgotten_after_a_day(held: idempotency.Idempotency, over: link.Link, model: str) -> None:
    first = await held.hold(endpoint(model), "key", RAW, "j_first")
    key = keys.reservation(A, model, "key")
    before = await over.call("PTTL", key)

    await held.accepted(endpoint(model), "key", first)

    assert 0 < await over.call("PTTL", key) <= before <= reservations.TTL_MS
    await over.call("DEL", key)
    await held.accepted(endpoint(model), "key", first)
    assert await over.call("EXISTS", key) == 0, "what is forgotten stays so"


async def test_a_job_that_ended_is_the_answer(held: idempotency.Idempotency, kept: store.Store, model: str) -> None:
    of = endpoint(model)
    first = await held.hold(of, "key", RAW, "j_first")
    assert await held.ended(of, first, None) is None
    await kept.cancel(A, model, "j_first", created_at=1, now_ms=2, ttl_ms=60_000)

    found = await held.ended(of, first, None)

    assert found is not None
    assert found.terminal
    await kept.delete(A, model, "j_first", now_ms=3)
    with pytest.raises(problems.Problem) as gone:
        await held.ended(of, first, None)
    assert gone.value.status == 410
    assert protocol.DAY_MS == reservations.TTL_MS
