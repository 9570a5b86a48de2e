"""What an answer from the cache costs beside a run, and what the cache costs jobs that all differ.

    python -m benchmarks.cache [--users 64] [--rounds 3] [--seconds 4]

Four kinds of load in turns on a stack of its own, from an empty folder, with the model iris: inputs that all differ, by
submit and poll and by a waiting POST; and a hundred inputs that are known, by one plain POST, whose 202 brings the
answer, and by a waiting POST. CPU is that of every process but the client. Figures are ratios of one round, and their
median: iris runs in 20 µs, so this is the least that a hit can save.
"""

import argparse
import asyncio
import itertools
import pathlib
import statistics
import tempfile
from collections.abc import Iterator
from typing import Final

import uvloop

from benchmarks import client, inputs, load, local, scenarios, subjects, tables, targets, users

KNOWN: Final = 100
"""Inputs that are asked for again and again."""


def once(target: targets.Target, item: inputs.Item, log: users.Log, began: float) -> client.User:
    """One plain POST whose 202 brings the answer; where it does not, a look, which is told."""
    reply = yield target.post(item.text)
    body = targets.ended(reply)
    ask = target.get(targets.accepted(reply))
    while body is None:
        yield 0.004
        log.looks += 1
        body = targets.ended((yield ask))
    log.finished(began, item, body)


LOADS: Final = (
    ("run, submit then poll", users.poll(users.Pace()), False),
    ("hit, plain POST", once, True),
    ("run, waiting POST", users.wait, False),
    ("hit, waiting POST", users.wait, True),
)
"""Name, act, whether its inputs are known."""

PAIRS: Final = (("hit, plain POST", "run, submit then poll"), ("hit, waiting POST", "run, waiting POST"))


async def main(given: argparse.Namespace) -> int:
    """Measure and print; 1 where an answer was wrong."""
    rounds: list[dict[str, tables.Figures]] = []
    with tempfile.TemporaryDirectory(prefix="panini-bench-") as folder:
        system = local.Panini(pathlib.Path(folder), subjects.Iris())
        try:
            await asyncio.to_thread(system.start)
            await scenarios.ready(system, "cache")
            rounds.extend([await measured(given, system, number) for number in range(given.rounds)])
        finally:
            await asyncio.to_thread(system.close)
    for hit, run in PAIRS:
        cpu = statistics.median(tables.cost(one[hit]) / tables.cost(one[run]) for one in rounds)
        rate = statistics.median(one[hit]["rate"] / one[run]["rate"] for one in rounds)
        took = statistics.median(one[hit]["p50_ms"] / one[run]["p50_ms"] for one in rounds)
        print(f"{hit} : {run}   CPU {cpu:.2f}   jobs/s {rate:.2f}   p50 {took:.2f}")
    return int(any(one["wrong"] for each in rounds for one in each.values()))


async def measured(given: argparse.Namespace, system: local.Panini, number: int) -> dict[str, tables.Figures]:
    """One round."""
    found: dict[str, tables.Figures] = {}
    target, roles = system.target(), system.roles()
    spell = load.Spell(warm=1.0, measured=given.seconds)
    again = list(itertools.islice(inputs.endless(f"again {number}"), KNOWN))
    first = load.Spell(warm=0.0, measured=0.5)
    for name, act, known in LOADS:
        if known:
            log = users.Log(known=True)
            await load.closed(8, users.wait, target, itertools.cycle(again), roles=[], spell=first, log=log)
        ready = int(scenarios.FASTEST * (spell.warm + spell.measured))
        items: Iterator[inputs.Item] = itertools.cycle(again) if known else inputs.prepared(f"{name} {number}", ready)
        log = users.Log(known=known)
        outcome = await load.closed(given.users, act, target, items, roles=roles, spell=spell, log=log)
        found[name] = tables.figures(outcome)
        print(
            f"{name:22} {outcome.rate:7,.0f} jobs/s   {tables.breakdown(found[name])} µs a job"
            f"   looks {found[name]['looks']:.2f}",
            flush=True,
        )
        if outcome.wrong:
            print(f"  {outcome.wrong} WRONG answers, such as {outcome.example}")
    return found


def run() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=64, help="users at once; default 64")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured, a kind of load and round; default 4")
    return uvloop.run(main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(run())
