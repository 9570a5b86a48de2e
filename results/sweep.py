"""Freeing the memory of results past their time, while their records still tell a job that ended from a new one."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from results import errors, protocol
from wire import specs

log = logging.getLogger(__name__)

INTERVAL: Final = 300.0
"""Seconds between sweeps: a result may take up memory so much longer than it is kept."""

STEP: Final = 500
"""Records of one step: about a millisecond of Redis' time."""


async def run(store: protocol.Store, endpoints: Callable[[], Iterable[specs.Endpoint]]) -> None:
    """Sweep for ever; cancel to stop. Several processes may do so."""
    while True:
        try:
            for endpoint in [*endpoints()]:
                await model(store, endpoint, time.time_ns() // 1_000_000)
        except errors.ResultsError as error:
            log.warning("no sweep, the next one makes up for it: %s", error)
        await asyncio.sleep(INTERVAL)


async def model(store: protocol.Store, endpoint: specs.Endpoint, now_ms: int) -> int:
    """Sweep one model; how many results were freed or found gone. Raises StoreUnavailable."""
    skip = freed = 0
    while True:
        step = await store.shrink(
            endpoint.account, endpoint.model, now_ms=now_ms, keep_ms=endpoint.keep * 1000, skip=skip, limit=STEP
        )
        freed += step.removed
        skip += step.seen - step.removed
        if step.seen < STEP:
            return freed
