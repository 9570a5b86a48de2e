"""A backlog of records of one job each, worked off by Panini's worker; and by a bare loop in one process."""

import asyncio
import contextlib
import itertools
import json
import os
import pathlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks import floors, inputs, servers, stack, tables, usage
from results import link, records, store
from wire import names

CHUNK: Final = 500
PATIENCE: Final = 120.0
"""Seconds within which a backlog must be gone."""


async def panini(found: stack.Stack, folder: pathlib.Path, count: int, seed: str) -> tables.Figures:
    """Stop the worker, fill the topic, let it go on: jobs a second first start to last end, each checked."""
    items = dict(_named(count, seed))
    values = _values(folder, items)
    account, model = names.DEFAULT_ACCOUNT, stack.MODEL
    roles = [role for role in found.roles() if role.name != "client"]
    connection = link.Link(found.connections())
    kept = store.Store(connection)
    try:
        with paused(found):
            await asyncio.to_thread(feed, found, values, names.jobs_topic(account, model))
            before = usage.cpu(roles)
        sample = list(items)[:: max(1, count // 200)]
        await _until_done(kept, account, model, sample)
        ended = await _all(kept, account, model, list(items))
        used = usage.difference(before, usage.cpu(roles))
    finally:
        await connection.aclose()
    wrong = sum(not items[name].matches(_output(record)) for name, record in ended.items())
    began = min(record.details.started_at or 0 for record in ended.values())
    seconds = (max(record.completed_at or 0 for record in ended.values()) - began) / 1000
    cpu = {f"cpu_us.{name}": 1e6 * value / count for name, value in used.items()}
    return {"rate": count / seconds, "wrong": float(wrong)} | cpu


async def bare(found: stack.Stack, folder: pathlib.Path, count: int, seed: str) -> tables.Figures:
    """The same records, consumed, predicted and stored by one process of confluent-kafka. Every one is checked."""
    items = dict(_named(count, seed))
    values, topic = _values(folder, items), f"bench.{seed.replace('/', '.')}"
    await asyncio.to_thread(feed, found, values, topic, "--create", "4")
    printed = await asyncio.to_thread(floors.program, "loop.py", topic, str(count), found=found)
    measured = json.loads(printed)
    connection = link.Link(found.connections())
    wrong = 0
    try:
        for chunk in _chunks(list(items)):
            outputs = await connection.call("MGET", *(f"bench:{name}" for name in chunk))
            wrong += sum(
                output is None or not items[name].matches(json.loads(output))
                for name, output in zip(chunk, outputs, strict=True)
            )
    finally:
        await connection.aclose()
    return {
        "rate": count / measured["seconds"],
        "wrong": float(wrong),
        "cpu_us.loop": 1e6 * measured["cpu_seconds"] / count,
    }


def _named(count: int, seed: str) -> Iterator[tuple[str, inputs.Item]]:
    prefix = f"bench-{time.time_ns():x}"
    return ((f"{prefix}-{number}", item) for number, item in enumerate(itertools.islice(inputs.endless(seed), count)))


def _values(folder: pathlib.Path, items: dict[str, inputs.Item]) -> pathlib.Path:
    path = folder / "values"
    lines = (f'{{"id":"{name}","input":{item.text}}}\n' for name, item in items.items())
    path.write_text("".join(lines), encoding="ascii")
    return path


def feed(found: stack.Stack, values: pathlib.Path, topic: str, *more: str) -> None:
    """A record of each line of a file; returns when all are acknowledged."""
    floors.program("feeder.py", topic, str(values), *more, found=found)


@contextlib.contextmanager
def paused(found: stack.Stack) -> Iterator[None]:
    """Workers stand still; longer than their session, and they join anew afterwards."""
    everything = [pid for worker in found.workers() for pid in (worker, *usage.below(worker))]
    if not everything:
        raise servers.Failed("no worker runs")
    try:
        for pid in everything:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in everything:
            os.kill(pid, signal.SIGCONT)


async def _until_done(kept: store.Store, account: str, model: str, sample: Sequence[str]) -> None:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        found = await kept.fetch_many(account, model, list(sample))
        if all(record is not None and record.terminal for record in found):
            return
        await asyncio.sleep(0.05)
    raise servers.Failed(f"the backlog was not gone within {PATIENCE:g} s")


async def _all(kept: store.Store, account: str, model: str, wanted: list[str]) -> dict[str, records.Record]:
    """Every record once it ended: a few may come after the sample."""
    ended: dict[str, records.Record] = {}
    until = time.monotonic() + PATIENCE
    while len(ended) < len(wanted) and time.monotonic() < until:
        for chunk in _chunks([name for name in wanted if name not in ended]):
            some = await kept.fetch_many(account, model, chunk)
            ended |= {name: one for name, one in zip(chunk, some, strict=True) if one is not None and one.terminal}
    if len(ended) < len(wanted):
        raise servers.Failed(f"{len(wanted) - len(ended)} of {len(wanted)} jobs never ended")
    return ended


def _chunks(wanted: list[str]) -> Iterator[list[str]]:
    return (wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK))


def _output(record: records.Record) -> object:
    return json.loads(record.output) if record.output is not None else None
