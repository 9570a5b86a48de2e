"""Which failures are tried again, as tables."""

import math

import pytest

from results import records
from wire import jobs, specs
from workers import outcomes, retry

POLICY = specs.Retry(on=(jobs.ErrorType.TIMEOUT, jobs.ErrorType.CRASHED), attempts=4, backoff=(1.0, 5.0))
NONE = specs.Retry()

ERROR = outcomes.Failure(jobs.ErrorType.PREDICT_ERROR, "no")
LATER = outcomes.Failure(jobs.ErrorType.PREDICT_ERROR, "busy", retry_after=7.0)
LOST = outcomes.Lost(jobs.ErrorType.CRASHED, "gone")
UNBEGUN = outcomes.Lost(jobs.ErrorType.CRASHED, "gone", began=False)


@pytest.mark.parametrize(
    ("policy", "outcome", "attempt", "then"),
    [
        (POLICY, outcomes.Output(b"1"), 1, None),
        (POLICY, ERROR, 1, None),
        (NONE, LOST, 1, None),
        (NONE, LATER, 1, retry.Again(delay=7.0)),
        (NONE, LATER, 2, retry.Again(delay=7.0)),
        (NONE, LATER, 3, None),
        (POLICY, LOST, 1, retry.Again(delay=1.0, charged=True)),
        (POLICY, LOST, 2, retry.Again(delay=5.0, charged=True)),
        (POLICY, LOST, 3, retry.Again(delay=5.0, charged=True)),
        (POLICY, LOST, 4, None),
        (POLICY, UNBEGUN, 1, retry.Again(delay=1.0)),
        (specs.Retry(on=(jobs.ErrorType.CRASHED,), attempts=1), LOST, 1, None),
    ],
)
def test_what_follows(policy: specs.Retry, outcome: outcomes.Outcome, attempt: int, then: retry.Again | None) -> None:
    assert retry.decide(policy, outcome, attempt=attempt, starts=1) == then


def test_a_job_that_used_all_its_starts_keeps_its_own_error() -> None:
    policy = specs.Retry(on=(jobs.ErrorType.CRASHED,), attempts=20)
    assert retry.decide(policy, LOST, attempt=5, starts=records.MAX_STARTS - 1) is not None
    assert retry.decide(policy, LOST, attempt=5, starts=records.MAX_STARTS) is None


@pytest.mark.parametrize("attempt", [1, 3, 1000])
def test_a_quarantined_version_is_waited_for_however_often(attempt: int) -> None:
    quarantined = outcomes.Failure(jobs.ErrorType.MODEL_UNAVAILABLE, "quarantined", retry_after=60.0)
    assert retry.decide(NONE, quarantined, attempt=attempt, starts=1) == retry.Again(delay=60.0, counted=False)


def test_a_version_that_does_not_exist_is_not_waited_for() -> None:
    missing = outcomes.Failure(jobs.ErrorType.MODEL_UNAVAILABLE, "no such version")
    assert retry.decide(POLICY, missing, attempt=1, starts=1) is None


@pytest.mark.parametrize(
    ("asked", "delay"),
    [(math.nan, 0.0), (-1.0, 0.0), (math.inf, retry.LONGEST), (1e12, retry.LONGEST), (0.5, 0.5)],
)
def test_an_author_may_write_any_number(asked: float, delay: float) -> None:
    outcome = outcomes.Failure(jobs.ErrorType.PREDICT_ERROR, "busy", retry_after=asked)
    assert retry.decide(NONE, outcome, attempt=1, starts=1) == retry.Again(delay=delay)
