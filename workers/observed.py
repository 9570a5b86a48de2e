"""What operators see of a batch that ended: metrics; in the log at DEBUG each job, at INFO those that cost a runner."""

import logging
from collections.abc import Sequence
from typing import Final

from results import protocol, records
from wire import jobs, metrics

log = logging.getLogger(__name__)

COSTLY: Final = frozenset({jobs.ErrorType.CRASHED, jobs.ErrorType.OUT_OF_MEMORY, jobs.ErrorType.TIMEOUT})
"""Failures that an operator wants to see: a runner was started anew for each."""

_SUCCEEDED: Final = metrics.JOBS_ENDED.labels("succeeded")
_FAILED: Final = metrics.JOBS_ENDED.labels("failed")


def batch(
    ended: Sequence[protocol.End], timings: Sequence[records.Timings], *, version: int, predict_ms: float
) -> None:
    """Count and tell a batch: its jobs' ends, and where the time went of all that ran."""
    metrics.BATCH_SIZE.observe(len(timings))
    metrics.PREDICT_SECONDS.observe(predict_ms / 1000)
    metrics.QUEUED_SECONDS.observe(max([one.queued_ms or 0 for one in timings]) / 1000)
    well = sum([end.status is jobs.Status.SUCCEEDED for end in ended])
    _SUCCEEDED.inc(well)
    _FAILED.inc(len(ended) - well)
    if well < len(ended) or log.isEnabledFor(logging.DEBUG):
        tell(ended, version)


def tell(ended: Sequence[protocol.End], version: int) -> None:
    """Log the ends of jobs, with the ids that a search in the logs begins with."""
    every = log.isEnabledFor(logging.DEBUG)
    for end in ended:
        why = end.details.error
        costly = why is not None and why.type in COSTLY
        if every or costly:
            log.log(
                logging.INFO if costly else logging.DEBUG,
                "job %s %s%s", end.id, end.status, "" if why is None else f": {why.type}, {why.message}",
                extra={"job": end.id, "version": version, "traceparent": end.details.traceparent},
            )  # fmt: skip
