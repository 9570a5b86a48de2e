"""What a job costs in the worker and its runner: decoded, batched, claimed, run, finished."""

import asyncio
import os
import secrets
import shutil
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks import subjects, usage
from benchmarks.travel import aside, meter, place
from results import link, protocol, records, store
from wire import jobs as words
from workers import ends, environments, fleet, host, jobs, outcomes, pipeline, runner_settings, source
from workers import settings as worker_settings


async def decoding(at: place.Place, sizes: Sequence[int]) -> meter.Step:
    """Of a record the jobs."""

    async def read(record: source.Record) -> None:
        at.read(record)

    await at.meter.rest()
    costs = {}
    for size in sizes:
        ready = [at.record(size) for _ in range(meter.jobs(size) // size)]
        costs[size] = {"worker": (await at.meter.batches(read, ready, size))[meter.LOOP]}
    return meter.Step(name="decode its jobs", costs=costs)


class _Store:
    """In the store's place: agrees at once."""

    _claimed = protocol.Claimed(id="", verdict=protocol.Verdict.RUN, token="0" * 16, starts=1, version=1)

    async def claim(self, _account: str, _model: str, requests: list[Any], **_: Any) -> list[protocol.Claimed]:
        return [self._claimed] * len(requests)

    async def finish(self, _account: str, _model: str, ended: list[Any]) -> list[bool]:
        return [True] * len(ended)


class _Runner:
    """In the runner's place: answers at once."""

    alive = True
    _output = outcomes.Output(place.OUTPUT)

    async def run(self, inputs: Sequence[bytes], **_: Any) -> outcomes.Ran:
        return outcomes.Ran([self._output] * len(inputs), 0.02 * len(inputs))

    async def stop(self) -> None:
        """Nothing runs."""


class _Host:
    async def spawn(self, _spec: Any, **_: Any) -> _Runner:
        return _Runner()


async def carrying(at: place.Place, sizes: Sequence[int], decoded: meter.Step) -> meter.Step:
    """Through the pipeline, where store and runner answer at once: queues, batches, bookkeeping, the words of it."""
    model, done = at.model(), asyncio.Event()

    async def prepare(_: Any) -> Any:
        return None

    versions = fleet.Fleet(
        model=lambda: model,
        runs_on=_Host(),  # type: ignore[arg-type]  # stands for it here
        prepare=prepare,
        log_line=lambda _number, _line: None,
    )
    options = worker_settings.Settings.load()
    carried = pipeline.Pipeline(
        model=lambda: model,
        store=_Store(),  # type: ignore[arg-type]  # likewise
        versions=versions,
        finished=lambda _: done.set(),
        max_batch=options.worker_max_batch,
        max_queue=options.worker_queue,
        in_flight=options.worker_in_flight,
        drain=0.0,
    )

    async def carry(record: source.Record) -> None:
        done.clear()
        carried.receive([record])
        await done.wait()

    await versions.go_live(1)
    running = asyncio.create_task(carried.run())
    try:
        for warm in [at.record(size) for size in sizes for _ in range(50)]:
            await carry(warm)
        await at.meter.rest()
        costs = {}
        for size in sizes:
            found = await at.meter.batches(carry, [at.record(size) for _ in range(meter.jobs(size) // size)], size)
            costs[size] = {"worker": max(found[meter.LOOP] - decoded.costs[size]["worker"], 0.0)}
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await versions.stop()
    return meter.Step(
        name="queue it, take a batch, keep the books",
        costs=costs,
    )


async def storing(
    at: place.Place, over: link.Link, sizes: Sequence[int]
) -> tuple[meter.Step, meter.Step, dict[int, list[str]]]:
    """Claim and finish; and the ids of what ended, by how many at once."""
    kept, model = store.Store(over), at.model()
    claims: dict[int, meter.Costs] = {}
    finishes: dict[int, meter.Costs] = {}
    ended: dict[int, list[str]] = {}

    async def claim(requests: list[protocol.ClaimRequest]) -> None:
        await kept.claim(place.ACCOUNT, place.MODEL, requests, now_ms=place.now_ms())

    async def finish(batch: list[protocol.End]) -> None:
        assert all(await kept.finish(place.ACCOUNT, place.MODEL, batch))

    listener = aside.Listener(at, place.CHANNEL)
    try:
        await at.meter.rest()
        for size in sizes:
            read = [at.read(at.record(size)) for _ in range(meter.jobs(size) // size)]
            now = place.now_ms()
            asked = [
                [ends.request(job, 1, token=secrets.token_hex(8), model=model, now=now) for job in batch]
                for batch in read
            ]
            claims[size] = await at.meter.batches(claim, asked, size)
            over_now = [
                [_end(job, request.token, model) for job, request in zip(batch, requests, strict=True)]
                for batch, requests in zip(read, asked, strict=True)
            ]
            finishes[size] = await at.meter.batches(finish, over_now, size)
            ended[size] = [job.id for batch in read for job in batch]
    finally:
        listener.close()
    return (
        _step("claim it", claims),
        _step("store its end, tell who waits", finishes),
        ended,
    )


def _step(name: str, found: dict[int, meter.Costs]) -> meter.Step:
    costs = {size: {"worker": one[meter.LOOP], "valkey": one["valkey"]} for size, one in found.items()}
    return meter.Step(name=name, costs=costs, alone_ms=found[min(found)][meter.WALL] / 1000)


def _end(job: jobs.Job, token: str, model: Any) -> protocol.End:
    now = place.now_ms()
    timings = records.Timings(1.0, 0.4, 0.3, 64)
    output = outcomes.Output(place.OUTPUT)
    return ends.of(job, token, output, model=model, started=now, now=now, timings=timings)


async def running(at: place.Place, sizes: Sequence[int]) -> tuple[meter.Step, meter.Step]:
    """To a runner of iris and back; and predict() itself, by its own account."""
    own = at.folders
    bundle = own.versions / "iris"
    await asyncio.to_thread(shutil.copytree, subjects.IRIS, bundle, dirs_exist_ok=True)
    options = runner_settings.RunnerSettings.load()
    requirements = (bundle / "requirements.txt").read_bytes()
    interpreter = await environments.make(requirements, home=own, settings=options, log=lambda _: None)
    spec = host.Spec(
        bundle=bundle, weights="iris.joblib", input=words.InputType.FLOATS, interpreter=interpreter, folders=own
    )
    before = set(usage.below(os.getpid()))
    runner = await host.LocalHost(options).spawn(spec, on_log=lambda _: None)
    try:
        at.meter.watch("runner", [pid for pid in usage.below(os.getpid()) if pid not in before])
        travel, predict, took = {}, {}, {}
        await at.meter.rest()
        for size in sizes:
            spent: list[float] = []

            async def run(jobs_of_it: list[jobs.Job], spent: list[float] = spent) -> None:
                inputs = [bytes(job.envelope.input) for job in jobs_of_it if job.envelope is not None]
                ran = await runner.run(inputs, together=True, timeout=60, ids=[job.id for job in jobs_of_it])
                spent.append(1000 * ran.predict_ms / len(inputs))

            ready = [at.read(at.record(size)) for _ in range(meter.jobs(size) // size)]
            found = await at.meter.batches(run, ready, size)
            predict[size] = {"runner": statistics.median(spent)}
            own_part = max(found["runner"] - predict[size]["runner"], 0.0)
            travel[size] = {"worker": found[meter.LOOP], "runner": own_part}
            took[size] = (found[meter.WALL] - predict[size]["runner"] * size) / 1000
    finally:
        await runner.stop()
        at.meter.watch("runner", [])
    return (
        meter.Step(name="to the runner and back", costs=travel, alone_ms=took[sizes[0]]),
        meter.Step(name="predict()", costs=predict),
    )
