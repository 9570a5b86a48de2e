"""The settings of the local stack, read once by the entry point from PANINI_… variables and passed down."""

from pathlib import Path

import pydantic

from wire import settings


class Settings(settings.Base):
    """Where the local servers live and how much they may use. No default needs changing on an ordinary laptop."""

    home: Path = Path(".panini")
    """Folder of everything the stack keeps; default `.panini` in the current folder, so that a project has its own."""

    cache: Path | None = None
    """Folder of downloads that homes share (Kafka's jars, 44 MB); default: the user's cache folder, else `cache` in the
    home where that cannot be written."""

    maven_repository: str | None = None
    """Address of a Maven repository to fetch Kafka's jars from; default: the mirror in `~/.m2/settings.xml` if it names
    one, else Maven Central. For machines that reach only a mirror."""

    kafka_port: int = pydantic.Field(default=0, ge=0, le=65535)
    """TCP port of Kafka on 127.0.0.1; default 0: 9092 or the next free one, chosen at the first start and kept."""

    kafka_controller_port: int = pydantic.Field(default=0, ge=0, le=65535)
    """TCP port of Kafka's controller on 127.0.0.1; default 0: 9093 or the next free one, chosen once and kept."""

    kafka_heap_mb: int = pydantic.Field(default=256, ge=96)
    """Java heap of Kafka in MiB; default 256: the broker then takes about 180 MB of memory. 96 still works."""

    kafka_start_timeout: float = pydantic.Field(default=60.0, gt=0)
    """Seconds until a Kafka that does not answer counts as failed; default 60: it answers after 3 to 6 on a laptop."""

    valkey_port: int = pydantic.Field(default=0, ge=0, le=65535)
    """TCP port of Valkey on 127.0.0.1; default 0: 6379 or the next free one, chosen at the first start and kept."""

    valkey_maxmemory_mb: int = pydantic.Field(default=512, ge=16)
    """Memory in MiB that results may take; default 512. Valkey, when full, refuses writes; it never drops a result."""

    valkey_start_timeout: float = pydantic.Field(default=60.0, gt=0)
    """Seconds until a Valkey that does not answer counts as failed; default 60: it loads its whole log first."""

    stop_timeout: float = pydantic.Field(default=20.0, gt=0)
    """Seconds that a server gets to end after SIGTERM before it is killed; default 20. Nothing acknowledged is lost
    when it is killed, the next start only takes longer."""
