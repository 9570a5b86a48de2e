"""Which jobs are identical, and when the answer of one is another's too."""

from typing import Any

import msgspec
import pytest

from results import cache, records
from wire import jobs

AT = 1_700_000_000_000
RECORD = records.Record(
    status=jobs.Status.SUCCEEDED, starts=1, token="a" * 16, cancel_asked=False, version=3, created_at=AT - 50,
    completed_at=AT, expires_at=AT + 3_600_000, details=records.Details(started_at=AT - 9), output=b"[1]",
)  # fmt: skip


def test_identical_jobs_have_one_digest() -> None:
    assert cache.digest(7, 3, jobs.InputType.JSON, b"[1]") == cache.digest(7, 3, jobs.InputType.JSON, b"[1]")
    assert len(cache.digest(7, 3, jobs.InputType.JSON, b"")) == 16


def test_whatever_may_change_an_answer_changes_the_digest() -> None:
    digests = {
        cache.digest(7, 3, jobs.InputType.JSON, b"[1]"),
        cache.digest(8, 3, jobs.InputType.JSON, b"[1]"),
        cache.digest(7, 4, jobs.InputType.JSON, b"[1]"),
        cache.digest(7, 3, jobs.InputType.INTS, b"[1]"),
        cache.digest(7, 3, jobs.InputType.JSON, b"[2]"),
        cache.digest(7, 31, jobs.InputType.JSON, b"[1]"),
        cache.digest(73, 1, jobs.InputType.JSON, b"[1]"),
    }

    assert len(digests) == 7


def test_an_answer_counts_for_its_time() -> None:
    assert cache.answers(RECORD, version=3, now_ms=AT + 60_000, seconds=60)
    assert not cache.answers(RECORD, version=3, now_ms=AT + 60_001, seconds=60)
    assert not cache.answers(RECORD, version=3, now_ms=AT + 1, seconds=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"status": jobs.Status.FAILED},
        {"status": jobs.Status.CANCELED},
        {"status": jobs.Status.RUNNING, "completed_at": None, "expires_at": None},
        {"expires_at": AT + 1},
        {"details": records.Details(cached=True, answered_at=AT - 60_000)},
        {"details": records.Details(streamed=True)},
    ],
)
def test_nothing_else_is_an_answer(changes: dict[str, Any]) -> None:
    other = msgspec.structs.replace(RECORD, **changes)

    assert not cache.answers(other, version=3, now_ms=AT + 1, seconds=60)


def test_being_given_again_does_not_prolong_it() -> None:
    copy = msgspec.structs.replace(RECORD, completed_at=AT + 50_000, details=records.Details(answered_at=AT))

    assert cache.answers(copy, version=3, now_ms=AT + 60_000, seconds=60)
    assert not cache.answers(copy, version=3, now_ms=AT + 60_001, seconds=60)


def test_a_deleted_result_is_no_answer() -> None:
    cut = records.decode(records.encode(RECORD)[: records.HEAD])

    assert not cache.answers(cut, version=3, now_ms=AT + 1, seconds=60)
    assert not cache.answers(None, version=3, now_ms=AT + 1, seconds=60)


def test_the_latest_digests_are_remembered_and_no_more() -> None:
    lately = cache.Lately(most=4)

    for number in range(10):
        lately.put(b"%d" % number, f"j{number}")

    assert [number for number in range(10) if lately.get(b"%d" % number)] == [4, 5, 6, 7, 8, 9]
    lately.put(b"9", "again")
    assert lately.get(b"9") == "again"
    lately.drop(b"9")
    assert lately.get(b"9") is None
