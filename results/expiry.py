"""Ending queued jobs at their deadline or maximum age, while no worker holds them.

One process among all that could is the sweeper, by a lease in Redis; the next one takes over within seconds. Whoever
writes a job that expires leaves a hint of when, so that only models with something due are asked, and idle ones cost
nothing. The hint is left before the job is written and again after, so that no death in between costs it; every model
is asked now and then all the same, as what Redis itself lost nobody knows.

Two sweepers at once do no harm: each step is atomic, and a job ends once.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Final

from results import errors, keys, link, lua, protocol
from wire import metrics, specs

log = logging.getLogger(__name__)

TICK: Final = 1.0
"""Seconds between looks at what is due."""

LEASE: Final = 2.5
"""Seconds after which another process takes over from one that is gone: with a tick, well below the promised five."""

LOOK: Final = 60.0
"""Seconds after which a model is asked though nothing said that it has something due."""

STEP: Final = 500
"""Jobs ended in one step: some milliseconds of Redis' time."""

AT_ONCE: Final = 50
"""Models asked together."""

Name = tuple[str, str]
"""Account and model."""


def choose(known: Set[Name], *, due: Iterable[Name], asked: Mapping[Name, float], now: float) -> list[Name]:
    """The models to be asked at `now`: those with something due, and those not asked for `LOOK` seconds, or never.

    `asked`: when this sweeper last asked each; seconds.
    """
    hinted = set(due)
    return sorted(name for name in known if name in hinted or now - asked.get(name, -math.inf) >= LOOK)


class Sweeper:
    """Expires queued jobs from `run()` on, whenever it has the lease."""

    def __init__(
        self,
        over: link.Link,
        store: protocol.Store,
        *,
        endpoints: Callable[[], Iterable[specs.Endpoint]],
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        lease: float = LEASE,
    ) -> None:
        self._link = over
        self._scripts = lua.Scripts(over)
        self._store = store
        self._endpoints = endpoints
        self._clock_ms = clock_ms
        self._lease = lease
        self._token = secrets.token_hex(8)
        self._asked: dict[Name, float] = {}

    async def run(self) -> None:
        """Sweep for ever; cancel to stop."""
        while True:
            try:
                await self.tick()
            except errors.ResultsError as error:
                self._asked.clear()
                log.warning("no queued job expires for the moment: %s", error)
            await asyncio.sleep(TICK)

    async def tick(self) -> bool:
        """Expire what is due; False: another process sweeps. Raises StoreUnavailable."""
        due = await self._due()
        if due is None:
            self._asked.clear()
            return False
        known = {(one.account, one.model): one for one in self._endpoints()}
        for name in set(due) - known.keys():
            await self._forget(name)
        chosen = choose(known.keys(), due=due, asked=self._asked, now=time.monotonic())
        for start in range(0, len(chosen), AT_ONCE):
            await asyncio.gather(*(self._expire(known[name]) for name in chosen[start : start + AT_ONCE]))
        return True

    async def _due(self) -> list[Name] | None:
        """The models that have something due by now; none: another process holds the lease."""
        names = [keys.SWEEP_LEASE, keys.SWEEP_DUE]
        arguments: list[link.Argument] = [self._token, int(self._lease * 1000), self._clock_ms(), 10 * AT_ONCE]
        found = await self._scripts.run("sweep", names, arguments)
        if found is None:
            return None
        parted = [one.decode().partition(":") for one in found]
        return [(account, model) for account, _, model in parted]

    async def _expire(self, endpoint: specs.Endpoint) -> None:
        """End what is due of one model; its hint is dropped before it is asked, and a later one stays."""
        name = (endpoint.account, endpoint.model)
        await self._forget(name)
        while True:
            now_ms = self._clock_ms()
            done = await self._store.expire(
                *name, now_ms=now_ms, max_age_ms=endpoint.max_age * 1000, keep_ms=endpoint.keep * 1000, limit=STEP
            )
            metrics.JOBS_EXPIRED.inc(done.ended)
            if done.seen < STEP:
                break
        if done.next_at is not None:
            await self._link.call("ZADD", keys.SWEEP_DUE, "LT", done.next_at + 1, ":".join(name))
        self._asked[name] = time.monotonic()

    async def _forget(self, name: Name) -> None:
        await self._link.call("ZREM", keys.SWEEP_DUE, ":".join(name))
