"""What every store of results keeps to."""

import itertools
import time
from typing import Any

import pytest

from results import protocol, records
from wire import jobs

A = "acme"
DETAILS = records.Details(timings=records.Timings(1.0, 2.0, 3.0, 4), metadata={"order": 7}, started_at=5)


def now() -> int:
    return time.time_ns() // 1_000_000


def token(letter: str) -> str:
    return letter * 16


def request(job_id: str, by: str = "a", **fields: Any) -> protocol.ClaimRequest:
    given: dict[str, Any] = {"id": job_id, "token": token(by), "version": 3, "created_at": now()}
    return protocol.ClaimRequest(**(given | fields))


def end(job_id: str, by: str = "a", **fields: Any) -> protocol.End:
    given: dict[str, Any] = {
        "id": job_id,
        "token": token(by),
        "status": jobs.Status.SUCCEEDED,
        "completed_at": now(),
        "details": DETAILS,
        "output": b"[1]",
    }
    return protocol.End(**(given | fields))


def given(job_id: str, by: str = "a", **fields: Any) -> protocol.Release:
    return protocol.Release(id=job_id, token=token(by), **fields)


async def claim(kept: protocol.Store, model: str, *requests: protocol.ClaimRequest, **fields: Any) -> list[Any]:
    return await kept.claim(A, model, list(requests), **({"now_ms": now()} | fields))


async def test_a_first_claim_runs_and_is_seen_running(kept: protocol.Store, model: str) -> None:
    created = now() - 50

    claimed = await claim(kept, model, request("one", created_at=created, details=DETAILS))

    assert claimed == [protocol.Claimed(id="one", verdict=protocol.Verdict.RUN, token=token("a"), starts=1, version=3)]
    assert not claimed[0].alone
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.status, found.version, found.starts) == (jobs.Status.RUNNING, 3, 1)
    assert (found.created_at, found.completed_at, found.expires_at) == (created, None, None)
    assert found.details == DETAILS
    assert not found.terminal


async def test_a_job_nobody_claimed_is_not_known(kept: protocol.Store, model: str) -> None:
    assert await kept.fetch(A, model, "one") is None
    assert await kept.fetch_many(A, model, ["one", "two"]) == [None, None]
    assert await kept.fetch_many(A, model, []) == []
    assert await kept.ids_of_record(A, model, 0, 0) == []


async def test_an_end_is_stored_whole(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, request("one", created_at=at - 9))

    assert await kept.finish(A, model, [end("one", completed_at=at, keep_ms=1000)]) == [True]

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert found.terminal
    assert (found.status, found.starts, found.version) == (jobs.Status.SUCCEEDED, 1, 3)
    assert (found.created_at, found.completed_at, found.expires_at) == (at - 9, at, at + 1000)
    assert (found.output, found.details) == (b"[1]", DETAILS)
    assert found.error is None


@pytest.mark.parametrize("output", [b"", b"\x00\xff" * 5000, "ü".encode()])
async def test_raw_bytes_come_back_as_they_were(kept: protocol.Store, model: str, output: bytes) -> None:
    await claim(kept, model, request("one"))

    await kept.finish(A, model, [end("one", output=output, details=records.Details(media="image/png"))])

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.output, found.details.media) == (output, "image/png")


async def test_a_failure_keeps_its_reason(kept: protocol.Store, model: str) -> None:
    why = records.Error(jobs.ErrorType.PREDICT_ERROR, "ValueError: no", "Traceback …")
    await claim(kept, model, request("one"))

    await kept.finish(
        A, model, [end("one", status=jobs.Status.FAILED, output=None, details=records.Details(error=why))]
    )

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.status, found.error, found.output) == (jobs.Status.FAILED, why, None)


async def test_who_ended_first_wins(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))
    first = end("one")

    assert await kept.finish(A, model, [first]) == [True]
    assert await kept.finish(A, model, [end("one", output=b"[2]")]) == [False]
    assert await kept.finish(A, model, [end("one", "b", output=b"[2]")]) == [False]
    assert await kept.finish(A, model, [first]) == [True], "the same end sent again, as its answer was lost"

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert found.output == b"[1]"


