"""What a job costs in worker and runner: CPU microseconds a job of `runner.run` at several batch sizes.

    python benchmarks/runner.py [jobs]

The model is like iris: four floats in, one small number out, pure Python, so that what is measured is ours.
"""

import asyncio
import os
import pathlib
import resource
import sys
import tempfile
import time

from wire import envelope, jobs
from workers import folders, host, runners

PREDICT = "def predict(inputs):\n    return [int(x[2] > 2.5) for x in inputs]\n"
INPUT = bytes(envelope.json_input(b"[5.1, 3.5, 1.4, 0.2]"))


async def main(total: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = pathlib.Path(name)
        bundle = home / "versions" / "b"
        bundle.mkdir(parents=True)
        (bundle / "predict.py").write_text(PREDICT)
        spec = host.Spec(bundle=bundle, folders=folders.Folders(home=home, owner="b"), input=jobs.InputType.JSON)
        made = host.LocalHost()
        for _ in range(3):
            started = time.perf_counter()
            runner = await made.spawn(spec, on_log=print)
            level = made.isolation.level if made.isolation else ""
            print(f"start {1000 * (time.perf_counter() - started):.0f} ms ({level})")
            await runner.stop()
        runner = await made.spawn(spec, on_log=print)
        print("batch  in flight  together   jobs/s   worker µs/job   runner µs/job")
        for batch in (1, 16, 64):
            for in_flight in (1, 2):
                for together in (False, True):
                    await measure(runner, batch=batch, in_flight=in_flight, together=together, total=total)
        await runner.stop()


async def measure(runner: runners.Runner, *, batch: int, in_flight: int, together: bool, total: int) -> None:
    calls = max(1, total // batch)
    inputs, ids = [INPUT] * batch, [f"j_{n:030}" for n in range(batch)]
    left = calls

    async def one() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await runner.run(inputs, together=together, timeout=30, ids=ids)

    mine, theirs, started = _cpu(), _child_cpu(), time.perf_counter()
    await asyncio.gather(*(one() for _ in range(in_flight)))
    seconds, done = time.perf_counter() - started, calls * batch
    worker, child = (_cpu() - mine) / done * 1e6, (_child_cpu() - theirs) / done * 1e6
    print(f"{batch:5}  {in_flight:9}  {together!s:8}  {done / seconds:7,.0f}  {worker:14.1f}  {child:14.1f}")


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _child_cpu() -> float:
    """CPU seconds of all processes below this one, so far."""
    parents, used = {}, {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.parent.name)
        parents[pid], used[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(used[pid] for pid in below - {os.getpid()})


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
