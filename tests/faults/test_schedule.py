"""What a seed makes: the same each time, every way in and every kind of fault among it."""

from collections import Counter

import pytest

from tests.faults import schedule


def test_a_seed_is_a_run() -> None:
    assert schedule.jobs(7, 500) == schedule.jobs(7, 500)
    assert schedule.jobs(7, 500) != schedule.jobs(8, 500)
    assert schedule.steps(7, 500, 10) == schedule.steps(7, 500, 10)
    assert schedule.steps(7, 500, 10) != schedule.steps(8, 500, 10)


@pytest.mark.parametrize("seed", range(20))
def test_every_run_has_every_kind_of_fault_in_the_order_of_time(seed: int) -> None:
    steps = schedule.steps(seed, 1000, len(schedule.FAULTS) + 3)
    assert {(step.what, step.whom) for step in steps} == set(schedule.FAULTS)
    assert [step.after for step in steps] == sorted(step.after for step in steps)
    assert all(100 <= step.after <= 900 for step in steps)
    assert all((step.lasting > 0) is (step.what == "stop") for step in steps)


@pytest.mark.parametrize("seed", range(20))
def test_every_run_has_every_way_in_and_every_bad_input(seed: int) -> None:
    planned = schedule.jobs(seed, 1000)
    assert [job.n for job in planned] == list(range(1000))
    assert {job.way for job in planned} == set(schedule.WAYS)
    assert Counter(job.do for job in planned) == {"answer": 987, "raise": 10, "exit": 2, "hang": 1}
    assert any(job.deadline for job in planned)
    assert any(job.cancel for job in planned)
    assert any(job.webhook for job in planned)
    assert {job.version for job in planned} == {None, 1, 2}


def test_a_large_run_posts_no_more_jobs_one_by_one() -> None:
    ways = Counter(job.way for job in schedule.jobs(1, 100_000))
    assert ways["post"] + ways["wait"] < schedule.ONE_BY_ONE * 1.3
    assert ways["bulk"] > 30_000
    assert ways["kafka"] > 30_000
