"""Jobs that are tried again: given back, held or parked, and never counted as finished too early."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from tests.unit.workers import kit
from tests.unit.workers.test_waiting import LATER, parked
from wire import envelope, specs
from wire import jobs as words
from workers import outcomes, parking, postponing, tickets


class Lot:
    """Where jobs are parked: a list; `open` lets Kafka acknowledge."""

    def __init__(self) -> None:
        self.jobs: list[parking.Parked] = []
        self.open = asyncio.Event()
        self.open.set()

    async def park(self, jobs: Sequence[parking.Parked]) -> None:
        await self.open.wait()
        self.jobs += jobs

    def contents(self) -> list[tuple[str | None, Any]]:
        """Ids and inputs."""
        read = [envelope.decode_record(job.content)[0] for job in self.jobs]
        return [(one.id, kit.decoded(one.input)) for one in read if isinstance(one, envelope.Envelope)]


class Busy:
    """Asks to come again `times` times for each input, then answers."""

    def __init__(self, after: float, times: int = 1) -> None:
        self.after = after
        self.times = times
        self.asked: dict[Any, int] = {}

    def __call__(self, inputs: list[Any]) -> list[outcomes.Outcome]:
        return [self._one(x) for x in inputs]

    def _one(self, x: Any) -> outcomes.Outcome:
        self.asked[x] = self.asked.get(x, 0) + 1
        if self.asked[x] <= self.times:
            return outcomes.Failure(words.ErrorType.PREDICT_ERROR, "busy", retry_after=self.after)
        return kit.output(2 * x)


async def test_a_short_wait_is_held_and_its_record_is_unfinished_meanwhile() -> None:
    fleet = kit.Fleet(Busy(0.01))
    async with kit.Bench(fleet) as bench:
        await bench.run(kit.several(1))
        found = await bench.store.fetch("default", "m", "a0")
        assert found is not None
        assert (found.status, found.starts + found.details.retries) == (words.Status.SUCCEEDED, 2)
        assert fleet.inputs == [[1], [1]]


async def test_while_it_waits_it_is_queued() -> None:
    lot = Lot()
    async with kit.Bench(kit.Fleet(Busy(4.0)), park=lot) as bench:
        bench.pipeline.receive(kit.several(1, 2))
        await bench.until(lambda: len(bench.fleet.calls) == 1)
        await bench.settled()
        found = await bench.store.fetch("default", "m", "a1")
        assert found is not None
        assert (found.status, found.starts, found.details.retries) == (words.Status.QUEUED, 0, 1)
        assert bench.finished == []
        assert lot.jobs == []
        # And a rebalance forgets it: it comes again to whoever holds its partition then
        await bench.pipeline.revoked()
        assert bench.pipeline._postponing._held == {}


async def test_a_long_wait_is_parked_and_only_then_is_its_record_finished() -> None:
    lot = Lot()
    lot.open.clear()
    async with kit.Bench(kit.Fleet(Busy(30.0)), park=lot) as bench:
        before = time.time_ns() // 1_000_000
        bench.pipeline.receive([kit.record({"input": 5}, offset=17, partition=3)])
        await bench.until(lambda: bench.fleet.calls)
        await bench.settled()
        assert bench.finished == [], "Kafka has not acknowledged the parked one yet"
        lot.open.set()
        await bench.until(lambda: bench.finished == [17])
        # Then what is parked says all that its record said
        (one,) = lot.jobs
        after = time.time_ns() // 1_000_000
        assert before + 30_000 <= one.ticket.due <= after + 30_000
        assert one.ticket == tickets.Ticket(
            due=one.ticket.due, place=(3, 17, 0), stamp=4_000_000_000_000, ours=False, retries=1
        )
        assert lot.contents() == [(f"k-{kit.MODEL.topic_uuid}-3-17-0", 5)]


async def test_neighbours_are_answered_and_a_shared_record_waits_for_all_of_it() -> None:
    def sometimes(inputs: list[Any]) -> list[outcomes.Outcome]:
        later = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "busy", retry_after=60.0)
        return [later if x == 2 else kit.output(2 * x) for x in inputs]

    lot = Lot()
    async with kit.Bench(kit.Fleet(sometimes), park=lot) as bench:
        await bench.run([kit.record([{"id": f"s{x}", "input": x} for x in (1, 2, 3)], offset=4)])
        assert await bench.job("s1") == ("succeeded", 2)
        assert await bench.job("s3") == ("succeeded", 6)
        assert lot.contents() == [("s2", 2)]
        assert (await bench.job("s2"))[0] == "queued"


async def test_the_last_try_ends_it() -> None:
    fleet = kit.Fleet(Busy(0.0, times=99))
    fleet.policy = specs.Retry(attempts=3)
    async with kit.Bench(fleet) as bench:
        await bench.run(kit.several(1))
        found = await bench.store.fetch("default", "m", "a0")
        assert found is not None
        assert (found.status, found.starts + found.details.retries) == (words.Status.FAILED, 3)
        assert found.error is not None
        assert found.error.message == "busy"
        assert len(fleet.calls) == 3


async def test_a_crash_that_is_tried_again_stays_charged() -> None:
    fleet = kit.Fleet(lambda found: [kit.lost()] * len(found))
    fleet.policy = specs.Retry(on=(words.ErrorType.CRASHED,), attempts=20, backoff=(0.0,))
    async with kit.Bench(fleet) as bench:
        await bench.run(kit.several(1))
        found = await bench.store.fetch("default", "m", "a0")
        assert found is not None
        assert (found.starts, found.details.retries) == (3, 0)
        assert await bench.job("a0") == ("failed", "crashed"), "its own error, not attempts_exhausted"
        assert len(fleet.calls) == 3


async def test_a_version_in_quarantine_parks_its_jobs_uncounted_and_they_follow_a_rollback() -> None:
    away = outcomes.Failure(words.ErrorType.MODEL_UNAVAILABLE, "quarantined", retry_after=60.0)
    fleet = kit.Fleet(live=2)
    fleet.predict = lambda found: [away] * len(found) if fleet.calls[-1][0] == 2 else kit.double(found)
    lot = Lot()
    async with kit.Bench(fleet, park=lot) as bench:
        # Given a job whose version is in quarantine
        await bench.run(kit.several(1))
        (one,) = lot.jobs
        assert one.ticket.retries == 0
        # When its time has come after a rollback
        fleet.live = 1
        again = kit.record(one.content, offset=70, topic=LATER, headers=tickets.headers(_due(one.ticket)))
        await bench.run([again])
        # Then it runs there, as its first try
        found = await bench.store.fetch("default", "m", "a0")
        assert found is not None
        assert (found.status, found.version, found.starts + found.details.retries) == (words.Status.SUCCEEDED, 1, 1)


async def test_a_wait_longer_than_its_tier_is_parked_once_more_without_being_claimed() -> None:
    lot = Lot()
    due = time.time_ns() // 1_000_000 + 3_600_000
    async with kit.Bench(park=lot) as bench:
        await bench.run([parked(1, due=due, retries=1, bulk=True)])
        assert bench.fleet.calls == []
        assert await bench.job("p1") is None
        assert [(job.ticket.due, job.ticket.retries, job.ticket.bulk) for job in lot.jobs] == [(due, 1, True)]


async def test_what_does_not_fit_in_memory_is_parked() -> None:
    lot = Lot()
    async with kit.Bench(kit.Fleet(Busy(4.0), most=1000), park=lot, max_batch=5000) as bench:
        records = kit.several(*range(postponing.MOST + 7))
        bench.pipeline.receive(records)
        await bench.until(lambda: len(lot.jobs) == 7)
        await bench.pipeline.revoked()


async def test_canceled_while_it_waits() -> None:
    fleet = kit.Fleet(Busy(0.05))
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive(kit.several(1))
        await bench.until(lambda: fleet.calls)
        await bench.settled()
        await bench.store.cancel("default", "m", "a0", created_at=1, now_ms=bench.store.now_ms, ttl_ms=10**9)
        await bench.until(lambda: bench.finished)
        assert await bench.job("a0") == ("canceled", None)
        assert len(fleet.calls) == 1


def _due(ticket: tickets.Ticket) -> tickets.Ticket:
    return msgspec.structs.replace(ticket, due=0)
