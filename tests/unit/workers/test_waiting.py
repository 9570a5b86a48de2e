"""The two lanes of a worker: bounded each by itself, and whose batch goes to the runner."""

import asyncio
import contextlib
import math
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.workers import kit
from wire import names
from workers import jobs, lanes, outcomes, source, tickets, waiting

JOBS, BULK = names.jobs_topic("default", "m"), names.bulk_topic("default", "m")
LATER = names.later_topic("default", "m", "10s")


def bulk(*inputs: Any, first: int = 0) -> list[source.Record]:
    """One record a job in the bulk lane, ids `b0`, `b1` …"""
    return [
        kit.record({"id": f"b{first + i}", "input": x}, offset=1000 + first + i, topic=BULK)
        for i, x in enumerate(inputs)
    ]


def parked(value: int, **ticket: Any) -> source.Record:
    """A job that comes from being parked, due."""
    known: dict[str, Any] = {"due": 0, "place": (2, 7, 0), "stamp": 4_000_000_000_000}
    made = tickets.Ticket(**(known | ticket))
    headers = tickets.headers(made)
    return kit.record({"id": f"p{value}", "input": value}, offset=2000 + value, topic=LATER, headers=headers)


def inputs(fleet: kit.Fleet) -> list[Any]:
    """Everything that ran, in order."""
    return [x for call in fleet.inputs for x in call]


async def test_bulk_alone_uses_all_that_there_is() -> None:
    async with kit.Bench() as bench:
        await bench.run(bulk(*range(200)))
        assert await bench.job("b7") == ("succeeded", 14)
        assert sorted(inputs(bench.fleet)) == list(range(200))


async def test_bulk_batches_are_short_while_there_are_interactive_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: now[0]))
    async with kit.Bench() as bench:
        # Given bulk alone, then with an interactive job, and long after it
        await bench.run(bulk(1))
        await bench.run(kit.several(2))
        await bench.run(bulk(3, first=1))
        now[0] += lanes.LATELY
        await bench.run(bulk(4, first=2))
        # Then only in between is a bulk batch's time bounded, and the interactive one's never
        assert bench.fleet.within == [math.inf, math.inf, lanes.BESIDE, math.inf]


async def test_an_interactive_job_waits_for_one_bulk_batch_at_most() -> None:
    # Given a bulk batch that runs, and many behind it
    fleet = kit.Fleet(most=2)
    turn = asyncio.Semaphore(0)
    fleet.gate = turn.acquire
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive(bulk(*range(20)))
        await bench.until(lambda: fleet.calls)
        await bench.settled()
        assert inputs(fleet) == [0, 1], "the next one does not enter the runner behind it"
        # When an interactive job arrives
        bench.pipeline.receive(kit.several(99))
        await bench.settled()
        turn.release()
        # Then it is next, though another bulk batch was claimed before it came
        await bench.until(lambda: len(fleet.calls) > 1)
        for _ in range(20):
            turn.release()
        await bench.until(lambda: len(bench.finished) == 21)
        assert inputs(fleet)[:3] == [0, 1, 99]


async def test_bulk_does_not_starve_behind_interactive_jobs() -> None:
    # Given interactive jobs without end, and a bulk job
    fleet = kit.Fleet(most=1)
    turn = asyncio.Semaphore(0)
    fleet.gate = turn.acquire
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive(kit.several(*range(100)))
        await bench.until(lambda: fleet.calls)
        bench.pipeline.receive(bulk(1000))
        # When they are worked off one by one
        for _ in range(3 * lanes.PATIENCE):
            turn.release()
            await bench.settled(20)
        # Then its turn comes
        assert 1000 in inputs(fleet)
        assert inputs(fleet).index(1000) <= 2 * lanes.PATIENCE + 2


async def test_bulk_has_the_runner_while_an_interactive_job_is_stored() -> None:
    # Given a runner that bulk leaves to an interactive job, and a store that is slow to take its end
    fleet = kit.Fleet(most=2)
    async with kit.Bench(fleet) as bench:
        let_go = asyncio.Event()
        finish = bench.store.finish

        async def slow(*arguments: Any, **words: Any) -> Any:
            if inputs(fleet) == [99]:
                await let_go.wait()
            return await finish(*arguments, **words)

        bench.store.finish = slow  # type: ignore[method-assign]
        bench.pipeline.receive(kit.several(99))
        await bench.until(lambda: fleet.calls)
        # When bulk comes
        bench.pipeline.receive(bulk(1, 2))
        # Then it runs, before that end is stored
        await bench.until(lambda: inputs(fleet) == [99, 1, 2])
        let_go.set()
        await bench.until(lambda: len(bench.finished) == 3)


async def test_each_lane_is_bounded_by_itself() -> None:
    fleet = kit.Fleet(most=1)
    turn = asyncio.Semaphore(0)
    fleet.gate = turn.acquire
    async with kit.Bench(fleet, max_queue=4) as bench:
        # Given a bulk lane that is full
        bench.pipeline.receive(bulk(*range(10)))
        await bench.until(lambda: fleet.calls)
        assert [bench.pipeline.room(topic) for topic in (JOBS, BULK, LATER)] == [4, 0, 4]
        # When the interactive one is too, and the parked one
        bench.pipeline.receive(kit.several(*range(10)))
        bench.pipeline.receive([parked(n) for n in range(10)])
        await bench.settled()
        assert [bench.pipeline.room(topic) for topic in (JOBS, BULK, LATER)] == [0, 0, 0]
        # Then nothing is fetched before there is room
        opened = bench.pipeline.opened()
        await bench.settled()
        assert not opened.done()
        for _ in range(40):
            turn.release()
        await bench.until(lambda: len(bench.finished) == 30)
        assert opened.done()
        assert all(bench.pipeline.room(topic) for topic in (JOBS, BULK, LATER))


