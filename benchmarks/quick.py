"""A running stack, measured in 20 seconds: 64 users who poll, 64 who wait, and what a job costs in each process.

    PANINI_HOME=… python -m benchmarks.quick [--users 64] [--seconds 5] [--only poll|wait|one]

The model iris must be live there. Figures of a machine that others use too are for comparing, not for quoting: the last
column says how many cores other programs took meanwhile.
"""

import argparse
import os
import pathlib
import time

import uvloop

from benchmarks import inputs, load, stack, users

FASTEST = 16000
"""Jobs a second for which inputs are made beforehand."""


async def main(given: argparse.Namespace) -> int:
    """Measure and print; 1 where an answer was wrong."""
    found = stack.Stack.at(pathlib.Path(os.environ.get("PANINI_HOME", ".panini")))
    target, wrong = found.target(), 0
    pace = users.Pace(first=given.poll / 1000, factor=1.0) if given.poll else users.Pace()
    scenarios = {"poll": (given.users, users.poll(pace)), "wait": (given.users, users.wait), "one": (1, users.wait)}
    print(f"{'':6}{'jobs/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'polls':>7}   CPU µs a job")
    for name in given.only or ["poll", "wait", "one"]:
        count, act = scenarios[name]
        spell = load.Spell(warm=given.warm, measured=given.seconds)
        fastest = FASTEST if count > 1 else 1000
        ready = inputs.prepared(f"{time.time_ns()}", int(fastest * (spell.warm + spell.measured)))
        outcome = await load.closed(count, act, target, ready, roles=found.roles(), spell=spell)
        print(line(name, outcome), flush=True)
        if outcome.wrong:
            wrong = 1
            print(f"       {outcome.wrong} WRONG answers, such as {outcome.example}")
    return wrong


def line(name: str, outcome: load.Outcome) -> str:
    """One scenario, for people."""
    cost = outcome.cpu_per_job()
    own = sum(cost.values())
    parts = "  ".join(f"{role} {micros:.0f}" for role, micros in cost.items())
    return (
        f"{name:6}{outcome.rate:8,.0f}{1000 * outcome.quantile(0.5):8.1f}{1000 * outcome.quantile(0.99):8.1f}"
        f"{outcome.looks / max(1, outcome.jobs):7.1f}   {parts}  | all {own:.0f}, without client"
        f" {own - cost.get('client', 0.0):.0f} · others used {outcome.elsewhere:.2f} cores"
    )


def run() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=64, help="users at once")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds measured, a scenario")
    parser.add_argument("--warm", type=float, default=1.0, help="seconds before that")
    parser.add_argument("--only", action="append", choices=["poll", "wait", "one"], help="this scenario (again: more)")
    parser.add_argument("--poll", type=float, help="milliseconds between looks, fixed; default: 4, growing to 50")
    return uvloop.run(main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(run())
