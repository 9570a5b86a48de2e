"""What a job costs in the API process: read, checked, written to Kafka; later woken for, and answered."""

import asyncio
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Final

import msgpack  # type: ignore[import-untyped]  # ships no stubs

from benchmarks import client, inputs, load, servers, targets, usage, users
from benchmarks.travel import aside, meter, place
from ingest import accept, floods, known, notes, producer
from ingest import settings as ingest_settings
from panini.stack import ports
from results import answers, caching, keys, link, looking, store, waiting

ROOT: Final = pathlib.Path(__file__).resolve().parents[2]
COMPANY: Final = load.Spell(warm=0.5, measured=2.0)
ALONE: Final = load.Spell(warm=0.5, measured=6.0)
"""Longer, since /proc counts CPU in hundredths of a second."""


async def requests(at: place.Place, sizes: Sequence[int]) -> tuple[meter.Step, meter.Step]:
    """Reading a request and writing its answer: a POST, and a GET."""
    port = ports.any_free()
    argv: list[str | pathlib.Path] = [sys.executable, "-m", "benchmarks.travel.front", str(port)]
    with tempfile.TemporaryDirectory(prefix="panini-travel-") as folder:
        server = servers.Server("front", argv, folder=pathlib.Path(folder), cwd=ROOT)
        server.start()
        try:
            server.until(lambda: servers.listens(port), "it listens")
            target = targets.Target(
                host=ports.HOST,
                port=port,
                submit=f"/v1/models/{place.MODEL}/jobs",
                look="/v1/jobs/",
                headers=f"Authorization: Bearer {place.KEY}\r\n",
            )
            roles = [usage.Role(name="api", roots=(server.pid,))]
            found: tuple[dict[int, meter.Costs], dict[int, meter.Costs]] = {}, {}
            for size in sizes:
                spell = ALONE if size == 1 else COMPANY
                for costs, act in zip(found, _acts(size), strict=True):
                    outcome = await load.closed(size, act, target, at.items, roles=roles, spell=spell)
                    costs[size] = {"api": outcome.cpu_per_job()["api"]}
        finally:
            server.stop()
    return (
        meter.Step(name="read the request, find its key and model; send the answer", costs=found[0]),
        meter.Step(name="read a GET, send its answer", costs=found[1]),
    )


def _acts(size: int) -> tuple[users.Act, users.Act]:
    """A POST that waits, and a GET of a job that has ended; alone after a pause."""
    pauses = [meter.PAUSE] if size == 1 else []

    def post(target: targets.Target, item: inputs.Item, log: users.Log, began: float) -> client.User:
        yield from pauses
        yield from users.wait(target, item._replace(answer=b""), log, began)

    def get(target: targets.Target, item: inputs.Item, log: users.Log, began: float) -> client.User:
        yield from pauses
        body = targets.ended((yield target.get(b"j_" + b"A" * 32)))
        log.finished(began, item._replace(answer=b""), body or b"")

    return post, get


class _Kafka:
    """In the producer's place: acknowledges at once, and notes when it was asked."""

    def __init__(self) -> None:
        self.asked = 0.0

    async def accept(self, _topic: str, _content: bytes) -> producer.Place:
        """See producer.Producer."""
        self.asked = time.thread_time()
        return producer.Place(0, 12345)


class _Waiters:
    """In the waiters' place: every job has ended."""

    channel = place.CHANNEL

    def __init__(self) -> None:
        self._value = place.ended()

    def expect(self, _account: str, _model: str, _job_id: str) -> "asyncio.Future[bytes]":
        """See waiting.Waiters."""
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        done.set_result(self._value)
        return done

    def forget(self, _account: str, _model: str, _job_id: str, _future: "asyncio.Future[bytes]") -> None:
        """See waiting.Waiters."""