async def test_an_end_without_a_claim_is_fenced(kept: protocol.Store, model: str) -> None:
    assert await kept.finish(A, model, [end("one")]) == [False]
    assert await kept.fetch(A, model, "one") is None


async def test_a_job_that_ended_is_done(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))
    await kept.finish(A, model, [end("one")])

    again = await claim(kept, model, request("one", "b"))

    assert again[0].verdict is protocol.Verdict.DONE
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert found.status is jobs.Status.SUCCEEDED


async def test_taking_over_counts_fences_and_keeps_the_version(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one", version=3))

    taken = await claim(kept, model, request("one", "b", version=4))

    assert taken == [protocol.Claimed(id="one", verdict=protocol.Verdict.RUN, token=token("b"), starts=2, version=3)]
    assert taken[0].alone
    assert await kept.finish(A, model, [end("one", "a")]) == [False]
    assert await kept.finish(A, model, [end("one", "b", output=b"[2]")]) == [True]
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.output, found.starts, found.version) == (b"[2]", 2, 3)


async def test_the_same_claim_sent_again_counts_once(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))

    again = await claim(kept, model, request("one"))

    assert again == [protocol.Claimed(id="one", verdict=protocol.Verdict.RUN, token=token("a"), starts=1, version=3)]


async def test_the_fourth_start_is_refused_for_good(kept: protocol.Store, model: str) -> None:
    for number, by in enumerate("abc", 1):
        claimed = await claim(kept, model, request("one", by))
        assert (claimed[0].verdict, claimed[0].starts) == (protocol.Verdict.RUN, number)

    claimed = await claim(kept, model, request("one", "d"))

    assert claimed[0].verdict is protocol.Verdict.EXHAUSTED
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.status, found.starts) == (jobs.Status.FAILED, 3)
    assert found.error is not None
    assert found.error.type is jobs.ErrorType.ATTEMPTS_EXHAUSTED
    assert await kept.finish(A, model, [end("one", "c")]) == [False], "the lost worker came back too late"
    assert (await claim(kept, model, request("one", "e")))[0].verdict is protocol.Verdict.DONE


@pytest.mark.parametrize("late", [{"deadline": 1}, {"ttl_ms": -1}])
async def test_a_late_job_never_starts(kept: protocol.Store, model: str, late: dict[str, Any]) -> None:
    at = now()

    claimed = await claim(kept, model, request("one", **late), request("two"), now_ms=at, keep_ms=60_000)

    assert [one.verdict for one in claimed] == [protocol.Verdict.EXPIRED, protocol.Verdict.RUN]
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.status, found.starts) == (jobs.Status.EXPIRED, 0)
    assert (found.completed_at, found.expires_at) == (at, at + 60_000)


async def test_a_lost_job_does_not_start_again_past_its_deadline(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, request("one", deadline=at + 10), now_ms=at)

    claimed = await claim(kept, model, request("one", "b", deadline=at + 10), now_ms=at + 11)

    assert claimed[0].verdict is protocol.Verdict.EXPIRED
    assert await kept.finish(A, model, [end("one", "a")]) == [False]


