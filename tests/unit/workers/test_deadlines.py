"""A deadline that passes while a worker holds the job: it ends then, unless predict() has begun with it."""

import asyncio
import time
from typing import Any

import pytest

from tests.unit.workers import kit
from workers import source, waiting


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK", 0.0)


def now() -> int:
    return time.time_ns() // 1_000_000


def timed(job_id: str, deadline: int, offset: int, **more: Any) -> source.Record:
    return kit.record({"id": job_id, "input": offset, "deadline": deadline}, offset=offset, **more)


async def test_a_job_behind_long_batches_ends_ahead_of_its_turn() -> None:
    fleet, hold = kit.Fleet(most=1), asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet, in_flight=1) as bench:
        bench.pipeline.receive(kit.several(0))
        await bench.until(lambda: fleet.calls)

        far = now() + 10**7
        bench.pipeline.receive([timed("late", now() + 20, 1), timed("early", far, 2), *kit.several(3, first=3)])
        await bench.until(lambda: 1 in bench.finished)

        assert bench.finished == [1], "its record counts as finished, those around it wait on"
        assert await bench.job("late") == ("expired", None)
        hold.set()
        await bench.until(lambda: len(bench.finished) == 4)
        assert fleet.inputs == [[0], [2], [3]]


async def test_a_maximum_age_passes_in_the_queue_too() -> None:
    fleet, hold = kit.Fleet(most=1), asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet, in_flight=1) as bench:
        bench.pipeline.receive(kit.several(0))
        await bench.until(lambda: fleet.calls)

        stamp = now() - kit.MODEL.max_age * 1000 + 20
        bench.pipeline.receive([kit.record({"id": "old", "input": 1}, offset=1, timestamp=stamp)])
        await bench.until(lambda: 1 in bench.finished)

        assert await bench.job("old") == ("expired", None)
        hold.set()


async def test_a_claimed_job_that_has_not_begun_ends_at_its_deadline() -> None:
    fleet, hold = kit.Fleet(), asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive([timed("waits", now() + 100, 0), *kit.several(1, first=1)])
        await bench.until(lambda: fleet.calls)

        await bench.until(lambda: fleet.canceled)
        assert await bench.job("waits") == ("expired", None)
        assert fleet.canceled == ["waits"], "the runner is told to leave it out"
        hold.set()
        await bench.until(lambda: len(bench.finished) == 2)
        assert await bench.job("waits") == ("expired", None), "an answer that came all the same changes nothing"
        assert await bench.job("a1") == ("succeeded", 2)


async def test_a_job_that_has_begun_goes_on_past_its_deadline() -> None:
    fleet, hold = kit.Fleet(), asyncio.Event()
    fleet.gate = hold.wait
    fleet.begun.add("runs")
    async with kit.Bench(fleet) as bench:
        deadline = now() + 50
        bench.pipeline.receive([timed("runs", deadline, 0)])
        await bench.until(lambda: fleet.calls)
        await bench.until(lambda: now() > deadline)
        await bench.settled()

        hold.set()
        await bench.until(lambda: bench.finished)
        assert await bench.job("runs") == ("succeeded", 0)
        assert fleet.canceled == []
