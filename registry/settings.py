"""The registry's settings, read once by the entry point from PANINI_… variables and passed down."""

import pathlib
from typing import Any

import pydantic

from wire import settings

GIB = 1 << 30
MIB = 1 << 20


class Settings(settings.Base):
    """Where the registry keeps its things, what an upload may be, and what a model's topic is like."""

    registry_folder: pathlib.Path = pathlib.Path(".panini/registry")
    """Folder of bundles, logs and, unless another is named, the database. One disk, so that files move by rename."""

    registry_database: str = ""
    """SQLAlchemy URL of the database; empty: SQLite in the registry's folder, which needs no server."""

    encryption_key: pydantic.SecretStr = pydantic.SecretStr("")
    """Encrypts models' variables at rest; any long random text, the same for ever. Empty: variables are refused."""

    upload_bytes: int = pydantic.Field(default=2 * GIB, ge=1)
    """Bytes of a bundle at most, packed and unpacked; default 2 GiB, enough for the weights of most models."""

    upload_files: int = pydantic.Field(default=10_000, ge=1)
    """Files and folders of a bundle at most; default 10,000: more is a folder uploaded by mistake."""

    upload_ratio: int = pydantic.Field(default=200, ge=2)
    """How many times its packed size an archive may unpack to (beyond 10 MiB); default 200: more is a bomb."""

    topic_partitions: int = pydantic.Field(default=4, ge=1)
    """Partitions of a model's topic: the most workers that can share it. Best final at creation; default 4."""

    topic_replication: int = -1
    """Copies of a model's topic; default -1: as many as the cluster's own default. 3 for production."""

    topic_min_insync: int = pydantic.Field(default=1, ge=1)
    """Copies that must have a record before it counts as accepted; default 1. 2 where topic_replication is 3."""

    topic_retention_hours: float = pydantic.Field(default=168, gt=0)
    """Hours that a topic keeps a record; default 168 (7 days). Must be well above job_max_age_hours."""

    topic_message_bytes: int = pydantic.Field(default=8 * MIB, ge=1024)
    """Bytes of one record of a topic at most; default 8 MiB: several jobs of the largest size share a record."""

    job_bytes: int = pydantic.Field(default=MIB, ge=1024)
    """Bytes of one job's envelope at most; default 1 MiB. Must be below topic_message_bytes."""

    job_max_age_hours: float = pydantic.Field(default=72, gt=0)
    """Hours after which a job that never started expires; default 72."""

    result_keep_hours: float = pydantic.Field(default=24, gt=0)
    """Hours that a result is kept after its job's end; default 24."""

    cache_seconds: float = pydantic.Field(default=600, ge=0)
    """Seconds that an answer counts for identical inputs of the same version, where panini.toml does not say; default
    600. 0: nothing is answered from the cache, whatever a version says."""

    version_log_bytes: int = pydantic.Field(default=10 * MIB, ge=1024)
    """Bytes of a version's log that are kept, the newest; default 10 MiB."""

    kafka_admin_timeout: float = pydantic.Field(default=5.0, gt=0)
    """Seconds that Kafka gets to answer when a topic is made or removed; default 5."""

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.job_max_age_hours >= self.topic_retention_hours:
            raise ValueError(
                "job_max_age_hours must be below topic_retention_hours: a record must outlive its job's maximum age"
            )
        if self.job_bytes > self.topic_message_bytes:
            raise ValueError("job_bytes must not exceed topic_message_bytes: a job must fit into a record")
        return self

    @property
    def database_url(self) -> str:
        """The database's URL, the default filled in."""
        return self.registry_database or f"sqlite:///{self.registry_folder.absolute() / 'registry.db'}"

    def topic_config(self) -> dict[str, Any]:
        """Kafka's own configuration of a model's topic."""
        return {
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",  # a producer's clock must not decide when a record expires
            "retention.ms": str(int(self.topic_retention_hours * 3_600_000)),
            "retention.bytes": "-1",
            "max.message.bytes": str(self.topic_message_bytes),
            "min.insync.replicas": str(self.topic_min_insync),
        }
