"""A worker's pieces without Kafka, Redis and runners: records, a model, and a fleet that does as it is told."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

import msgspec

from results import errors as store_errors
from results import memory, protocol, records
from wire import envelope, specs
from wire import jobs as words
from workers import fleet, outcomes, pipeline, source

MODEL = specs.Model(
    account="default",
    account_uid=1,
    model="m",
    model_uid=7,
    topic_uuid="TTTTTTTTTTTTTTTTTTTTTT",
    live=1,
    versions=[],
)

Predict = Callable[[list[Any]], list[outcomes.Outcome] | outcomes.Ran]


def record(value: object, *, offset: int = 0, partition: int = 0, **more: Any) -> source.Record:
    """A record: `value` as bytes, or what is encoded as msgpack."""
    known: dict[str, Any] = {
        "topic": "panini.default.m.jobs",
        "timestamp": more.pop("timestamp", 4_000_000_000_000),  # far ahead: nothing of it expires
        "headers": (),
        "generation": 1,
    }
    raw = value if isinstance(value, bytes) or value is None else msgspec.msgpack.encode(value)
    return source.Record(offset=offset, partition=partition, value=raw, **(known | more))


def several(*inputs: Any, first: int = 0, generation: int = 1) -> list[source.Record]:
    """One record a job, ids `a0`, `a1` …"""
    return [
        record({"id": f"a{first + i}", "input": x}, offset=first + i, generation=generation)
        for i, x in enumerate(inputs)
    ]


def output(value: Any) -> outcomes.Output:
    """predict() answered `value`."""
    return outcomes.Output(json.dumps(value).encode())


def double(inputs: list[Any]) -> list[outcomes.Outcome]:
    """A model that answers each input with its double."""
    return [output(2 * x) for x in inputs]


def lost(kind: words.ErrorType = words.ErrorType.CRASHED, *, began: bool = True) -> outcomes.Lost:
    """The runner ended before it answered."""
    return outcomes.Lost(kind, "the runner was ended by SIGSEGV", began=began)


class Fleet:
    """Runs `predict` on what it is given; every call is kept."""

    def __init__(self, predict: Predict = double, *, live: int = 1, most: int = 64) -> None:
        self.predict = predict
        self.live = live
        self.ready_at = 0
        self.most = most
        self.calls: list[tuple[int, list[Any], list[float | None]]] = []
        self.larger: list[int] = []
        """Sizes of batches that were too large."""
        self.within: list[float] = []
        """Seconds that each batch was given."""
        self.policy = specs.Retry()
        self.begun: set[str] = set()
        """Jobs with which predict() began, as the runner tells."""
        self.canceled: list[str] = []
        """Jobs that the runner was asked to leave out."""
        self.gate: Callable[[], Awaitable[object]] | None = None
        """Awaited in every run before it answers."""

    async def ready(self) -> None:
        """At once."""

    def limit(self, number: int, most: int, *, within: float) -> int:
        """As it was told."""
        self.within.append(within)
        return min(self.most, most)

    def in_time(self, number: int, size: int, due: list[tuple[int, float]]) -> int:
        """As many."""
        return size

    def coming(self, number: int, size: int) -> Callable[[], None]:
        """Nobody wants to know."""
        return lambda: None

    def too_large(self, number: int, size: int) -> None:
        """Noted."""
        self.larger.append(size)

    async def turn(self, number: int) -> None:
        """At once."""

    def retry(self, number: int) -> specs.Retry:
        """As it was told."""
        return self.policy

    def waits(self, number: int, job_id: str) -> bool:
        """Whether it did not begin."""
        return job_id not in self.begun

    async def cancel(self, number: int, job_id: str) -> None:
        """Noted."""
        self.canceled.append(job_id)

    async def run(self, number: int, work: Sequence[fleet.Work]) -> outcomes.Ran:
        """Predict."""
        for one in work:
            one.canceled()
        inputs = [decoded(one.input) for one in work]
        self.calls.append((number, inputs, [one.timeout for one in work]))
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate()
        found = self.predict(inputs)
        return found if isinstance(found, outcomes.Ran) else outcomes.Ran(found, 1.0)

    @property
    def inputs(self) -> list[list[Any]]:
        """The inputs of each call."""
        return [inputs for _, inputs, _ in self.calls]


class Away(memory.Store):
    """A store that is away while `away` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.reads_away = False
        """Reads fail; claims and ends are stored."""
        self.refused = 0

    def _there(self) -> None:
        if self.away:
            self.refused += 1
            raise store_errors.StoreUnavailable("away")

    async def claim(self, *args: Any, **kwargs: Any) -> list[protocol.Claimed]:
        self._there()
        return await super().claim(*args, **kwargs)

    async def finish(self, *args: Any, **kwargs: Any) -> list[bool]:
        self._there()
        return await super().finish(*args, **kwargs)

    async def fetch_many(self, *args: Any, **kwargs: Any) -> list[records.Record | None]:
        if self.reads_away:
            raise store_errors.StoreUnavailable("away")
        return await super().fetch_many(*args, **kwargs)


class Bench:
    """A pipeline between records and a store in memory."""

    def __init__(
        self, versions: Fleet | None = None, *, store: memory.Store | None = None, drain: float = 5.0,
        model: Callable[[], specs.Model] = lambda: MODEL, **bounds: Any,
    ) -> None:  # fmt: skip
        self.fleet = versions or Fleet()
        self.store = store or memory.Store()
        self.finished: list[int] = []
        """Offsets, in the order in which their records finished."""
        double: Any = self.fleet  # of the methods that the pipeline uses
        self.pipeline = pipeline.Pipeline(
            model=model,
            store=self.store,
            versions=double,
            finished=lambda one: self.finished.append(one.offset),
            drain=drain,
            **({"max_batch": 64, "max_queue": 2000, "in_flight": 2} | bounds),
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.pipeline.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def run(self, records: list[source.Record]) -> None:
        """Take records and return when all are finished."""
        self.pipeline.receive(records)
        await self.until(lambda: {one.offset for one in records} <= set(self.finished))

    async def until(self, true: Callable[[], object]) -> None:
        """Let everything go on until it is true."""
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110  any condition of the test's, which has no event
                await asyncio.sleep(0)

    async def settled(self, turns: int = 200) -> None:
        """Give everything that could go on the time to do so."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def job(self, job_id: str) -> Any:
        """(status, output or error type)."""
        found = await self.store.fetch("default", "m", job_id)
        if found is None:
            return None
        if found.output is not None:
            return found.status.value, json.loads(found.output)
        return found.status.value, found.details.error.type if found.details.error else None


def decoded(raw: msgspec.Raw) -> Any:
    """An input's value."""
    value = msgspec.msgpack.decode(raw)
    if isinstance(value, msgspec.msgpack.Ext):
        assert value.code == envelope.JSON_TEXT
        return json.loads(bytes(value.data))
    return value
