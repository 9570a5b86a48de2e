"""Jobs that are noted before any worker has read them, and what can end them then, in every store."""

import itertools
from typing import Any

import pytest

from results import protocol, records
from tests.contract.results.test_store import A, claim, end, given, now, request, token
from wire import jobs

HOUR = 3600 * 1000
CREATED = now() - 50
HOOK = protocol.Hook(url="https://example.com/hook")
TOLD = "panini:notify:aaaa"


def note(job_id: str, **fields: Any) -> protocol.Note:
    given: dict[str, Any] = {
        "id": job_id,
        "created_at": CREATED,
        "ttl_ms": 72 * HOUR,
        "details": records.Details(metadata={"order": 7}, place=(1, 2, 3)),
    }
    return protocol.Note(**(given | fields))


def until(deadline: int | None, **fields: Any) -> protocol.Waits:
    return protocol.Waits(deadline=deadline, **fields)


async def expire(kept: protocol.Store, model: str, at: int, **fields: Any) -> protocol.Expired:
    return await kept.expire(A, model, now_ms=at, **({"max_age_ms": 72 * HOUR} | fields))


async def cancel(kept: protocol.Store, model: str, job_id: str) -> records.Record:
    return await kept.cancel(A, model, job_id, created_at=CREATED, now_ms=now(), ttl_ms=72 * HOUR)


async def status(kept: protocol.Store, model: str, job_id: str) -> jobs.Status | None:
    found = await kept.fetch(A, model, job_id)
    return None if found is None else found.status


async def test_a_note_is_the_jobs_record(kept: protocol.Store, model: str) -> None:
    assert await kept.note(A, model, [note("one"), note("two")], now_ms=now()) == 2

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.status, found.starts, found.version, found.created_at) == (jobs.Status.QUEUED, 0, None, CREATED)
    assert (found.details.metadata, found.details.place) == ({"order": 7}, (1, 2, 3))
    assert not found.terminal
    assert [job_id for job_id, _ in (await kept.page(A, model)).jobs] == ["two", "one"]
    assert await kept.unfinished(A, model, ["one", "two"]) == ["one", "two"]


async def test_batches_of_noted_and_of_new_jobs_in_turns(kept: protocol.Store, model: str) -> None:
    """The store asks about known jobs otherwise than about new ones, and guesses by the last batch which come."""
    await kept.note(A, model, [note(f"noted-{n}", created_at=CREATED) for n in range(8)], now_ms=now())
    await claim(kept, model, request("lost"))
    batches = [
        ["new-0", "noted-0"],
        ["noted-1", "noted-2"],
        ["new-1", "new-2"],
        ["noted-3", "lost", "new-3"],
        ["new-4"],
    ]

    for batch in batches:
        asked = [request(one, "b", created_at=CREATED, record=(0, 5, n)) for n, one in enumerate(batch)]
        late = request(f"late-{batch[0]}", "b", created_at=CREATED, deadline=1, record=(0, 5, 9))
        claimed = await claim(kept, model, *asked, *([late] if "lost" in batch else []))

        assert [(one.id, one.starts) for one in claimed[: len(batch)]] == [(one, 1 + (one == "lost")) for one in batch]
        assert {one.verdict for one in claimed[: len(batch)]} == {protocol.Verdict.RUN}
        assert [one.verdict for one in claimed[len(batch) :]] == [protocol.Verdict.EXPIRED] * ("lost" in batch)
        assert await kept.finish(A, model, [end(one, "b") for one in batch]) == [True] * len(batch)

    listed = {job_id for job_id, _ in (await kept.page(A, model)).jobs}
    assert listed >= {one for batch in batches for one in batch} | {"late-noted-3"}
    assert await kept.position(A, model, "noted-4") == 1, "those that are claimed have left the queue"


async def test_the_first_claim_of_a_noted_job_is_a_first_claim(kept: protocol.Store, model: str) -> None:
    await kept.note(A, model, [note("one")], now_ms=now())

    claimed = await claim(kept, model, request("one", created_at=CREATED + 1))

    assert claimed == [protocol.Claimed(id="one", verdict=protocol.Verdict.RUN, token=token("a"), starts=1, version=3)]
    assert not claimed[0].alone
    assert await kept.position(A, model, "one") is None
    assert await kept.finish(A, model, [end("one")]) == [True]
    assert await status(kept, model, "one") is jobs.Status.SUCCEEDED


async def test_positions_are_by_acceptance(kept: protocol.Store, model: str) -> None:
    await kept.note(A, model, [note(name, created_at=CREATED + i) for i, name in enumerate("cab")], now_ms=now())

    assert [await kept.position(A, model, name) for name in "cab"] == [1, 2, 3]
    await claim(kept, model, request("c"))
    await cancel(kept, model, "a")
    assert [await kept.position(A, model, name) for name in "cab"] == [None, None, 1]
    assert await kept.position(A, model, "never heard of") is None
    assert await kept.position(A, "another", "b") is None


async def test_past_the_bound_only_jobs_that_wait_for_something_are_noted(kept: protocol.Store, model: str) -> None:
    far = now() + HOUR
    waits = [until(far), until(None, hook=HOOK), until(None, notify=TOLD)]

    assert await kept.note(A, model, [note("a"), note("b"), note("c")], now_ms=now(), most=2) == 2
    assert await kept.note(A, model, [note(f"w{i}", waits=w) for i, w in enumerate(waits)], now_ms=now(), most=2) == 3

    assert [await status(kept, model, name) for name in "abc"] == [jobs.Status.QUEUED, jobs.Status.QUEUED, None]
    assert await kept.position(A, model, "w2") == 5


