"""Errors of ingest, as plain exceptions; the routes turn them into problem details."""


class IngestError(Exception):
    """Ingest could not do that."""


class KafkaUnavailable(IngestError):
    """Kafka did not acknowledge the job in time; it may or may not have been written."""


class Expired(KafkaUnavailable):
    """Its time was over before Kafka acknowledged it."""


class Full(IngestError):
    """More bytes wait for Kafka's acknowledgement than this process may hold."""


class NoRoom(IngestError):
    """Redis has no room for more results."""


class InvalidJob(IngestError):
    """The job's body is not what the model takes."""