async def test_the_bulk_lanes_ids_and_places_are_its_own() -> None:
    # Given the same partition and offset in both lanes, without ids
    async with kit.Bench() as bench:
        records = [kit.record({"input": 1}, offset=5), kit.record({"input": 2}, offset=5, topic=BULK)]
        bench.pipeline.receive(records)
        await bench.until(lambda: len(bench.finished) == 2)
        # Then they are two jobs, each found at its place
        uuid = kit.MODEL.topic_uuid
        assert await bench.job(names.derived_job_id(uuid, 0, 5, 0)) == ("succeeded", 2)
        assert await bench.job(names.derived_job_id(uuid, names.BULK_PARTITION, 5, 0)) == ("succeeded", 4)
        assert len(await bench.store.ids_of_record("default", "m", 0, 5)) == 1
        assert len(await bench.store.ids_of_record("default", "m", names.BULK_PARTITION, 5)) == 1


async def test_a_parked_job_is_the_job_that_it_was() -> None:
    async with kit.Bench() as bench:
        await bench.run([parked(4, retries=2, ours=False, place=(3, 17, 1))])
        found = await bench.store.fetch("default", "m", "p4")
        assert found is not None
        assert (found.details.retries, found.starts, found.details.place) == (2, 1, (3, 17, 1))
        assert found.created_at == 4_000_000_000_000
        assert await bench.store.ids_of_record("default", "m", 3, 17) == ["p4"]


async def test_a_parked_job_goes_before_those_that_have_not_waited_yet() -> None:
    fleet = kit.Fleet(most=1)
    turn = asyncio.Semaphore(0)
    fleet.gate = turn.acquire
    async with kit.Bench(fleet, in_flight=1) as bench:
        bench.pipeline.receive(kit.several(1, 2, 3))
        await bench.until(lambda: fleet.calls)
        bench.pipeline.receive([parked(50)])
        for _ in range(4):
            turn.release()
        await bench.until(lambda: len(bench.finished) == 4)
        assert inputs(fleet) == [1, 50, 2, 3]


async def test_jobs_of_both_lanes_that_are_one_run_once() -> None:
    async with kit.Bench() as bench:
        same = [kit.record({"id": "one", "input": 1}), kit.record({"id": "one", "input": 1}, offset=9, topic=BULK)]
        bench.pipeline.receive(same)
        await bench.until(lambda: len(bench.finished) == 2)
        assert inputs(bench.fleet) == [1]


async def test_a_runner_that_dies_before_it_begins_is_given_up_though_bulk_waits_its_turn() -> None:
    # Given an interactive job whose runner dies whenever it is started, and bulk behind it
    def dies(found: list[Any]) -> list[outcomes.Outcome]:
        return [kit.lost(began=False)] * len(found) if found == [666] else kit.double(found)

    async with kit.Bench(kit.Fleet(dies, most=1)) as bench:
        bench.pipeline.receive(bulk(*range(5)))
        bench.pipeline.receive(kit.several(666))
        await bench.until(lambda: len(bench.finished) == 6)
        assert await bench.job("a0") == ("failed", "crashed")


async def test_no_opening_is_missed() -> None:
    # Given a lane that is full
    kept = waiting.Waiting(most=2, places=1)
    found = [one for record in kit.several(1, 2, 3) for one in jobs.read(record, topic_uuid="u", max_age=1.0)]
    kept.arrived(found)
    assert kept.room(JOBS, "default", "m") == 0
    # When it opens in the very moment in which somebody begins to wait for that
    opened = kept.opened()
    kept.taken(found)
    # Then that is told
    assert opened.done()


async def holds(places: waiting.Places) -> int:
    """How many places can be taken at once; they are given back."""
    taken = 0
    with contextlib.suppress(TimeoutError):
        while taken < 20:
            async with asyncio.timeout(0):
                await places.acquire()
            taken += 1
    for _ in range(taken):
        places.release()
    return taken


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("few", "more"), [(1, 1), (2, 3), (3, 5)])
async def test_more_batches_are_on_their_way_while_predict_is_short(few: int, more: int) -> None:
    places = waiting.Places(few, clock=Clock())
    assert await holds(places) == few
    places.predicted(waiting.SHORT)
    assert await holds(places) == more
    places.predicted(waiting.SHORT + 0.1)
    assert await holds(places) == few


async def test_behind_a_batch_that_takes_longer_than_those_before_it_no_more_are_on_their_way() -> None:
    clock = Clock()
    places = waiting.Places(2, clock=clock)
    places.predicted(0.1)
    clock.now += waiting.LULL - 0.001
    assert await holds(places) == 3
    clock.now += 0.001
    assert await holds(places) == 2


async def test_a_runner_that_ended_was_not_quick() -> None:
    places = waiting.Places(2, clock=Clock())
    places.predicted(0.1)
    places.predicted(0.0)
    assert await holds(places) == 2


async def test_a_place_is_had_as_soon_as_there_is_one() -> None:
    places = waiting.Places(2, clock=Clock())
    for _ in range(2):
        await places.acquire()
    for free in (places.release, lambda: places.predicted(0.1)):
        waiter = asyncio.create_task(places.acquire())
        await asyncio.sleep(0)
        assert not waiter.done()
        free()
        await waiter


async def test_batches_above_the_bound_are_waited_out_when_predict_gets_long() -> None:
    places = waiting.Places(2, clock=Clock())
    places.predicted(0.1)
    for _ in range(3):
        await places.acquire()
    places.predicted(100.0)
    waiter = asyncio.create_task(places.acquire())
    for still in (2, 1):
        places.release()
        await asyncio.sleep(0)
        assert waiter.done() == (still < 2)
    await waiter
