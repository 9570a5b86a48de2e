"""Jobs that are given back to be tried again later, in every store."""

import itertools
from typing import Any

import pytest

from results import protocol, records
from tests.contract.results.test_store import A, claim, end, now, request, token
from wire import jobs

TRIED = records.Details(metadata={"order": 7}, retries=1)


def later(job_id: str, by: str = "a", **fields: Any) -> protocol.Postponed:
    return protocol.Postponed(id=job_id, token=token(by), details=TRIED, **fields)


async def test_it_is_queued_again_uncharged_and_keeps_its_version(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"), request("two"))

    assert await kept.postpone(A, model, [later("one"), later("two", "b"), later("three")], now_ms=now()) == [
        True,
        False,
        False,
    ]
    assert await kept.postpone(A, model, [later("one")], now_ms=now()) == [True], "sent again, as its answer was lost"

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.status, found.starts, found.version, found.details) == (jobs.Status.QUEUED, 0, 3, TRIED)
    assert not found.terminal
    again = (await claim(kept, model, request("one", "c", version=4)))[0]
    assert (again.verdict, again.starts, again.version, again.alone) == (protocol.Verdict.RUN, 1, 3, False)
    assert await kept.postpone(A, model, [], now_ms=now()) == []


async def test_a_charged_try_stays_charged(kept: protocol.Store, model: str) -> None:
    for by in "abc":
        claimed = (await claim(kept, model, request("one", by)))[0]
        assert claimed.verdict is protocol.Verdict.RUN
        assert await kept.postpone(A, model, [later("one", by, charged=True)], now_ms=now()) == [True]

    assert claimed.starts == records.MAX_STARTS
    assert claimed.alone
    assert (await claim(kept, model, request("one", "d")))[0].verdict is protocol.Verdict.EXHAUSTED


async def test_a_job_that_never_ran_follows_a_rollback(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one", version=3))

    await kept.postpone(A, model, [later("one", anew=True)], now_ms=now())

    waiting = await kept.fetch(A, model, "one")
    assert waiting is not None
    assert waiting.version is None
    assert (await claim(kept, model, request("one", "b", version=2)))[0].version == 2


async def test_cancel_ends_it_while_it_waits(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))
    await kept.postpone(A, model, [later("one")], now_ms=now())

    ended = await kept.cancel(A, model, "one", created_at=now(), now_ms=now(), ttl_ms=1000)

    assert ended.status is jobs.Status.CANCELED
    assert (await claim(kept, model, request("one", "b")))[0].verdict is protocol.Verdict.DONE


async def test_a_cancel_that_was_asked_before_holds(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))
    await kept.cancel(A, model, "one", created_at=now(), now_ms=now(), ttl_ms=1000)

    await kept.postpone(A, model, [later("one")], now_ms=now())

    assert (await claim(kept, model, request("one", "b")))[0].verdict is protocol.Verdict.CANCELED


@pytest.mark.parametrize("first", [*itertools.permutations(["postpone", "finish", "claim"])])
async def test_whoever_comes_first_wins(kept: protocol.Store, model: str, first: tuple[str, ...]) -> None:
    await claim(kept, model, request("one"))
    done: dict[str, bool] = {}

    for step in first:
        if step == "postpone":
            done[step] = (await kept.postpone(A, model, [later("one")], now_ms=now()))[0]
        elif step == "finish":
            done[step] = (await kept.finish(A, model, [end("one")]))[0]
        else:
            done[step] = (await claim(kept, model, request("one", "b")))[0].verdict is protocol.Verdict.RUN

    order = {step: place for place, step in enumerate(first)}
    assert done["postpone"] == (order["postpone"] < min(order["finish"], order["claim"]))
    assert done["finish"] == (order["finish"] < min(order["postpone"], order["claim"]))
    assert done["claim"] == (not done["finish"])