async def test_many_are_noted(kept: protocol.Store, model: str) -> None:
    assert await kept.note(A, model, [note(f"n{i}") for i in range(2500)], now_ms=now()) == 2500
    assert await kept.note(A, model, [], now_ms=now()) == 0
    claimed = await claim(kept, model, *[request(f"n{i}") for i in range(2500)])
    assert {one.verdict for one in claimed} == {protocol.Verdict.RUN}
    assert await kept.position(A, model, "n7") is None


async def test_a_deadline_ends_a_job_that_nobody_read(kept: protocol.Store, model: str) -> None:
    at = now()
    some = [note("soon", waits=until(at + 10)), note("later", waits=until(at + 99_000)), note("never")]
    await kept.note(A, model, some, now_ms=at)

    before = await expire(kept, model, at + 10)
    after = await expire(kept, model, at + 11, keep_ms=1000)

    assert (before.ended, before.next_at) == (0, at + 10)
    assert (after.seen, after.ended, after.next_at) == (1, 1, at + 99_000)
    found = await kept.fetch(A, model, "soon")
    assert found is not None
    assert (found.status, found.completed_at, found.expires_at) == (jobs.Status.EXPIRED, at + 11, at + 1011)
    assert found.details.metadata == {"order": 7}, "what its client said is still there"
    assert await kept.position(A, model, "later") == 1
    assert (await claim(kept, model, request("soon")))[0].verdict is protocol.Verdict.DONE
    assert (await expire(kept, model, at + 12)).ended == 0


async def test_a_maximum_age_ends_a_job_that_nobody_read(kept: protocol.Store, model: str) -> None:
    await kept.note(A, model, [note("old", ttl_ms=1000), note("young", created_at=CREATED + 500)], now_ms=now())

    first = await expire(kept, model, CREATED + 1001, max_age_ms=1000)

    assert (first.ended, first.next_at) == (1, CREATED + 1500)
    assert await status(kept, model, "old") is jobs.Status.EXPIRED
    assert await status(kept, model, "young") is jobs.Status.QUEUED


async def test_expiring_goes_by_steps(kept: protocol.Store, model: str) -> None:
    at = now()
    await kept.note(A, model, [note(f"n{i}", waits=until(at + i)) for i in range(5)], now_ms=at)

    steps = [await expire(kept, model, at + 1000, limit=2) for _ in range(3)]

    assert [(one.seen, one.ended) for one in steps] == [(2, 2), (2, 2), (1, 1)]
    assert steps[-1].next_at is None
    assert steps[0].next_at == at + 2


async def test_a_job_that_was_given_back_expires_too(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, request("held"), request("parked"))
    await kept.release(A, model, [given("held", expires_at=at + 10)], now_ms=at)
    later = protocol.Postponed(id="parked", token=token("a"), details=records.Details(retries=1), expires_at=at + 20)
    await kept.postpone(A, model, [later], now_ms=at)

    assert await kept.position(A, model, "held") is None, "its turn is not by its acceptance"
    assert (await expire(kept, model, at + 11)).next_at == at + 20
    assert (await expire(kept, model, at + 21)).ended == 1

    assert await status(kept, model, "held") is await status(kept, model, "parked") is jobs.Status.EXPIRED
    assert await kept.finish(A, model, [end("held")]) == [False]


async def test_a_job_given_back_and_claimed_again_is_let_be(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, request("one"))
    await kept.release(A, model, [given("one", expires_at=at + 10)], now_ms=at)
    await claim(kept, model, request("one", "b"))

    assert (await expire(kept, model, at + 11)).seen == 0
    assert await status(kept, model, "one") is jobs.Status.RUNNING


STEPS = ("note", "claim", "cancel", "expire")


@pytest.mark.parametrize("order", [*itertools.permutations(STEPS)], ids=" ".join)
async def test_every_order_of_note_claim_cancel_and_expire(
    kept: protocol.Store, model: str, order: tuple[str, ...]
) -> None:
    """Each script is atomic, so the orders of the calls are all that can happen."""
    at = now()
    did: dict[str, Any] = {}
    for step in order:
        if step == "note":
            did[step] = await kept.note(A, model, [note("one", waits=until(at - 1))], now_ms=at)
        elif step == "claim":
            did[step] = (await claim(kept, model, request("one"), now_ms=at))[0].verdict
        elif step == "cancel":
            did[step] = (await cancel(kept, model, "one")).status
        else:
            did[step] = (await expire(kept, model, at)).ended

    def before(*steps: str) -> bool:
        places = [order.index(step) for step in steps]
        return places == sorted(places)

    noted = order.index("note") < min(order.index("claim"), order.index("cancel"))
    expired = noted and before("note", "expire") and order.index("expire") < min(
        order.index("claim"), order.index("cancel")
    )  # fmt: skip
    assert did["note"] == noted
    assert did["expire"] == expired
    started = before("claim", "cancel") and not expired
    assert did["claim"] is (protocol.Verdict.RUN if started else protocol.Verdict.DONE)
    ends = jobs.Status.EXPIRED if expired else jobs.Status.RUNNING if started else jobs.Status.CANCELED
    assert await status(kept, model, "one") is ends
    assert await kept.position(A, model, "one") is None, "whatever happened, it left the queue"
    assert (await expire(kept, model, at + 10**6)).seen == 0
