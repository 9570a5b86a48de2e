"""A backlog of a million records: what a job costs at its begin and at its end, and what all of it takes of memory."""

import asyncio
import itertools
import json
import pathlib
import statistics
import time
from typing import Any, Final

from benchmarks import backlog, inputs, load, local, servers, subjects, tables, usage, users
from results import keys, link, store
from wire import names

PART: Final = 20_000
"""Jobs that are looked at together: their CPU is seconds, and a clock's tick is 10 ms."""
SAMPLE: Final = 500
"""Of so many jobs one answer is looked at."""
LOOK: Final = 0.02
"""Seconds between looks at how far it is: one small question to Valkey."""
PATIENCE: Final = 600.0
"""Seconds within which a backlog must be gone."""
NOTED: Final = 20_000
"""Jobs that are accepted over HTTP while the worker stands still, for what a note takes."""


async def measure(folder: pathlib.Path, count: int, seed: str) -> dict[str, Any]:
    """A backlog of PART, one of `count`, another of PART, each drained by one worker; and notes."""
    system = local.Panini(folder, subjects.Iris(), {"PANINI_VALKEY_MAXMEMORY_MB": "4096"})
    found: dict[str, Any] = {}
    try:
        await asyncio.to_thread(system.start)
        over = link.Link(system.stack.connections())
        try:
            await drained(system, over, folder, PART, f"{seed}/warm")
            found["small"] = [await drained(system, over, folder, PART, f"{seed}/small")]
            found["deep"] = await drained(system, over, folder, count, f"{seed}/deep")
            found["small"].append(await drained(system, over, folder, PART, f"{seed}/after"))
            found["notes"] = await noted(system, over)
        finally:
            await over.aclose()
    finally:
        await asyncio.to_thread(system.close)
    return found


async def drained(system: local.Panini, over: link.Link, folder: pathlib.Path, count: int, seed: str) -> dict[str, Any]:
    """Feed while the worker stands still, then let it go on: CPU by role of each PART of the backlog.

    How far it is says the model's index, which a job's claim enters it into.
    """
    account, model = names.DEFAULT_ACCOUNT, system.subject.name
    index = keys.index(account, model)
    sample = await asyncio.to_thread(_values, folder / "values", count, seed)
    roles = [role for role in system.roles() if role.name != "client"]
    with backlog.paused(system.stack):
        await asyncio.to_thread(backlog.feed, system.stack, folder / "values", names.jobs_topic(account, model))
        base, memory = int(await over.call("ZCARD", index)), await _memory(over)
        before, rss = usage.cpu(roles), usage.rss(roles)
    parts: list[tables.Figures] = []
    moments = [time.monotonic()]
    done, until = 0, time.monotonic() + PATIENCE
    while done < count:
        if time.monotonic() > until:
            raise servers.Failed(f"{count - done} of {count} jobs were left after {PATIENCE:g} s")
        await asyncio.sleep(LOOK)
        now = int(await over.call("ZCARD", index)) - base
        if now >= min(done + PART, count):
            after = usage.cpu(roles)
            used = usage.difference(before, after)
            parts.append({name: 1e6 * seconds / (now - done) for name, seconds in used.items()})
            moments.append(time.monotonic())
            done, before = now, after
    wrong = await _wrong(store.Store(over), account, model, sample)
    return {
        "jobs": count,
        "rate": count / (moments[-1] - moments[0]),
        "parts": parts,
        "wrong": wrong,
        "bytes_of_results": (await _memory(over) - memory) / count,
        "rss_mib": {name: [rss[name] / 2**20, size / 2**20] for name, size in usage.rss(roles).items()},
    }


