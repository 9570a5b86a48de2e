"""Settings of a worker process."""

import pathlib

import pydantic

from wire import settings


class Settings(settings.Base):
    """How a worker consumes and batches."""

    home: pathlib.Path = pathlib.Path(".panini")
    """Folder of everything Panini keeps; a worker puts versions, environments and caches there."""
    worker_max_batch: int = pydantic.Field(default=256, ge=1, le=1000)
    """Jobs handed to a runner at once, at most; a version's own `max_batch` may be smaller."""
    worker_queue: int = pydantic.Field(default=2000, ge=1)
    """Jobs held in memory before fetching pauses. Bounds what a rebalance gives back."""
    worker_in_flight: int = pydantic.Field(default=3, ge=1, le=8)
    """Batches of a lane between claim and finish at once, so that storing one overlaps predicting the next; one less
    than that more while predict() takes 5 ms a batch at most."""
    worker_drain: float = pydantic.Field(default=30.0, ge=0)
    """Seconds that a stopping worker, or one whose partitions are taken, waits for running batches."""
    worker_session_timeout: float = pydantic.Field(default=10.0, ge=6)
    """Seconds without a heartbeat after which Kafka gives a worker's partitions to another."""
    worker_ready_file: pathlib.Path | None = None
    """A file that the worker makes once it is loaded and in its group: tells the local supervisor. None: no file."""
