"""What a worker does with its jobs when its partitions are taken away, and when it drains."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
import pytest

from results import memory, protocol
from tests.unit.workers import kit
from wire import jobs as words
from wire import specs
from workers import execution, outcomes, retry


async def test_revoked_partitions_forget_what_has_not_started_and_wait_for_what_has() -> None:
    # Given one batch that runs, a job behind it, and a twin of the running one
    fleet = kit.Fleet(most=1)
    hold = asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet, in_flight=1) as bench:
        bench.pipeline.receive(kit.several(1, 2))
        bench.pipeline.receive([kit.record({"id": "a0", "input": 1}, offset=5)])
        await bench.until(lambda: fleet.calls)
        # When the partitions are taken away
        gone = asyncio.ensure_future(bench.pipeline.revoked())
        await bench.settled()
        assert not gone.done()
        hold.set()
        await gone
        await bench.settled()
        # Then what ran is finished, and the rest is another worker's
        assert bench.finished == [0]
        assert fleet.inputs == [[1]]


async def test_what_was_taken_away_while_the_store_was_away_is_claimed_by_its_new_worker_alone() -> None:
    """Catches a worker that goes on claiming what is another's: both count a start by turns, until there are none."""
    store, gate = kit.Away(), asyncio.Event()
    fleet = kit.Fleet()
    fleet.gate = gate.wait
    async with kit.Bench(store=store, drain=0.0) as former, kit.Bench(fleet, store=store) as later:
        # Given a worker whose claim the store does not take
        store.away = True
        former.pipeline.receive(kit.several(1))
        await former.until(lambda: store.refused)
        # When its partition goes to another, and the store is back
        await former.pipeline.revoked()
        store.away = False
        later.pipeline.receive(kit.several(1))
        await later.until(lambda: fleet.calls)
        await asyncio.sleep(0.1)  # longer than the first pause of the former's repetition
        gate.set()
        await later.until(lambda: later.finished == [0])
        # Then it ran there, with one start
        assert former.fleet.inputs == []
        assert (await store.fetch("default", "m", "a0")).starts == 1  # type: ignore[union-attr]  # it ended


async def test_a_batch_given_up_leaves_nobody_waiting_for_it() -> None:
    """Catches a job that comes again to this worker and waits behind its own former self, which is never over."""
    store = kit.Away()
    async with kit.Bench(store=store, drain=0.0, model=cached) as bench:
        # Given a claim that the store does not take until its partition is taken away
        store.away = True
        bench.pipeline.receive(kit.several(1))
        await bench.until(lambda: store.refused)
        await bench.pipeline.revoked()
        await bench.settled()
        store.away = False
        # When the partition comes back, and an identical job with it
        await bench.run(kit.several(1, 1, generation=3))
        # Then both end
        assert [await bench.job(f"a{i}") for i in range(2)] == [("succeeded", 2)] * 2


@pytest.mark.parametrize("leaving", ["revoked", "drain"])
async def test_what_asks_to_come_again_after_its_partition_is_not_begun_here(leaving: str) -> None:
    """Catches a worker that runs a job once more beside its new one, which is charged a start for it."""
    fleet = kit.Fleet(lambda _: [outcomes.Failure(words.ErrorType.PREDICT_ERROR, "busy", retry_after=0.0)])
    hold = asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive(kit.several(1))
        await bench.until(lambda: fleet.calls)
        # When it asks for another try while the worker waits for it to let its partition go
        left = asyncio.ensure_future(getattr(bench.pipeline, leaving)())
        await bench.settled()
        hold.set()
        await left
        await asyncio.sleep(0.01)
        await bench.settled()
        # Then it waits, queued and uncharged, for whoever reads its record
        assert fleet.inputs == [[1]]
        found = await bench.store.fetch("default", "m", "a0")
        assert found is not None
        assert (found.status, found.starts) == (words.Status.QUEUED, 0)
        assert bench.finished == []
        # And what comes after a rebalance is begun as ever
        if leaving == "revoked":
            bench.pipeline.receive(kit.several(1, generation=3))
            await bench.until(lambda: len(fleet.calls) > 1)


async def test_a_lost_job_that_went_to_another_worker_before_its_turn_is_left_to_it() -> None:
    """Catches a suspect that is begun, and charged, beside its new worker's run; and one that is left and finished."""
    store, now = memory.Store(), time.time_ns() // 1_000_000
    former, later = kit.Fleet(), kit.Fleet()
    gates = asyncio.Event(), asyncio.Event()
    former.gate, later.gate = gates[0].wait, gates[1].wait
    async with kit.Bench(former, store=store, drain=0.0) as one, kit.Bench(later, store=store) as other:
        # Given two jobs that were lost with their worker: one runs, and one waits for its turn
        lost = [protocol.ClaimRequest(id=f"a{i}", token=f"{i:016x}", version=1, created_at=1) for i in range(2)]
        await store.claim("default", "m", lost, now_ms=now)
        one.pipeline.receive(kit.several(0, 1))
        await one.until(lambda: former.calls)
        # When their partition goes to another worker, which runs the second
        await one.pipeline.revoked()
        other.pipeline.receive(kit.several(1, first=1))
        await other.until(lambda: later.calls)
        gates[0].set()
        await one.until(lambda: one.finished)
        await one.settled()
        # Then that one is not begun here, and not counted as finished
        assert former.inputs == [[0]]
        assert one.finished == [0]
        found = await store.fetch("default", "m", "a1")
        assert found is not None
        assert found.starts == 2
        gates[1].set()
        await other.until(lambda: other.finished == [1])