async def noted(system: local.Panini, over: link.Link) -> tables.Figures:
    """Jobs accepted over HTTP that no worker takes: how many are noted, and what a note takes of Valkey's memory."""
    account, model = names.DEFAULT_ACCOUNT, system.subject.name
    queue = keys.queue(account, model)
    log = users.Log()

    def act(target: Any, item: inputs.Item, kept: users.Log, began: float) -> Any:
        yield target.post(item.text)
        kept.took.append(time.perf_counter() - began)

    with backlog.paused(system.stack):
        before = await _memory(over)
        items = inputs.prepared(f"notes {time.time_ns()}", NOTED)
        while len(log.took) < NOTED:
            part = users.Log()
            spell = load.Spell(warm=0, measured=0.5)
            await load.closed(64, act, system.target(), items, roles=[], spell=spell, log=part)
            log.took += part.took
        await asyncio.sleep(1.0)  # notes are late on purpose
        count = int(await over.call("ZCARD", queue))
        taken = await _memory(over) - before
    while int(await over.call("ZCARD", queue)):  # noqa: ASYNC110  nothing tells it
        await asyncio.sleep(0.1)
    return {"accepted": float(len(log.took)), "noted": float(count), "bytes": taken / max(count, 1)}


def _values(path: pathlib.Path, count: int, seed: str) -> dict[str, inputs.Item]:
    """Write a line a job; some of the jobs, to be looked at."""
    sample = {}
    prefix = f"deep-{time.time_ns():x}"
    with path.open("w", encoding="ascii") as out:
        for number, item in enumerate(itertools.islice(inputs.endless(seed), count)):
            out.write(f'{{"id":"{prefix}-{number}","input":{item.text}}}\n')
            if number % SAMPLE == 0:
                sample[f"{prefix}-{number}"] = item
    return sample


async def _wrong(kept: store.Store, account: str, model: str, sample: dict[str, inputs.Item]) -> int:
    """How many of some answers are not the model's; one that is not there yet gets a moment."""
    for last in (False, True):
        found = await kept.fetch_many(account, model, list(sample))
        outputs = [json.loads(one.output) if one is not None and one.output is not None else None for one in found]
        wrong = sum(not item.matches(output) for item, output in zip(sample.values(), outputs, strict=True))
        if not wrong or last:
            return wrong
        await asyncio.sleep(2.0)
    raise AssertionError("the loop above returns")


async def _memory(over: link.Link) -> int:
    """Bytes that Valkey holds."""
    text: bytes = await over.call("INFO", "memory")
    return next(int(line.split(b":")[1]) for line in text.splitlines() if line.startswith(b"used_memory:"))


def _mean(parts: list[tables.Figures]) -> tables.Figures:
    return {name: statistics.fmean(part[name] for part in parts) for name in parts[0]}


def markdown(found: dict[str, Any]) -> str:
    """Its table, and what it took of memory."""
    deep = found["deep"]
    rows = []
    shown = [("20,000 records, before", found["small"][0]["parts"][0])]
    middle = len(deep["parts"]) // 2
    places = (("the first", 0), ("in the middle, the next", middle), ("the last", -1))
    shown += [(f"{deep['jobs']:,} records, {words} {PART:,}", deep["parts"][place]) for words, place in places]
    shown += [("of all of them", _mean(deep["parts"])), ("20,000 records, after", found["small"][1]["parts"][0])]
    order = ("worker", "runner", "valkey", "kafka", "api", "up")
    for words, part in shown:
        rows.append([words, *(tables.number(part[name]) for name in order), tables.number(sum(part.values()))])
    rss = ", ".join(f"{name} {a:.0f} → {b:.0f}" for name, (a, b) in deep["rss_mib"].items())
    notes = found["notes"]
    words = (
        f"{deep['jobs']:,} records were gone at {deep['rate']:,.0f} jobs/s. MiB resident before and after: {rss}; what "
        f"grew in Valkey is {deep['bytes_of_results']:.0f} bytes a result, kept for 24 h. Records that wait take no "
        "memory but Kafka's disk. Jobs that came over HTTP and wait are noted for their place in the queue: "
        f"{notes['noted']:,.0f} of {notes['accepted']:,.0f} here, {notes['bytes']:.0f} bytes each in Valkey, and "
        "`PANINI_INGEST_NOTES` (100,000) of a model at most; the note becomes the job's record."
    )
    head = ["a backlog of", *(f"{name}, µs a job" for name in order), "all"]
    return f"{tables.table(head, rows)}\n\n{words}"
