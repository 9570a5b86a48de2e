"""Settings of ingest."""

import pydantic

from wire import settings


class Settings(settings.Base):
    """How jobs are accepted."""

    ingest_max_body: int = pydantic.Field(16 << 20, ge=1024)
    """Bytes of one request body at most; a model's own limit may be smaller. Larger is 413, before it is buffered."""
    ingest_max_wait: float = pydantic.Field(60.0, gt=0)
    """Seconds a POST may wait for its job's end (`Prefer: wait=`), at most: below common proxies' own limits."""
    ingest_predict_wait: float = pydantic.Field(30.0, gt=0)
    """Seconds that POST …/predict waits before it answers 202."""
    ingest_buffer: int = pydantic.Field(64 << 20, ge=1 << 20)
    """Bytes waiting for Kafka's acknowledgement at most; past it a POST is 503 at once: memory stays bounded."""
    ingest_flood: int = pydantic.Field(1000, ge=1, le=100_000)
    """Unfinished interactive jobs of one key at one model, counted by each process; its further ones go to the bulk
    lane, so that one client's flood never stands before another's single job."""
    ingest_notes: int = pydantic.Field(100_000, ge=0)
    """Queued jobs of one model that are noted in Redis with their place in the queue, some 500 bytes each; further
    ones only where they have a deadline or a webhook."""
    ingest_ack_timeout: float = pydantic.Field(2.5, gt=0.5)
    """Seconds within which Kafka must acknowledge; past it the POST is 503 with the job's id."""
