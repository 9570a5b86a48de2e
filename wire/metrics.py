"""Every metric of Panini, in one list, each with a sentence. Prometheus' text format at `/metrics` of every process.

Counted per batch or per record where the hot path allows, never per byte of work inside it.
"""

from typing import Final

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_LATEST

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)

JOBS_ACCEPTED: Final = Counter(
    "panini_jobs_accepted", "Jobs that Kafka acknowledged to this process.", ["account", "model"]
)
JOBS_REFUSED: Final = Counter(
    "panini_jobs_refused", "POSTs of jobs that were answered with an error, by HTTP status.", ["status"]
)
NOTES_DROPPED: Final = Counter(
    "panini_notes_dropped", "Accepted jobs that could not be noted as queued: they have no place in the queue to show."
)
RESULTS_BYTES: Final = Gauge("panini_results_bytes", "Bytes of Redis' memory in use, as ingest last saw it.")
RESULTS_BUDGET: Final = Gauge(
    "panini_results_budget_bytes", "Bytes of Redis' memory at which POSTs of jobs are refused."
)
RESULTS_FULL: Final = Gauge("panini_results_full", "1 while POSTs of jobs are refused, as results have no room.")
PRODUCE_SECONDS: Final = Histogram(
    "panini_produce_seconds", "From handing a record to the producer to its acknowledgement.", buckets=_SECONDS
)
RECORDS_FETCHED: Final = Counter("panini_records_fetched", "Records that this worker fetched.")
RECORDS_INVALID: Final = Counter("panini_records_invalid", "Places in records that held no valid job.")
JOBS_ENDED: Final = Counter("panini_jobs_ended", "Jobs that this worker ended, by status.", ["status"])
JOBS_FENCED: Final = Counter("panini_jobs_fenced", "Answers of this worker that came after another's and were dropped.")
JOBS_CACHED: Final = Counter(
    "panini_jobs_cached", "Jobs that got the answer of an identical one, by who gave it: ingest or worker.", ["by"]
)
JOBS_COALESCED: Final = Counter(
    "panini_jobs_coalesced", "Times that a job waited for an identical one that was on its way."
)
JOBS_POSTPONED: Final = Counter("panini_jobs_postponed", "Tries of jobs that were given back, to be tried again later.")
JOBS_EXPIRED: Final = Counter(
    "panini_jobs_expired", "Queued jobs that this process, as the sweeper, ended at their deadline or maximum age."
)
BATCH_SIZE: Final = Histogram("panini_batch_size", "Jobs of one batch.", buckets=_SIZES)
PREDICT_SECONDS: Final = Histogram("panini_predict_seconds", "Inside predict(), per batch.", buckets=_SECONDS)
QUEUED_SECONDS: Final = Histogram(
    "panini_queued_seconds", "From accepted to started, of the oldest job of each batch.", buckets=_SECONDS
)
RUNNER_STARTS: Final = Counter("panini_runner_starts", "Starts of runners, by how they went.", ["outcome"])
STORE_AWAY: Final = Counter("panini_store_away", "Tries to claim or finish a batch that found the store away.")
JOBS_WAITING: Final = Gauge("panini_jobs_waiting", "Jobs in this worker's memory that have not started.")


def text() -> bytes:
    """The metrics of this process in Prometheus' text format."""
    return prometheus_client.generate_latest()