class Contested(memory.Store):
    """In which another worker claims one job in the moment before its end, or its return, is stored."""

    def __init__(self, job_id: str, *, gives_back: bool) -> None:
        super().__init__()
        self.job_id = job_id
        self.gives_back = gives_back
        """It gives the job back at once and leaves it; False: it never says anything again."""
        self.taken = False

    async def _take(self, ending: Sequence[protocol.End | protocol.Postponed]) -> None:
        if self.taken or self.job_id not in {one.id for one in ending}:
            return
        self.taken, now, token = True, time.time_ns() // 1_000_000, "f" * 16
        claim = protocol.ClaimRequest(id=self.job_id, token=token, version=1, created_at=1)
        await self.claim("default", "m", [claim], now_ms=now)
        if self.gives_back:
            await self.release("default", "m", [protocol.Release(id=self.job_id, token=token)], now_ms=now)

    async def finish(self, account: str, model: str, ends: list[protocol.End]) -> list[bool]:
        await self._take(ends)
        return await super().finish(account, model, ends)

    async def postpone(self, account: str, model: str, waiting: list[protocol.Postponed], *, now_ms: int) -> list[bool]:
        await self._take(waiting)
        return await super().postpone(account, model, waiting, now_ms=now_ms)


@pytest.mark.parametrize("gives_back", [True, False])
@pytest.mark.parametrize("what", ["an answer", "another try", "a known answer"])
async def test_a_job_that_another_worker_took_and_left_is_ended_here(
    what: str, gives_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was taken for lost and has not heard of it claims what comes in its former partition, hears of it,
    and leaves the job to its owner. Catches an owner whose record was finished then: nobody would run the job again."""
    monkeypatch.setattr(execution, "FENCED", retry.Again(delay=0.0, counted=False))
    busy: list[outcomes.Outcome] = [outcomes.Failure(words.ErrorType.PREDICT_ERROR, "busy", retry_after=0.0)]
    first = [busy] if what == "another try" else []
    fleet = kit.Fleet(lambda inputs: first.pop() if first else kit.double(inputs))
    # Given a job, and another worker that claims it in the moment before this one says what became of it
    store = Contested("a1" if what == "a known answer" else "a0", gives_back=gives_back)
    async with kit.Bench(fleet, store=store, model=cached) as bench:
        # When it runs here, or its answer is known
        await bench.run(kit.several(1, 1) if what == "a known answer" else kit.several(1))
        # Then its record is not finished before it has ended
        assert store.taken
        assert await bench.job(store.job_id) == ("succeeded", 2)
        assert bench.finished.count(int(store.job_id[1:])) == 1


async def test_a_drain_starts_nothing_more() -> None:
    fleet = kit.Fleet(most=1)
    hold = asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet, in_flight=1) as bench:
        bench.pipeline.receive(kit.several(1, 2))
        await bench.until(lambda: fleet.calls)
        drained = asyncio.ensure_future(bench.pipeline.drain())
        await bench.settled()
        # When more records arrive while it drains
        bench.pipeline.receive(kit.several(3, first=2))
        hold.set()
        await drained
        await bench.settled()
        # Then they are not taken
        assert fleet.inputs == [[1]]
        assert bench.finished == [0]


async def test_a_drain_can_be_hurried_and_has_its_time() -> None:
    fleet = kit.Fleet()
    fleet.gate = asyncio.Event().wait
    async with kit.Bench(fleet, drain=0.0) as bench:
        bench.pipeline.receive(kit.several(1))
        await bench.until(lambda: fleet.calls)
        await bench.pipeline.drain()  # its time is over at once
        assert bench.finished == []
    fleet, gate = kit.Fleet(), asyncio.Event()
    fleet.gate = gate.wait
    async with kit.Bench(fleet, drain=3600) as bench:
        bench.pipeline.receive(kit.several(1))
        await bench.until(lambda: fleet.calls)
        drained = asyncio.ensure_future(bench.pipeline.drain())
        await bench.settled()
        bench.pipeline.hurry()
        await drained
        assert bench.finished == []
        # ... and what was given up is not awaited by anybody, nor stored late
        gate.set()
        await bench.settled()
        assert bench.finished == []
        assert await bench.job("a0") == ("running", None)


def cached() -> specs.Model:
    """The model with a version whose answers identical jobs may have."""
    options = specs.Options()
    live = specs.Version(version=1, state=specs.VersionState.LIVE, digest="d", files=[], created_at=0, options=options)
    return msgspec.structs.replace(kit.MODEL, versions=[live])