async def accepting(at: place.Place, over: link.Link, sizes: Sequence[int]) -> tuple[meter.Step, meter.Step]:
    """From a body to the bytes for Kafka; and from a job's record to the answer's JSON."""
    kept, options, endpoint = store.Store(over), ingest_settings.Settings.load(), place.endpoint()
    kafka = _Kafka()
    acceptor = accept.Acceptor(
        signer=at.signer,
        kafka=kafka,  # type: ignore[arg-type]  # stands for it here
        waiters=_Waiters(),  # type: ignore[arg-type]  # likewise
        flooded=floods.Floods(unfinished=kept.unfinished, most=1 << 30),
        noted=notes.Notes(kept, most=options.ingest_notes),
        answers=known.Known(store=kept, answers=caching.Cache(over)),
    )
    wanted = accept.Wanted(wait=30.0, key="k")
    before, after = dict[int, meter.Costs](), dict[int, meter.Costs]()
    for size in sizes:
        spent = [0.0, 0.0]

        async def submit(body: bytes, spent: list[float] = spent) -> None:
            began = time.thread_time()
            await acceptor.submit(endpoint, body, wanted)
            spent[0] += kafka.asked - began
            spent[1] += time.thread_time() - kafka.asked

        bodies = [at.body() for _ in range(meter.jobs(size))]
        await at.meter.each(submit, bodies, size)
        before[size], after[size] = ({"api": 1e6 * seconds / len(bodies)} for seconds in spent)
    return (
        meter.Step(name="check the input, make the id and the envelope", costs=before),
        meter.Step(name="note that it is on its way; make the answer of its record", costs=after),
    )


async def producing(at: place.Place, sizes: Sequence[int]) -> meter.Step:
    """Written to Kafka and acknowledged."""
    options = ingest_settings.Settings.load()
    into = producer.Producer(
        kafka_python=at.connections.kafka_python(),
        buffer_bytes=options.ingest_buffer,
        ack_timeout=options.ingest_ack_timeout,
    )
    await into.start()
    try:
        async with asyncio.timeout(10):
            while not into.connected:  # noqa: ASYNC110  the producer tells nobody
                await asyncio.sleep(0.05)
        for _ in range(200):
            await into.accept(at.topic, at.encoded())
        await at.meter.rest()
        costs, took = {}, {}
        for size in sizes:
            ready = [at.encoded() for _ in range(meter.jobs(size))]
            found = await at.meter.each(lambda content: into.accept(at.topic, content), ready, size)
            costs[size] = {
                "api": found[meter.LOOP] + found[meter.THREADS],
                "kafka": found["kafka"],
            }
            took[size] = found[meter.WALL] / 1000
    finally:
        await into.stop()
    return meter.Step(name="write it to Kafka, get the acknowledgement", costs=costs, alone_ms=took[sizes[0]])


async def waking(at: place.Place, sizes: Sequence[int]) -> meter.Step:
    """Told of the ends of jobs that POSTs wait for."""
    over = link.Link(at.connections)
    waiters = waiting.Waiters(over, store.Store(over))
    running = asyncio.create_task(waiters.run())
    publisher = aside.Publisher(at, waiters.channel)
    value, costs = place.ended(), {}

    async def wait(batch: tuple[list[str], bytes]) -> None:
        ids, message = batch
        expected = [waiters.expect(place.ACCOUNT, place.MODEL, job_id) for job_id in ids]
        publisher.give(message)
        for one in [asyncio.ensure_future(waiting.within(each, 30.0)) for each in expected]:
            await one

    try:
        await asyncio.sleep(0.3)
        await at.meter.rest()
        for size in sizes:
            ready = []
            for _ in range(meter.jobs(size) // size):
                ids = [at.job_id() for _ in range(size)]
                told = [(keys.job(place.ACCOUNT, place.MODEL, job_id), value) for job_id in ids]
                ready.append((ids, msgpack.packb(told)))
            costs[size] = {"api": (await at.meter.batches(wait, ready, size))[meter.LOOP]}
    finally:
        publisher.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await over.aclose()
    return meter.Step(name="hear of its end, wake who waits", costs=costs)


async def reading(at: place.Place, over: link.Link, ended: Sequence[str], sizes: Sequence[int]) -> meter.Step:
    """A GET of jobs that have ended, without the request."""
    kept = store.Store(over)
    found = answers.Results(kept, waiting.Waiters(over, kept), at.signer)
    known_here = await place.known()
    key = next(iter(place.snapshot().keys.values()))
    costs = {}

    async def get(job_id: str) -> None:
        said = looking.look(found, known_here, key, job_id, None)
        assert isinstance(said, looking.Later)
        await said.future
        answer = said.then(said.future)
        assert isinstance(answer, answers.Answer)
        assert answer.status == 200

    await at.meter.rest()
    for size in sizes:
        paid = await at.meter.each(get, ended[: meter.jobs(size)], size)
        costs[size] = {"api": paid[meter.LOOP], "valkey": paid["valkey"]}
    return meter.Step(name="look the job up", costs=costs)
