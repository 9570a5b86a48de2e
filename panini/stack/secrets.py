"""The secrets of a home: made once at the first start, one file each, read by every process through `secrets_dir`."""

import os
import secrets
from pathlib import Path

NAMES = (
    "panini_kafka_password",  # of the one user of the embedded Kafka
    "panini_redis_password",  # of the embedded Valkey
    "panini_signing_key",  # signs the ids of jobs
    "panini_internal_token",  # one of our processes to another
    "panini_encryption_key",  # models' variables at rest
)
BYTES = 32


def ensure(folder: Path) -> dict[str, str]:
    """Makes the secrets that are missing and returns all, by name: 64 hexadecimal characters each.

    Files are mode 0600 in a folder of mode 0700. A secret that exists is never changed: jobs' ids are signed and
    variables encrypted with it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {name: _read(folder / name) or _make(folder / name) for name in NAMES}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _make(path: Path) -> str:
    value = secrets.token_hex(BYTES)  # hexadecimal: safe in Java properties, in a URL and in Valkey's configuration
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return value