async def test_release_gives_back_uncharged(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"), request("two"))

    released = await kept.release(A, model, [given("one"), given("two", "b"), given("three")], now_ms=now())

    assert released == [True, False, False]
    assert await kept.release(A, model, [given("one")], now_ms=now()) == [True], "sent again, as its answer was lost"
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert (found.status, found.starts) == (jobs.Status.QUEUED, 0)
    assert await kept.finish(A, model, [end("one")]) == [False], "who gave it back holds it no more"
    again = await claim(kept, model, request("one", "b", version=9))
    assert (again[0].verdict, again[0].starts, again[0].version) == (protocol.Verdict.RUN, 1, 3)


async def test_a_batch_is_judged_job_by_job(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("done"), request("lost"), request("spent", "a"))
    await claim(kept, model, request("spent", "b"))
    await claim(kept, model, request("spent", "c"))
    await kept.finish(A, model, [end("done")])

    claimed = await claim(
        kept,
        model,
        *[request(job_id, "e") for job_id in ("new", "done", "lost", "spent")],
        request("late", "e", deadline=1),
        request("last", "e"),
    )

    run, done = protocol.Verdict.RUN, protocol.Verdict.DONE
    assert [(one.id, one.verdict) for one in claimed] == [
        ("new", run),
        ("done", done),
        ("lost", run),
        ("spent", protocol.Verdict.EXHAUSTED),
        ("late", protocol.Verdict.EXPIRED),
        ("last", run),
    ]
    ends = [end("new", "e"), end("done", "e"), end("lost", "a"), end("lost", "e"), end("last", "e")]
    assert await kept.finish(A, model, ends) == [True, False, False, True, True]


async def test_large_batches_go_through(kept: protocol.Store, model: str) -> None:
    ids = [f"job-{number}" for number in range(2500)]

    claimed = await claim(kept, model, *[request(one, record=(1, 2, n)) for n, one in enumerate(ids)])
    ended = await kept.finish(A, model, [end(one.id) for one in claimed])

    assert [one.id for one in claimed] == ids
    assert all(ended)
    assert await kept.ids_of_record(A, model, 1, 2) == ids


async def test_records_are_told_from_their_neighbours(kept: protocol.Store, model: str) -> None:
    places = [(0, 31, 0), (0, 32, 0), (0, 3, 0), (1, 32, 0), (0, 32, 10), (0, 32, 2)]
    jobs_of = [request(f"{of}-{offset}-{place}", record=(of, offset, place)) for of, offset, place in places]

    await claim(kept, model, *jobs_of[:3])
    await claim(kept, model, *jobs_of[3:])
    await claim(kept, model, request("0-32-2", "b", record=(0, 32, 2)))

    assert await kept.ids_of_record(A, model, 0, 31) == ["0-31-0"]
    assert await kept.ids_of_record(A, model, 0, 32) == ["0-32-0", "0-32-2", "0-32-10"], "by place, each once"
    assert await kept.ids_of_record(A, model, 0, 3) == ["0-3-0"]
    assert await kept.ids_of_record(A, model, 1, 32) == ["1-32-0"]
    assert await kept.ids_of_record(A, model, 0, 33) == []


@pytest.mark.parametrize(
    ("claimed", "kept_as"), [(-5, 0), (1 << 60, 9_999_999_999_999), (0, 0)], ids=["negative", "huge", "zero"]
)
async def test_a_pipelines_odd_times_and_versions_do_no_harm(
    kept: protocol.Store, model: str, claimed: int, kept_as: int
) -> None:
    await claim(kept, model, request("odd", created_at=claimed, version=1 << 40), request("even"))

    assert await kept.finish(A, model, [end("odd"), end("even")]) == [True, True]

    odd, even = await kept.fetch_many(A, model, ["odd", "even"])
    assert odd is not None
    assert even is not None
    assert (odd.created_at, odd.version, odd.output) == (kept_as, 99_999_999, b"[1]")
    assert even.output == b"[1]"


async def test_nothing_is_nothing(kept: protocol.Store, model: str) -> None:
    assert await claim(kept, model) == []
    assert await kept.finish(A, model, []) == []
    assert await kept.release(A, model, [], now_ms=now()) == []


async def test_accounts_and_models_do_not_meet(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))

    assert await kept.fetch("other", model, "one") is None
    assert await kept.fetch(A, model + "x", "one") is None
    assert await kept.finish("other", model, [end("one")]) == [False]


INTERLEAVINGS = [
    order
    for order in itertools.permutations(["a claims", "a ends", "b claims", "b ends"])
    if order.index("a claims") < order.index("a ends") and order.index("b claims") < order.index("b ends")
]


