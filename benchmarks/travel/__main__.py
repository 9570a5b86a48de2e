"""The command: start a stack, measure whole jobs and every step, print and write the tables.

python -m benchmarks.travel [--dry]
"""

import argparse
import asyncio
import logging
import pathlib
import signal
import sys
import tempfile
from typing import Final

import uvloop

from benchmarks import local, subjects, tables
from benchmarks.travel import page, place, steps, whole
from panini import memory

PAGE: Final = pathlib.Path(__file__).resolve().parents[2] / "docs" / "how-a-job-travels.md"


async def main(given: argparse.Namespace) -> int:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory(prefix="panini-travel-") as folder:
        system = local.Panini(pathlib.Path(folder), subjects.Iris())
        try:
            await asyncio.to_thread(system.start)
            parts = await (_times if given.times else _all)(system)
        finally:
            await asyncio.to_thread(system.close)
    for name, text in parts.items():
        print(f"\n{text}")
        if not given.dry:
            tables.insert(PAGE, name, text)
    return 0


async def _all(system: local.Panini) -> dict[str, str]:
    many = await whole.loaded(system, 64)
    print(page.told("64 users", many), flush=True)
    one = await whole.loaded(system, 1)
    print(page.told("one user", one), flush=True)
    lone = [await whole.lone(system, pause) for pause in whole.PAUSES]
    idle = await asyncio.to_thread(local.idle, system, 3.0)
    at = await place.Place.on(system.stack)
    memory.settle()
    way = await steps.measure(at, (1, min(max(round(many.batch), 2), 48), 64))
    return page.parts(page.Found(way=way, many=many, one=one, lone=lone, idle=idle))


async def _times(system: local.Panini) -> dict[str, str]:
    print(page.told("64 users, to warm up", await whole.loaded(system, 64)), flush=True)
    return {"time": page.times([await whole.lone(system, pause) for pause in whole.PAUSES])}


def run() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.travel", description=__doc__.partition("\n")[0])
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    parser.add_argument("--times", action="store_true", help="only where the time of a lone job goes: 45 seconds")
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # it warns of a password in the clear, on loopback
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # as Ctrl-C: everything is stopped on the way out
    try:
        return uvloop.run(main(given))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(run())
