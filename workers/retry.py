"""Whether a job that failed is tried again, and after how long. Pure.

The author's policy (`[retry]` in panini.toml) names the errors that may pass by themselves; one job is tried again
whatever the policy names where predict() raises `panini.Retry(after=…)`. Both end with the policy's attempts. A version
in quarantine is nobody's failure: its jobs wait for it, however often, and none of that is counted.
"""

import math
from dataclasses import dataclass
from typing import Final

from results import records
from wire import jobs, specs
from workers import outcomes

LONGEST: Final = 24 * 3600.0
"""Seconds that one wait may take at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """Try it again after a while."""

    delay: float
    """Seconds."""
    counted: bool = True
    """Whether it is one of the policy's attempts. False: it did not run."""
    charged: bool = False
    """Whether it is also one of the starts that a job has for losing its runner or worker."""


def decide(policy: specs.Retry, outcome: outcomes.Outcome, *, attempt: int, starts: int) -> Again | None:
    """What follows from an outcome; None: it stands.

    `attempt`: which try that was, from 1. `starts`: its charged starts, this one included.
    """
    if isinstance(outcome, outcomes.Output):
        return None
    after = outcome.retry_after if isinstance(outcome, outcomes.Failure) else None
    if outcome.type is jobs.ErrorType.MODEL_UNAVAILABLE:
        return None if after is None else Again(delay=_bounded(after), counted=False)
    charged = isinstance(outcome, outcomes.Lost) and outcome.began
    if attempt >= policy.attempts or (charged and starts >= records.MAX_STARTS):
        return None
    if after is not None:
        return Again(delay=_bounded(after))
    if outcome.type not in policy.on:
        return None
    return Again(delay=_bounded(policy.backoff[min(attempt, len(policy.backoff)) - 1]), charged=charged)


def _bounded(seconds: float) -> float:
    """What an author may write: nan and negative numbers are at once, and infinity is the longest."""
    return 0.0 if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST)
