"""Calls of the store that are repeated until they succeed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from results import errors
from wire import metrics

log = logging.getLogger(__name__)

T = TypeVar("T")


async def stored(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a store's call until it succeeds: an answer that cannot be stored is neither dropped nor acknowledged."""
    delay = 0.05
    while True:
        try:
            return await call()
        except errors.StoreUnavailable as error:
            metrics.STORE_AWAY.inc()
            log.warning("the store is away, the batch waits for it: %s", error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 1.0)
