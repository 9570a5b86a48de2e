"""Settings of a worker process."""

import pydantic

from wire import settings


class Settings(settings.Base):
    """How a worker consumes and batches."""

    worker_max_batch: int = pydantic.Field(64, ge=1, le=10_000)
    """Jobs handed to a runner at once, at most; a version's own `max_batch` may be smaller."""
    worker_queue: int = pydantic.Field(2000, ge=1)
    """Jobs held in memory before fetching pauses. Bounds what a rebalance gives back."""
    worker_in_flight: int = pydantic.Field(2, ge=1, le=8)
    """Batches on their way through claim, predict and finish at once, so that storing one overlaps predicting the next."""
    worker_drain: float = pydantic.Field(30.0, ge=0)
    """Seconds that a stopping worker, or one whose partitions are taken, waits for running batches."""
    worker_session_timeout: float = pydantic.Field(10.0, ge=6)
    """Seconds without a heartbeat after which Kafka gives a worker's partitions to another."""
