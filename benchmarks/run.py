"""Panini measured from an empty folder; with --peers, beside the others.

    python -m benchmarks.run                        Panini alone, with its floors and what disturbs it
    python -m benchmarks.run --peers                every system of benchmarks/systems.py, in turns
    python -m benchmarks.run --peers --only taskiq --rounds 5
    python -m benchmarks.run --mlp --rounds 3       the same with a torch model and 2 KB inputs
    python -m benchmarks.run --dry                  prints, writes nothing into docs/

Writes docs/performance.json and the tables between the markers of docs/performance.md. Exit code 1: an answer was
wrong, or a system could not be measured.
"""

import argparse
import asyncio
import dataclasses
import os
import pathlib
import platform
import signal
import sys
import tempfile
import time
from typing import Any, Final

import uvloop

from benchmarks import compare, extras, load, local, report, scenarios, subjects, systems, tables

DOCS: Final = pathlib.Path(__file__).resolve().parent.parent / "docs"

USED: Final = 25.0
"""Seconds for which Panini is used before the first round."""


async def peers(given: argparse.Namespace, panini: local.Panini) -> tuple[dict[str, Any], str, bool]:
    """All systems in turns: figures, Markdown, and whether all is right."""
    wanted = [peer for peer in systems.peers(panini.subject) if not given.only or short(peer) in given.only]
    spell = load.Spell(warm=given.warm, measured=given.seconds)
    before = await used(panini, given.seed)
    found = await compare.rounds([panini, *wanted], given.rounds, spell, only=given.scenario, seed=given.seed)
    idle = local.idle(panini)
    text = "\n\n".join(
        (
            said(given, found, f"python -m benchmarks.run --{'mlp' if given.mlp else 'peers'}"),
            before,
            f"While the others were measured Panini stood by. {resting(idle)}",
            "### Ratios, Panini : other\n\nBelow 1 is better for latency and CPU, above 1 for jobs/s.",
            report.ratios(found),
            "### What they are made of",
            report.details(found),
            "### Memory",
            report.memory(found),
            report.made_of(found),
        )
    )
    kept = {"rounds": found.rounds, "memory_mib": found.memory, "made_of": found.made_of, "idle_cores": idle}
    return kept, text, not found.wrong and not found.failures


async def alone(given: argparse.Namespace, panini: local.Panini) -> tuple[dict[str, Any], str, bool]:
    """Panini by itself."""
    spell = load.Spell(warm=given.warm, measured=given.seconds)
    before = await used(panini, given.seed)
    found = await compare.rounds([panini], given.rounds, spell, only=given.scenario, seed=given.seed)
    idle = local.idle(panini)
    more = await extras.measure(given, panini)
    text = "\n\n".join(
        (
            said(given, found, "python -m benchmarks.run"),
            before,
            report.details(found),
            extras.markdown(more),
            report.memory(found),
            resting(idle),
        )
    )
    kept = {"rounds": found.rounds, "memory_mib": found.memory, "idle_cores": idle, "more": dataclasses.asdict(more)}
    return kept, text, not (found.wrong or found.failures or more.wrong or more.failures)


async def used(panini: local.Panini, seed: str) -> str:
    """Use it for a while, since Kafka is compiled while it runs and nobody's was just started; what the first seconds
    were like.
    """
    print("used before it is measured", flush=True)
    many = next(scenario for scenario in scenarios.ALL if scenario.name == "poll64")
    panini.start()
    try:
        await scenarios.ready(panini, f"{seed}/used")
        first = await scenarios.play(many, panini, f"{seed}/first", load.Spell(warm=0, measured=5))
        await scenarios.play(many, panini, f"{seed}/used", load.Spell(warm=0, measured=USED - 5))
    finally:
        panini.stop()
    return (
        f"Before the first round Panini was used for {USED:g} s. In the first 5 of these, right after its start, 64 "
        f"users who poll had {first.rate:,.0f} jobs/s, and the broker, which is compiled meanwhile, took "
        f"{first.cpu_per_job().get('kafka', 0):.0f} µs of CPU a job."
    )


def said(given: argparse.Namespace, found: compare.Found, command: str) -> str:
    """Under what circumstances."""
    median, worst = found.elsewhere
    return (
        f"`{command}`, {time.strftime('%Y-%m-%d', time.gmtime())}: {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {platform.system()}; medians of {given.rounds} rounds of "
        f"{given.seconds:g} s after {given.warm:g} s unmeasured, systems in turns; ratios are medians of ratios of one "
        f"round. The client ran on the same cores; programs outside the benchmark took {median:.2f} cores in the "
        f"median run, {worst:.2f} in the worst."
    )


def resting(idle: dict[str, float]) -> str:
    """What it uses while nothing is asked of it."""
    parts = ", ".join(f"{name} {cores:.3f}" for name, cores in idle.items() if name != "client" and cores >= 0.0005)
    whole = sum(cores for name, cores in idle.items() if name != "client")
    return f"Idle, Panini takes {whole:.3f} cores ({parts})."


def short(system: systems.System) -> str:
    """The name for the command line."""
    return system.name.split()[0].rstrip(",").lower()


async def main(given: argparse.Namespace) -> int:
    """Start, measure, stop, write; the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="panini-bench-") as folder:
        subject = subjects.Mlp(pathlib.Path(folder), given.seed) if given.mlp else subjects.Iris()
        panini = local.Panini(pathlib.Path(folder), subject)
        try:
            kept, text, right = await (peers if given.peers or given.mlp else alone)(given, panini)
        finally:
            await asyncio.to_thread(panini.close)
    name = "mlp" if given.mlp else "peers" if given.peers else "alone"
    print(f"\n{text}\n\n{time.monotonic() - began:.0f} s")
    if not given.dry:
        about = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "seed": given.seed,
            "of_rounds": given.rounds,
        }
        tables.keep(DOCS / "performance.json", name, about | kept)
        tables.insert(DOCS / "performance.md", name, text)
        print(f"written to {DOCS / 'performance.json'} and {DOCS / 'performance.md'}")
    return 0 if right else 1


def run() -> int:
    """The command."""
    names = [short(peer) for peer in systems.peers(subjects.Iris())]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", action="store_true", help="beside the other systems")
    parser.add_argument("--mlp", action="store_true", help="beside the others with a torch model (5 GB to install)")
    parser.add_argument("--only", action="append", choices=names, help="this peer (again: more)")
    parser.add_argument("--scenario", action="append", default=[], help="this scenario (again: more)")
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="1..20", help="default 3")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured, a scenario and round; default 5")
    parser.add_argument("--warm", type=float, default=1.0, help="before that, unmeasured; default 1")
    parser.add_argument("--seed", default="2019", help="of the inputs; default 2019")
    parser.add_argument("--backlog", type=int, default=50_000, help="records of the backlog; default 50,000")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # as Ctrl-C: everything is stopped on the way out
    try:
        return uvloop.run(main(given))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(run())
