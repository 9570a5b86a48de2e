"""What must stay flat: the cost of a job as its backlog grows, and as idle models do; memory as jobs are served.

    python -m benchmarks.flat [--only depth|crowd|growth] [--dry]

depth   a backlog of 1,000,000 records of one job, fed while the worker stands still: CPU a job by process, of its
        first and its last 20,000 and of backlogs of 20,000 (benchmarks/depth.py)
crowd   1 model and 100, all but one asleep: CPU while idle, and a job's with one in use (benchmarks/crowd.py)
growth  resident memory of each process after 10,000 and 200,000 jobs (benchmarks/growth.py)

Each has a stack of its own, from an empty folder. Writes a table each into docs/performance.md.
"""

import argparse
import asyncio
import pathlib
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvloop

from benchmarks import crowd, depth, growth, tables

DOCS: Final = pathlib.Path(__file__).resolve().parent.parent / "docs"


async def main(given: argparse.Namespace) -> int:
    """Measure, print, write; 1 where an answer was wrong."""
    parts: dict[str, tuple[Callable[[pathlib.Path], Awaitable[dict[str, Any]]], Callable[[dict[str, Any]], str]]] = {
        "depth": (lambda folder: depth.measure(folder, given.records, given.seed), depth.markdown),
        "crowd": (lambda folder: crowd.measure(folder, given.models, given.seconds), crowd.markdown),
        "growth": (lambda folder: growth.measure(folder, (10_000, given.jobs)), growth.markdown),
    }
    wrong = 0
    for name in given.only or parts:
        measure, markdown = parts[name]
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="panini-bench-") as folder:
            found = await measure(pathlib.Path(folder))
        text = markdown(found)
        print(f"{text}\n\n{name}: {time.monotonic() - began:.0f} s\n", flush=True)
        wrong += found["deep"]["wrong"] if name == "depth" else 0
        if not given.dry:
            await asyncio.to_thread(tables.insert, DOCS / "performance.md", f"flat-{name}", text)
    return int(wrong > 0)


def run() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flat", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=["depth", "crowd", "growth"], help="this part (again: more)")
    parser.add_argument("--records", type=int, default=1_000_000, help="of the backlog; default 1,000,000")
    parser.add_argument("--models", type=int, default=100, help="of the crowd; default 100")
    parser.add_argument("--jobs", type=int, default=200_000, help="that memory is looked at after; default 200,000")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load beside the crowd; default 5")
    parser.add_argument("--seed", default="2019", help="of the inputs; default 2019")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    return uvloop.run(main(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(run())
