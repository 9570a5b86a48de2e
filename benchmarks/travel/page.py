"""What was measured, as tables of docs/how-a-job-travels.md."""

import dataclasses
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from benchmarks import tables
from benchmarks.travel import meter, steps, whole

ROLES: Final = ("api", "kafka", "worker", "valkey", "runner")
COMMIT: Final = 1.0
"""Seconds between two commits of a worker."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """All of one run."""

    way: steps.Way
    many: whole.Whole
    one: whole.Whole
    lone: Sequence[whole.Lone]
    idle: Mapping[str, float]
    """Cores that each process takes while there is nothing to do."""


def parts(found: Found) -> dict[str, str]:
    """Each table, by its marker in the page."""
    return {"cpu": _cpu(found), "whole": _whole(found), "time": times(found.lone)}


def told(name: str, one: whole.Whole) -> str:
    """A run of load in one line."""
    return (
        f"{name}: {one.outcome.rate:,.0f} jobs/s, p50 {1000 * one.outcome.quantile(0.5):.1f} ms, {one.batch:.1f} jobs"
        f" a batch, {one.record:.1f} a record; programs outside the benchmark took {one.outcome.elsewhere:.2f} cores."
    )


def _cpu(found: Found) -> str:
    way = found.way
    head = ("", "step", "paid by", *(_company(size) for size in way.sizes))
    rows: list[Sequence[object]] = []
    for number, step in enumerate(way.steps, 1):
        rows += _rows(way, step, f"{number}", step.name)
    totals = (f"**{sum(_sums(way.steps, size).values()):,.0f}**" for size in way.sizes)
    rows.append(("", "**all of it**", "", *totals))
    for step in way.reading:
        rows += _rows(way, step, "", f"instead of being woken: {step.name}")
    waits = ", ".join(f"{step.name} {step.alone_ms:.2f}" for step in way.steps if step.alone_ms)
    return (
        f"{_said()} CPU µs a job.\n\n{tables.table(head, rows)}\n\n"
        f"A commit of offsets costs the worker {way.commit['worker']:,.0f} and the broker"
        f" {way.commit['kafka']:,.0f} µs, once a second a worker, whatever it covers. A job alone waits, in ms:"
        f" {waits}.\n\nThe last two columns tell what a record and its batch cost whatever is in them, and each job:"
        f"\n\n{tables.table(('CPU µs', 'a record, a batch', 'a job in it'), _split(way))}"
    )


def _split(way: steps.Way) -> list[Sequence[object]]:
    """By process: the line through what a job costs at the two larger sizes."""
    few, many = way.sizes[-2:]
    less, more = _sums(way.steps, few), _sums(way.steps, many)
    rows: list[Sequence[object]] = []
    for role in ROLES:
        fixed = (less.get(role, 0.0) - more.get(role, 0.0)) / (1 / few - 1 / many)
        rows.append((role, tables.number(fixed), tables.number(more.get(role, 0.0) - fixed / many)))
    return rows


def _rows(way: steps.Way, step: meter.Step, number: str, name: str) -> list[Sequence[object]]:
    """A line for each process that pays."""
    rows: list[Sequence[object]] = []
    for role in step.costs[way.sizes[0]]:
        costs = (tables.number(step.costs[size][role]) for size in way.sizes)
        rows.append((number, name, role, *costs))
        number = name = ""
    return rows


def _whole(found: Found) -> str:
    head = ("CPU µs a job", "its steps", "what runs anyway", "a whole job", "not explained")
    texts = []
    for name, one, size in (
        ("One user", found.one, found.way.sizes[0]), ("64 users", found.many, found.way.sizes[1])
    ):  # fmt: skip
        compared = _compared(found, one, size)
        rows = [(role, *map(tables.number, compared[role])) for role in (*ROLES, "all")]
        texts.append(f"{told(name, one)} The steps: {_company(size)}.\n\n{tables.table(head, rows)}")
    return "\n\n".join(texts)


def _compared(found: Found, one: whole.Whole, size: int) -> dict[str, tuple[float, ...]]:
    """By process: its steps, what it takes anyway meanwhile, what a whole job cost, and what that leaves."""
    sums, paid = _sums(found.way.steps, size), one.outcome.cpu_per_job()
    rows: dict[str, tuple[float, ...]] = {}
    for role in ROLES:
        own = sums.get(role, 0.0) + found.way.commit.get(role, 0.0) / (COMMIT * one.outcome.rate)
        anyway = 1e6 * found.idle.get(role, 0.0) / one.outcome.rate
        rows[role] = (own, anyway, paid[role], paid[role] - own - anyway)
    rows["all"] = tuple(sum(column) for column in zip(*rows.values(), strict=True))
    return rows


def times(lone: Sequence[whole.Lone]) -> str:
    """Where the time of a lone job goes."""
    pauses = ["right after another" if not one.pause else f"after {1000 * one.pause:.0f} ms of rest" for one in lone]
    rows: list[Sequence[object]] = [
        (name, *(f"{one.spans[name]:.2f}" for one in lone)) for name in lone[0].spans
    ]  # fmt: skip
    rows.append(("**sent → answered**", *(f"**{one.whole:.2f}**" for one in lone)))
    rows.append(("instead, a POST that does not wait: sent → 202", *(f"{one.accepted:.2f}" for one in lone)))
    worst = max(one.elsewhere for one in lone)
    return f"{_said()} Programs outside the benchmark took {worst:.2f} cores.\n\n{tables.table(('ms', *pauses), rows)}"


def _sums(way: Iterable[meter.Step], size: int) -> dict[str, float]:
    sums: dict[str, float] = {}
    for step in way:
        for payer, micros in step.costs[size].items():
            role = payer.partition(",")[0]
            sums[role] = sums.get(role, 0.0) + micros
    return sums


def _company(size: int) -> str:
    return "alone" if size == 1 else f"{size} at once"


def _said() -> str:
    return (
        f"`python -m benchmarks.travel`, {time.strftime('%Y-%m-%d', time.gmtime())}: {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {platform.system()}."
    )