@pytest.mark.parametrize("order", INTERLEAVINGS, ids=" ".join)
async def test_two_workers_in_every_order(kept: protocol.Store, model: str, order: tuple[str, ...]) -> None:
    """Each script is atomic, so the orders of the calls are all that can happen."""
    holder, winner = "", ""
    for step in order:
        by, does = step.split()
        if does == "claims":
            verdict = (await claim(kept, model, request("one", by)))[0].verdict
            assert verdict is (protocol.Verdict.DONE if winner else protocol.Verdict.RUN)
            holder = holder if winner else by
        else:
            stored = await kept.finish(A, model, [end("one", by, output=b'"%b"' % by.encode())])
            assert stored == [by == holder and not winner]
            winner = winner or (by if stored[0] else "")

    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert found.output == b'"%b"' % winner.encode(), "exactly one end, and it stays"


async def test_cancel_before_any_worker(kept: protocol.Store, model: str) -> None:
    at = now()

    stands = await kept.cancel(A, model, "one", created_at=at - 5, now_ms=at, ttl_ms=60_000)

    assert (stands.status, stands.created_at, stands.completed_at) == (jobs.Status.CANCELED, at - 5, at)
    assert (await claim(kept, model, request("one")))[0].verdict is protocol.Verdict.DONE


async def test_cancel_of_a_job_given_back(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, request("one"))
    await kept.release(A, model, [given("one")], now_ms=now())

    stands = await kept.cancel(A, model, "one", created_at=at, now_ms=at, ttl_ms=60_000)

    assert (stands.status, stands.completed_at, stands.terminal) == (jobs.Status.CANCELED, at, True)


async def test_cancel_of_a_running_job_asks(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, request("one"), request("two"))

    stands = await kept.cancel(A, model, "one", created_at=at, now_ms=at, ttl_ms=60_000)
    await kept.cancel(A, model, "two", created_at=at, now_ms=at, ttl_ms=60_000)

    assert (stands.status, stands.cancel_asked) == (jobs.Status.RUNNING, True)
    assert await kept.finish(A, model, [end("one", status=jobs.Status.CANCELED, output=None)]) == [True]
    taken = await claim(kept, model, request("two", "b"))
    assert taken[0].verdict is protocol.Verdict.CANCELED, "its worker was lost meanwhile"
    for job_id in ("one", "two"):
        found = await kept.fetch(A, model, job_id)
        assert found is not None
        assert found.status is jobs.Status.CANCELED


async def test_cancel_of_a_job_that_ended_changes_nothing(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))
    await kept.finish(A, model, [end("one")])

    stands = await kept.cancel(A, model, "one", created_at=now(), now_ms=now(), ttl_ms=60_000)

    assert (stands.status, stands.output) == (jobs.Status.SUCCEEDED, b"[1]")


