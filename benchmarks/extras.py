"""What is measured of Panini alone: floors, a backlog, a worker killed, one that joins and leaves."""

import argparse
import asyncio
import dataclasses
import pathlib
import tempfile
from collections.abc import Awaitable, Sequence

from benchmarks import backlog, bulk, disturb, floors, load, local, servers, tables, targets

SETS = 2
"""Bulk sets a round: one is over in two seconds, and in some of them Valkey rewrites its log or doubles its table."""


@dataclasses.dataclass(frozen=True)
class Found:
    """All of it; what failed says why."""

    floors: dict[str, tables.Figures] = dataclasses.field(default_factory=dict)
    broker: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    backlog: dict[str, list[tables.Figures]] = dataclasses.field(default_factory=dict)
    bulk: list[tables.Figures] = dataclasses.field(default_factory=list)
    disturbed: dict[str, list[tables.Figures]] = dataclasses.field(default_factory=dict)
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Answers that were not the model's."""
        every = [one for rounds in (*self.backlog.values(), *self.disturbed.values(), self.bulk) for one in rounds]
        return sum(int(one.get("wrong", 0)) for one in every)


async def measure(given: argparse.Namespace, system: local.Panini) -> Found:
    """Everything, rounds in turns. What fails is noted, and the rest goes on."""
    found = Found()
    spell = load.Spell(warm=0.5, measured=3.0)
    with tempfile.TemporaryDirectory(prefix="panini-bench-") as name:
        folder = pathlib.Path(name)

        async def step(title: str, work: Awaitable[None]) -> None:
            print(title, flush=True)
            try:
                await work
            except (servers.Failed, targets.Unexpected, OSError) as error:
                found.failures.append(f"{title}: {error}")
                print(f"  failed: {error}", flush=True)

        await step("floors", _floors(found, folder, spell, system, given.seed))
        for number in range(given.rounds):
            await step("backlog", _backlogs(found, folder, system, given.backlog, f"{given.seed}/{number}"))
        for number in range(SETS * given.rounds):
            await step("a bulk job set", _bulk(found, system, given.backlog, f"{given.seed}/bulk{number}"))
        for number in range(min(2, given.rounds)):
            await step("a worker joins and leaves", _joined(found, folder, system, f"{given.seed}/join{number}"))
            await step("kill -9 of a worker", _killed(found, system, f"{given.seed}/kill{number}"))
    return found


async def _floors(found: Found, folder: pathlib.Path, spell: load.Spell, system: local.Panini, seed: str) -> None:
    found.floors["the client alone, 64 users"] = await floors.client(folder, spell)
    found.floors["an empty FastAPI route, 64 users"] = await floors.empty(folder, spell)
    found.broker.update(await asyncio.to_thread(floors.broker, system.stack, f"bench.latency.{seed}"))


async def _backlogs(found: Found, folder: pathlib.Path, system: local.Panini, count: int, seed: str) -> None:
    for name, short, work in (("Panini's worker", "worker", backlog.panini), ("bare loop", "bare", backlog.bare)):
        figures = await work(system.stack, folder, count, f"{seed}/{short}")
        found.backlog.setdefault(name, []).append(figures)
        print(f"  {name}: {figures['rate']:,.0f} jobs/s ({tables.breakdown(figures)} µs)", flush=True)


async def _bulk(found: Found, system: local.Panini, count: int, seed: str) -> None:
    figures = await asyncio.to_thread(bulk.measure, system.stack, count, seed)
    found.bulk.append(figures)
    print(f"  {figures['accepted']:,.0f} accepted/s, {figures['rate']:,.0f} done/s ({tables.breakdown(figures)} µs)")


async def _joined(found: Found, folder: pathlib.Path, system: local.Panini, seed: str) -> None:
    figures = await disturb.joined_and_left(system, folder, seed)
    found.disturbed.setdefault("join and leave", []).append(figures)
    print(f"  {figures}", flush=True)


async def _killed(found: Found, system: local.Panini, seed: str) -> None:
    figures = await disturb.killed(system, seed)
    if not figures["jobs"]:  # it died in the moment between two batches
        figures = await disturb.killed(system, f"{seed}/again")
    found.disturbed.setdefault("kill", []).append(figures)
    print(f"  {figures}", flush=True)


def markdown(found: Found) -> str:
    """Tables of it."""
    parts = [tables.table(("floor", "requests/s", "p50 ms", "p99 ms", "CPU µs a request"), _floor_rows(found))]
    if found.broker:
        rows = [
            (name.replace("_", " "), *(f"{value:.2f}" for value in one.values())) for name, one in found.broker.items()
        ]
        parts.append(tables.table(("the broker, one record at a time", "p50 ms", "p99 ms"), rows))
    if found.backlog:
        parts.append(
            tables.table(
                ("a backlog of one-job records", "jobs/s", "against the bare loop", "CPU µs a job"),
                _backlog_rows(found),
            )
        )
    if found.bulk:
        one = tables.median(found.bulk)
        slowest = min(each["rate"] for each in found.bulk)
        row = (*(tables.number(rate) for rate in (one["accepted"], one["rate"], slowest)), tables.breakdown(one))
        named = ("a bulk job set (NDJSON): accepted/s", "done/s", "done/s of the slowest set", "CPU µs a job")
        parts.append(tables.table(named, [row]))
    if found.disturbed:
        parts.append(tables.table(("disturbance", "seconds"), _disturbed_rows(found)))
    parts += [f"Not measured: {text.splitlines()[0]}" for text in found.failures]
    return "\n\n".join(parts)


def _floor_rows(found: Found) -> Sequence[Sequence[str]]:
    return [
        (
            name,
            tables.number(one["rate"]),
            tables.number(one["p50_ms"]),
            tables.number(one["p99_ms"]),
            tables.breakdown(one),
        )
        for name, one in found.floors.items()
    ]


def _backlog_rows(found: Found) -> Sequence[Sequence[str]]:
    rows = []
    for name, rounds in found.backlog.items():
        one = tables.median(rounds)
        ratio = tables.paired(rounds, found.backlog.get("bare loop", []), "rate")
        rows.append((name, tables.number(one["rate"]), tables.times(ratio), tables.breakdown(one)))
    return rows


def _disturbed_rows(found: Found) -> Sequence[Sequence[str]]:
    rows = []
    if "kill" in found.disturbed:
        one = tables.median(found.disturbed["kill"])
        rows.append(
            (
                f"`kill -9` of the worker under 64 users: the {one['jobs']:.0f} open jobs ended after, p50",
                f"{one['p50_s']:.1f}",
            )
        )
        rows.append(("the same, p99", f"{one['p99_s']:.1f}"))
    if "join and leave" in found.disturbed:
        one = tables.median(found.disturbed["join and leave"])
        rows.append(("longest silence under 100 jobs/s, undisturbed", f"{one['before_s']:.2f}"))
        rows.append(("longest silence while a second worker starts and joins", f"{one['join_s']:.2f}"))
        rows.append(("longest silence while it leaves", f"{one['leave_s']:.2f}"))
    return rows
