"""What processes take of memory, after their first jobs and after many."""

import asyncio
import contextlib
import dataclasses
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import httpx

from benchmarks import load, local, servers, subjects, tables, targets, usage, users
from panini.stack import ports

USERS: Final = 32
"""Of each process that accepts jobs."""
SLICE: Final = 2.0
"""Seconds between looks at how many jobs there were."""


async def measure(folder: pathlib.Path, goals: Sequence[int]) -> dict[str, Any]:
    """After each number of jobs that the API and a process of ingest alone took, each. The model needs no packages."""
    system, port = local.Panini(folder, subjects.Paced()), ports.any_free()
    ingest = servers.Server(
        "ingest",
        [sys.executable, "-m", "panini", "serve", "ingest"],
        folder=folder,
        environ=system.joining() | {"PANINI_PORT": str(port)},
    )
    found: dict[str, Any] = {}
    try:
        await asyncio.to_thread(system.start)
        ingest.start()
        await asyncio.to_thread(ingest.until, lambda: _ready(port), "it is ready")
        whole = system.target()
        fronts = {"api": whole, "ingest": dataclasses.replace(whole, port=port)}
        done = dict.fromkeys(fronts, 0)
        for goal in (0, *goals):
            while min(done.values()) < goal:
                took = await asyncio.gather(*(_jobs(system, target) for target in fronts.values()))
                for name, count in zip(fronts, took, strict=True):
                    done[name] += count
            found[str(goal)] = {"jobs": dict(done), "mib": _sizes(system, ingest)}
    finally:
        await asyncio.to_thread(ingest.stop)
        await asyncio.to_thread(system.close)
    return found


def _ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://{ports.HOST}:{port}/readyz", trust_env=False).status_code == 200
    return False


async def _jobs(system: local.Panini, target: targets.Target) -> int:
    items = system.subject.items(f"{target.port}/{time.time_ns():x}", 0)
    spell = load.Spell(warm=0.0, measured=SLICE)
    outcome = await load.closed(USERS, users.wait, target, items, roles=[], spell=spell)
    if outcome.wrong:
        raise targets.Unexpected(f"{outcome.wrong} wrong answers, such as {outcome.example}")
    return outcome.jobs


def _sizes(system: local.Panini, ingest: servers.Server) -> dict[str, tuple[float, float]]:
    """Resident MiB, and with shared pages divided among those that share them. The runner is the last of its line:
    what is between it and the worker is its enclosure."""
    worker = system.worker()
    *enclosure, runner = usage.below(worker)
    found = system.stack
    everything = {name: (pid,) for name in ("api", "valkey", "kafka") if (pid := found.pid(name)) is not None}
    everything |= {
        "ingest alone": (ingest.pid,),
        "worker": (worker,),
        "runner": (runner,),
        "its enclosure": (*enclosure,),
    }
    sizes = {name: [usage.shared(pid) for pid in pids] for name, pids in everything.items()}
    return {name: (sum(one for one, _ in some), sum(one for _, one in some)) for name, some in sizes.items()}


def markdown(found: dict[str, Any]) -> str:
    """Its table."""
    names = list(next(iter(found.values()))["mib"])
    rows = []
    for goal, one in found.items():
        jobs = ", ".join(f"{name} {count:,}" for name, count in one["jobs"].items())
        rows.append(
            [f"{int(goal):,}", jobs, *(f"{one['mib'][name][0]:.0f} ({one['mib'][name][1]:.0f})" for name in names)]
        )
    return tables.table(["after", "jobs taken", *names], rows)
