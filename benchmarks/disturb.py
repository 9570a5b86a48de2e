"""What users notice when a worker is killed, when one joins, and when one leaves."""

import asyncio
import itertools
import os
import pathlib
import signal
import time
from collections.abc import Sequence
from typing import Final

from benchmarks import inputs, load, local, scenarios, servers, tables, targets, users

AFTER_KILL: Final = 25.0
"""Seconds that are watched after `kill -9`."""

AT_ONCE: Final = 0.5
"""Seconds after a kill within which an answer was not the killed worker's to give again."""

SETTLE: Final = 3.0
"""Seconds that are watched after a worker joined, and after one left."""


async def killed(system: local.Panini, seed: str) -> tables.Figures:
    """`kill -9` under 64 users: how long the jobs that were open then took from that moment on."""
    log, moment = users.Log(), [0.0]

    def kill() -> None:
        moment[0] = time.perf_counter()
        os.kill(system.worker(), signal.SIGKILL)

    asyncio.get_running_loop().call_later(2.0, kill)
    items = inputs.prepared(seed, 50_000)
    spell = load.Spell(warm=0.0, measured=AFTER_KILL)
    outcome = await load.closed(64, users.poll(users.Pace()), system.target(), items, roles=[], spell=spell, log=log)
    open_then = sorted(
        end - moment[0]
        for end, took in zip(log.ends, log.took, strict=True)
        if end - took < moment[0] < end - AT_ONCE  # an answer that was there already waits only for its look
    )
    return {
        "jobs": float(len(open_then)),
        "p50_s": load.quantile(open_then, 0.5),
        "p99_s": load.quantile(open_then, 0.99),
        "longest_silence_s": _longest(log.ends, moment[0], moment[0] + AFTER_KILL),
        "wrong": float(outcome.wrong),
    }


async def joined_and_left(system: local.Panini, folder: pathlib.Path, seed: str) -> tables.Figures:
    """A second worker joins and leaves under 100 jobs/s: the longest silence after each."""
    log, second = users.Log(), system.another_worker(folder)
    ready = folder / "second.ready"
    ready.unlink(missing_ok=True)
    target, moments = system.target(), {"begin": time.perf_counter()}

    async def events() -> None:
        await asyncio.sleep(SETTLE)
        moments["join"] = time.perf_counter()
        await asyncio.to_thread(second.start)
        ends = time.monotonic() + servers.START
        while not ready.exists():
            if time.monotonic() > ends:
                raise servers.Failed(f"the second worker is not ready:\n{second.words()}")
            await asyncio.sleep(0.02)
        moments["joined"] = time.perf_counter()
        await asyncio.sleep(SETTLE)
        moments["leave"] = time.perf_counter()
        await asyncio.to_thread(second.stop)
        moments["left"] = time.perf_counter()
        await asyncio.sleep(SETTLE)
        moments["end"] = time.perf_counter()

    happening = asyncio.create_task(events())
    try:
        wrong = 0.0
        while not happening.done():
            wrong += await _second_of_jobs(target, log, f"{seed}/{len(log.ends)}")
        await happening
    finally:
        happening.cancel()
        await asyncio.to_thread(second.stop)
    return {
        "before_s": _longest(log.ends, moments["begin"] + 0.5, moments["join"]),
        "join_s": _longest(log.ends, moments["join"], moments["leave"]),
        "leave_s": _longest(log.ends, moments["leave"], moments["end"]),
        "wrong": wrong,
    }


async def _second_of_jobs(target: targets.Target, log: users.Log, seed: str) -> float:
    """A second of the open loop, added to the log."""
    own = users.Log()
    items = inputs.prepared(seed, int(scenarios.RATE))
    spell = load.Spell(warm=0.0, measured=1.0)
    outcome = await load.opened(scenarios.RATE, users.wait, target, items, roles=[], spell=spell, log=own)
    log.ends.extend(own.ends)
    log.took.extend(own.took)
    return float(outcome.wrong)


def _longest(ends: Sequence[float], begin: float, end: float) -> float:
    """The longest time without an answer between two moments."""
    within = [begin, *sorted(moment for moment in ends if begin < moment < end), end]
    return max((right - left for left, right in itertools.pairwise(within)), default=0.0)
