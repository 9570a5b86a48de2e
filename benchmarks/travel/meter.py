"""Clocks of CPU: what a step takes in this process and in the servers that it asks, to the microsecond.

Linux only: the CPU clock of another process is read by its pid, as clock_getcpuclockid(3) does.
"""

import asyncio
import dataclasses
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

LOOP: Final = "loop"
"""The thread of this process's loop: there the product's code runs that is measured."""
THREADS: Final = "threads"
"""The other threads of this process."""

WALL: Final = "wall"
"""Microseconds that a batch took, pauses left out."""
PAUSE: Final = 0.003
"""Seconds between jobs alone."""

Costs = Mapping[str, float]
"""CPU microseconds a job, by who pays."""

ROUNDS: Final = 3

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a job's way."""

    name: str
    costs: Mapping[int, Costs]
    """By how many jobs travelled together; who pays is a process of a stack."""
    alone_ms: float = 0.0
    """Milliseconds that a job alone waits for other processes in it."""


def of_process(pid: int) -> float:
    """CPU seconds that a process, dead threads included, has used."""
    return time.clock_gettime((~pid << 3) | 2)


class Meter:
    """Watches this process and some others."""

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self._pids = dict(pids)
        self._idle: dict[str, float] = {}
        self._pausing: dict[str, float] = {}

    def watch(self, name: str, pids: Sequence[int]) -> None:
        """Watch these processes too."""
        self._pids[name] = pids

    async def rest(self, seconds: float = 1.0) -> None:
        """See what is used anyway, asleep and in pauses, which from now on is not counted."""
        self._idle = await self._resting(1, seconds)
        self._pausing = await self._resting(int(seconds / PAUSE), PAUSE)

    async def _resting(self, times: int, seconds: float) -> dict[str, float]:
        before, began = self._read(), time.perf_counter()
        for _ in range(times):
            await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        return {name: (now - before[name]) / took for name, now in self._read().items()}

    async def each(self, one: Callable[[T], Awaitable[object]], ready: Sequence[T], size: int) -> Costs:
        """Give every job that is `ready` to `one`, `size` at once: medians of ROUNDS of what one job cost.

        What awaiting several at once costs by itself is not counted; alone a job is simply awaited.
        """
        if size == 1:
            return await self.batches(one, ready, 1)
        groups = [ready[start : start + size] for start in range(0, len(ready), size)]

        async def at_once(group: Sequence[T]) -> None:
            await asyncio.gather(*[one(job) for job in group])

        async def nothing(group: Sequence[T]) -> None:
            await asyncio.gather(*[asyncio.sleep(0) for _ in group])

        found, empty = await self.batches(at_once, groups, size), await self.batches(nothing, groups, size)
        return {**found, LOOP: max(found[LOOP] - empty[LOOP], 0.0)}

    async def batches(self, one: Callable[[T], Awaitable[object]], ready: Sequence[T], size: int) -> Costs:
        """Give every batch that is `ready` to `one`, one after the other: what one of the `size` jobs in it cost.

        Before a job alone everything rests for a PAUSE, as it does in a system that has one job now and then.
        """
        count = len(ready) // ROUNDS
        found = [await self._once(one, ready[start : start + count], size) for start in range(0, ROUNDS * count, count)]
        return {name: statistics.median(costs[name] for costs in found) for name in found[0]}

    async def _once(self, one: Callable[[T], Awaitable[object]], ready: Sequence[T], size: int) -> Costs:
        paused, before, began = 0.0, self._read(), time.perf_counter()
        for batch in ready:
            if size == 1:
                start = time.perf_counter()
                await asyncio.sleep(PAUSE)
                paused += time.perf_counter() - start
            await one(batch)
        after, busy = self._read(), time.perf_counter() - began - paused
        jobs = len(ready) * size
        costs = {WALL: 1e6 * busy / len(ready)}
        for name, now in after.items():
            anyway = self._idle.get(name, 0.0) * busy + self._pausing.get(name, 0.0) * paused
            costs[name] = 1e6 * max(now - before[name] - anyway, 0.0) / jobs
        return costs

    def _read(self) -> dict[str, float]:
        loop = time.thread_time()
        mine = {LOOP: loop, THREADS: time.process_time() - loop}
        return mine | {name: sum(map(of_process, pids)) for name, pids in self._pids.items()}


def jobs(size: int) -> int:
    """How many jobs to measure where they come `size` at once, in all rounds together."""
    return 900 if size == 1 else ROUNDS * 100 * size
