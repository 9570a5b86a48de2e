"""The first API key: made with the registry, handed to its owner once."""

import asyncio
import logging
import os
import pathlib

from registry import service
from wire import names

log = logging.getLogger(__name__)


async def settle(kept: service.Registry, path: pathlib.Path | None) -> None:
    """Make the first key at the first start, and put it into `path`; a file that was lost gets a new key."""
    made = await kept.bootstrap()
    if path is None:
        if made is not None:
            log.warning("the first API key, shown this once: %s", made)
        return
    if made is None and not await asyncio.to_thread(path.exists):
        made = (await kept.create_key(names.DEFAULT_ACCOUNT, "replaces a lost key file")).key
    if made is not None:
        write(path, made)


def write(path: pathlib.Path, key: str) -> None:
    """Write a key to `path`, whole or not at all, for its owner only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(key + "\n")
    fresh.replace(path)
