"""Which jobs go together, how a failed batch is split, when a version is left alone."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workers import kit
from workers import batching, bisect, jobs, quarantine


def waiting(*versions: int) -> deque[jobs.Job]:
    made: deque[jobs.Job] = deque()
    for place, version in enumerate(versions):
        one = kit.record({"id": f"a{place}", "input": place, "version": version}, offset=place)
        made.extend(jobs.read(one, topic_uuid="T", max_age=60))
    return made


def version_of(job: jobs.Job) -> int:
    assert job.envelope is not None
    return job.envelope.version or 0


def names(some: Any) -> list[str]:
    return [job.id for job in some]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=30), st.integers(1, 8))
def test_batches_keep_order_never_mix_versions_and_lose_nobody(versions: list[int], limit: int) -> None:
    queue, seen = waiting(*versions), []
    while queue:
        before = list(queue)
        # When the next batch is taken
        version, batch = batching.take(queue, limit_of=lambda _: limit, version_of=version_of)
        # Then it begins with the first, is of one version, within its limit, in order
        assert batch[0] is before[0]
        assert {version_of(job) for job in batch} == {version}
        assert len(batch) <= limit
        same = [job for job in before if version_of(job) == version][:limit]
        assert batch == same
        # ... and the others keep their order
        assert list(queue) == [job for job in before if job not in batch]
        seen += batch
    assert sorted(names(seen)) == sorted(f"a{i}" for i in range(len(versions)))


def test_each_version_has_its_own_limit() -> None:
    queue = waiting(1, 2, 2, 2)
    assert names(batching.take(queue, limit_of=lambda v: v, version_of=version_of)[1]) == ["a0"]
    assert names(batching.take(queue, limit_of=lambda v: v, version_of=version_of)[1]) == ["a1", "a2"]


def test_a_batch_of_large_inputs_ends_at_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = waiting(1, 1, 2, 1, 1)
    monkeypatch.setattr(batching, "BYTES", 2 * queue[0].size)
    assert names(batching.take(queue, limit_of=lambda _: 9, version_of=version_of)[1]) == ["a0", "a1"]
    # one that is larger than a batch may be goes alone, and the order stays
    monkeypatch.setattr(batching, "BYTES", queue[0].size - 1)
    assert names(queue) == ["a2", "a3", "a4"]
    assert names(batching.take(queue, limit_of=lambda _: 9, version_of=version_of)[1]) == ["a2"]
    assert names(batching.take(queue, limit_of=lambda _: 9, version_of=version_of)[1]) == ["a3"]


def test_deadlines_have_a_say_in_the_size() -> None:
    # Given jobs of two versions, most of them with a deadline
    made = [{"id": f"a{i}", "input": i, "version": 1 + (i in {1, 4})} for i in range(6)]
    for one in made[1:]:
        one["deadline"] = 5_000 + 1000 * int(str(one["input"]))
    queue = deque(jobs.read(kit.record(made), topic_uuid="T", max_age=1e9))
    asked: list[Any] = []

    def in_time(*given: Any) -> int:
        asked.append(given)
        return 2

    # When a batch is taken
    _, batch = batching.take(queue, limit_of=lambda _: 4, version_of=version_of, in_time=in_time, now=4_000)
    # Then it is as large as its own deadlines allow, and the others keep their places
    assert asked == [(1, 4, [(1, 3.0), (2, 4.0), (3, 6.0)])]
    assert names(batch) == ["a0", "a2"]
    assert names(queue) == ["a1", "a3", "a4", "a5"]


@given(st.integers(1, 200), st.data())
def test_one_guilty_among_many_costs_few_calls(size: int, data: st.DataObject) -> None:
    guilty = data.draw(st.integers(0, size - 1))
    # Given a shared call that failed; When its parts are run again until the guilty one is alone
    groups, calls = [list(range(size))], 0
    found = None
    while groups:
        group = groups.pop(0)
        calls += 1
        if guilty not in group:
            continue
        if len(group) == 1:
            found = group[0]
            continue
        groups[:0] = bisect.split(group, together=True)
    # Then it costs two calls a halving
    assert found == guilty
    assert calls <= 1 + 2 * max(size - 1, 1).bit_length()


@pytest.mark.parametrize(
    ("unanswered", "together", "expected"),
    [
        ([], True, []),
        ([1], True, [[1]]),
        ([1, 2, 3], True, [[1], [2, 3]]),
        ([1, 2, 3], False, [[1], [2, 3]]),
        ([1, 2, 3, 4], False, [[1], [2, 3, 4]]),
        ([1, 2, 3, 4], True, [[1, 2], [3, 4]]),
    ],
)
def test_splits(unanswered: list[int], together: bool, expected: list[list[int]]) -> None:
    assert bisect.split(unanswered, together=together) == expected


def test_five_failed_starts_within_a_minute_quarantine_for_a_minute() -> None:
    kept = quarantine.Quarantine()
    for now in (0.0, 10.0, 20.0, 30.0):
        kept.failed(now)
        assert kept.until(now) is None
    kept.failed(40.0)
    assert kept.until(40.0) == 100.0
    assert kept.until(99.0) == 100.0
    assert kept.until(100.0) is None


def test_failures_spread_over_more_than_a_minute_do_not() -> None:
    kept = quarantine.Quarantine()
    for now in (0.0, 20.0, 40.0, 60.0, 80.0):
        kept.failed(now)
    assert kept.until(80.0) is None


def test_a_start_that_succeeds_makes_a_version_as_good_as_new() -> None:
    kept = quarantine.Quarantine()
    for now in range(5):
        kept.failed(float(now))
    assert kept.pause() == pytest.approx(1.6)
    kept.succeeded()
    assert kept.until(5.0) is None
    assert kept.pause() == 0.0


def test_pauses_double_and_stay_bounded() -> None:
    kept = quarantine.Quarantine()
    pauses = []
    for now in range(12):
        pauses.append(kept.pause())
        kept.failed(float(now))
    assert pauses[:4] == [0.0, 0.1, 0.2, 0.4]
    assert max(pauses) == quarantine.LONGEST_PAUSE