async def test_pages_are_newest_first_and_complete(kept: protocol.Store, model: str) -> None:
    at = now()
    ids = [f"job-{number:03d}" for number in range(250)]
    await claim(kept, model, *[request(one, created_at=at + number // 2) for number, one in enumerate(ids)])
    await kept.finish(A, model, [end(one, output=b"[1]" * 1000) for one in ids[::2]])

    seen, cursor = [], None
    while True:
        page = await kept.page(A, model, cursor=cursor, limit=40)
        seen += page.jobs
        cursor = page.cursor
        if cursor is None:
            break

    assert [job_id for job_id, _ in seen] == ids[::-1]
    assert {record.output for _, record in seen} == {None}
    assert seen[1][1].details == DETAILS
    ended = await kept.page(A, model, status=jobs.Status.SUCCEEDED, limit=200)
    assert [job_id for job_id, _ in ended.jobs] == ids[::2][::-1]
    assert (await kept.page(A, model, status=jobs.Status.FAILED)).jobs == []


async def test_a_page_goes_on_after_a_job_that_left_the_index(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, *[request(f"job-{number}", created_at=at + number) for number in range(4)])

    page = await kept.page(A, model, cursor=protocol.cursor(at + 2, "gone"), limit=10)

    assert [job_id for job_id, _ in page.jobs] in (["job-2", "job-1", "job-0"], ["job-1", "job-0"])


@pytest.mark.parametrize("cursor", ["x", "~", "12~", "x~job", "12~no id", "12~" + "x" * 200])
async def test_a_strange_cursor_is_refused(kept: protocol.Store, model: str, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await kept.page(A, model, cursor=cursor)


async def test_shrink_cuts_what_is_past_its_time(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, *[request(one, created_at=at) for one in ("old", "young", "running")])
    await kept.finish(A, model, [end("old", completed_at=at, keep_ms=1000)])
    await kept.finish(A, model, [end("young", completed_at=at, keep_ms=10_000)])

    assert await kept.shrink(A, model, now_ms=at + 999, keep_ms=0) == protocol.Shrunk(3, 0)
    assert await kept.shrink(A, model, now_ms=at + 1000, keep_ms=0) == protocol.Shrunk(3, 1)

    old, young = await kept.fetch_many(A, model, ["old", "young"])
    assert old is not None
    assert young is not None
    assert (old.cut, old.output, old.status) == (True, None, jobs.Status.SUCCEEDED)
    assert (old.completed_at, old.expires_at) == (at, at + 1000)
    assert old.gone(0), "whatever the reader's clock says"
    assert (young.cut, young.output, young.gone(at + 9_999), young.gone(at + 10_000)) == (False, b"[1]", False, True)
    assert (await claim(kept, model, request("old", "b")))[0].verdict is protocol.Verdict.DONE
    assert sorted(job_id for job_id, _ in (await kept.page(A, model)).jobs) == ["running", "young"]


async def test_shrink_goes_on_after_what_it_must_leave(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, *[request(f"job-{n}", created_at=at + n) for n in range(6)])
    await kept.finish(A, model, [end(f"job-{n}", completed_at=at, keep_ms=1) for n in (3, 5)])

    first = await kept.shrink(A, model, now_ms=at + 100, keep_ms=0, limit=3)
    second = await kept.shrink(A, model, now_ms=at + 100, keep_ms=0, skip=first.seen - first.removed, limit=3)

    assert (first, second) == (protocol.Shrunk(3, 0), protocol.Shrunk(3, 2))


async def test_delete_drops_the_result_of_a_job_that_ended(kept: protocol.Store, model: str) -> None:
    at = now()
    await claim(kept, model, request("ended"), request("running"), now_ms=at)
    await kept.finish(A, model, [end("ended", completed_at=at)])

    ended = await kept.delete(A, model, "ended", now_ms=at + 5)
    running = await kept.delete(A, model, "running", now_ms=at + 5)

    assert await kept.delete(A, model, "unknown", now_ms=at) is None
    assert ended is not None
    assert ended.terminal
    assert running is not None
    assert not running.terminal
    found, still = await kept.fetch_many(A, model, ["ended", "running"])
    assert found is not None
    assert (found.cut, found.gone(at + 5), found.expires_at) == (True, True, at + 5)
    assert still is not None
    assert not still.cut
    assert [job_id for job_id, _ in (await kept.page(A, model)).jobs] == ["running"]
    assert (await claim(kept, model, request("ended", "b")))[0].verdict is protocol.Verdict.DONE
    assert await kept.delete(A, model, "ended", now_ms=at + 9) is not None, "again"


async def test_a_look_without_a_task_sees_what_a_fetch_sees(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("one"))
    left = kept.peek(A, model, "one")
    left.cancel()

    looks = [kept.peek(A, model, job_id) for job_id in ("one", "two")]
    one, two = [await look for look in looks]

    assert one is not None
    assert records.decode(one) == await kept.fetch(A, model, "one")
    assert two is None
