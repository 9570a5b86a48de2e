"""Answers that are known already, and identical jobs in flight: with a store in memory and a fleet that is told."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from results import memory, protocol
from tests.unit.workers import kit
from wire import jobs as words
from wire import names, specs
from workers import lanes, outcomes, waiting

TIME = 4_000_000_000_000
NOW = time.time_ns() // 1_000_000


def version(number: int, **options: Any) -> specs.Version:
    return specs.Version(
        version=number, state=specs.VersionState.READY, digest="d", files=[], options=specs.Options(**options),
        created_at=0,
    )  # fmt: skip


MODEL = msgspec.structs.replace(kit.MODEL, versions=[version(1), version(2), version(3, cache=False)])


class Bench(kit.Bench):
    """One whose model has versions, and is told of jobs."""

    def __init__(self, versions: kit.Fleet | None = None, **more: Any) -> None:
        self.model = MODEL
        super().__init__(versions, **({"model": lambda: self.model} | more))
        self._offset = 0

    def send(self, *jobs: dict[str, Any], topic: str = "panini.default.m.jobs") -> None:
        """A record for each."""
        for job in jobs:
            self.pipeline.receive([kit.record(job, offset=self._offset, topic=topic)])
            self._offset += 1

    async def done(self, *jobs: dict[str, Any], **more: Any) -> None:
        """Send, and return when all have ended."""
        self.send(*jobs, **more)
        await self.all_done()

    async def all_done(self) -> None:
        """Return when all that was sent has ended."""
        await self.until(lambda: len(self.finished) == self._offset)

    async def cached(self, job_id: str) -> bool:
        """Whether it was answered from the cache."""
        found = await self.store.fetch("default", "m", job_id)
        assert found is not None
        return found.details.cached

    @property
    def ran(self) -> list[Any]:
        """Every input that ran, in order."""
        return [x for inputs in self.fleet.inputs for x in inputs]


def job(job_id: str, x: Any = 7, **more: Any) -> dict[str, Any]:
    return {"id": job_id, "input": x} | more


# -- answers that are known ------------------------------------------------------------------------------------


async def test_an_identical_job_is_answered_without_running() -> None:
    async with Bench() as bench:
        await bench.done(job("a"))
        await bench.done(job("b", metadata={"n": 1}), job("c", 8))

        assert bench.ran == [7, 8]
        assert [await bench.job(one) for one in "abc"] == [("succeeded", 14), ("succeeded", 14), ("succeeded", 16)]
        assert [await bench.cached(one) for one in "abc"] == [False, True, False]
        found = await bench.store.fetch("default", "m", "b")
        assert found is not None
        assert (found.version, found.details.metadata, found.starts) == (1, {"n": 1}, 1)


async def test_a_hit_does_not_prolong_the_time_of_an_answer() -> None:
    async with Bench() as bench:
        await bench.done(job("a"))
        await bench.done(job("b"))
        await bench.store.delete("default", "m", "a", now_ms=TIME)  # as if its time were over

        await bench.done(job("c"))

        assert bench.ran == [7, 7]


async def test_another_version_has_answers_of_its_own() -> None:
    async with Bench() as bench:
        await bench.done(job("a"))
        await bench.done(job("b", version=2))
        bench.fleet.live = 2
        await bench.done(job("c"))
        bench.fleet.live = 1  # rolled back
        await bench.done(job("d"))

        assert [number for number, _, _ in bench.fleet.calls] == [1, 2]
        assert [await bench.cached(one) for one in "abcd"] == [False, False, True, True]


async def test_a_job_or_a_version_may_say_that_it_must_run() -> None:
    async with Bench() as bench:
        await bench.done(job("a"), job("b", version=3))
        await bench.done(job("c", cache=False), job("d", version=3), job("e", cache=True))

        assert bench.ran == [7, 7, 7, 7]
        assert [await bench.cached(one) for one in "abcde"] == [False, False, False, False, True]


async def test_a_version_that_contradicts_itself_is_not_cached() -> None:
    async with Bench() as bench:
        await bench.done(job("a"))
        verdict = specs.Verdict(batching=specs.Batching.CLOSED, why="it is random", steady=False)
        judged = msgspec.structs.replace(version(1), verdict=verdict)
        bench.model = msgspec.structs.replace(MODEL, versions=[judged])
        await bench.done(job("b"))

        assert bench.ran == [7, 7]


async def test_the_installation_may_say_never() -> None:
    async with Bench() as bench:
        bench.model = msgspec.structs.replace(MODEL, cache=0.0)

        await bench.done(job("a"))
        await bench.done(job("b"))

        assert bench.ran == [7, 7]


async def test_a_failure_is_no_answer() -> None:
    failure = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "ValueError: no")
    async with Bench(kit.Fleet(lambda inputs: [failure] * len(inputs))) as bench:
        await bench.done(job("a"))
        await bench.done(job("b"))

        assert bench.ran == [7, 7]


async def test_a_job_that_streamed_keeps_its_answer_for_itself() -> None:
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(job("a"), job("b"))
        await bench.until(lambda: bench.ran)
        bench.pipeline.execution.streamed("a")
        hold.set()
        await bench.all_done()

        assert bench.ran == [7, 7]


async def test_a_store_that_cannot_be_asked_costs_answers_not_jobs() -> None:
    store = kit.Away()
    async with Bench(store=store) as bench:
        await bench.done(job("a"))
        store.reads_away = True
        await bench.done(job("b"))

        assert bench.ran == [7, 7]


async def test_workers_share_answers_that_were_dear() -> None:
    def dear(inputs: list[Any]) -> outcomes.Ran:
        return outcomes.Ran(kit.double(inputs), 50.0 * len(inputs))

    store = memory.Store()
    shared = memory.Cache(store)
    one, other = Bench(kit.Fleet(dear), store=store, shared=shared), Bench(kit.Fleet(dear), store=store, shared=shared)
    async with one, other:
        await one.done(job("a"))
        await other.done(job("b"))

        assert (one.ran, other.ran) == ([7], [])
        assert await other.cached("b")


async def test_cheap_answers_are_each_workers_own() -> None:
    store = memory.Store()
    shared = memory.Cache(store)
    one, other = Bench(store=store, shared=shared), Bench(store=store, shared=shared)
    async with one, other:
        await one.done(job("a"))
        await other.done(job("b"))

        assert (one.ran, other.ran) == ([7], [7])


# -- identical jobs in flight ----------------------------------------------------------------------------------


async def test_identical_jobs_in_flight_run_once_and_all_end() -> None:
    async with Bench() as bench:
        await bench.done(*[job(f"a{i}") for i in range(50)])

        assert bench.ran == [7]
        assert {await bench.job(f"a{i}") for i in range(50)} == {("succeeded", 14)}
        assert sum([await bench.cached(f"a{i}") for i in range(50)]) == 49


async def test_a_follower_is_not_claimed_and_a_cancel_ends_it_at_once() -> None:
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(job("a"), job("b"), job("c"))
        await bench.until(lambda: bench.ran)

        assert await bench.job("b") is None
        record = await bench.store.cancel("default", "m", "b", created_at=TIME, now_ms=NOW, ttl_ms=10**9)
        assert record.status is words.Status.CANCELED
        hold.set()
        await bench.all_done()

        assert [await bench.job(one) for one in "abc"] == [("succeeded", 14), ("canceled", None), ("succeeded", 14)]
        assert bench.ran == [7]


async def test_a_deadline_ends_a_follower_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LOOK", 0.0)
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        soon = time.time_ns() // 1_000_000 + 30
        bench.send(job("a"), job("b", deadline=soon), job("c"))
        await bench.until(lambda: bench.finished == [1])

        assert await bench.job("b") == ("expired", None)
        hold.set()
        await bench.all_done()
        assert [await bench.job(one) for one in "ac"] == [("succeeded", 14)] * 2
        assert bench.ran == [7]


async def test_followers_of_a_job_that_failed_run_on_their_own() -> None:
    failure = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "ValueError: no")

    def predict(inputs: list[Any]) -> list[outcomes.Outcome]:
        return [failure] if len(bench.fleet.calls) == 1 else kit.double(inputs)

    async with Bench(kit.Fleet(predict)) as bench:
        await bench.done(*[job(f"a{i}") for i in range(5)])

        found = [await bench.job(f"a{i}") for i in range(5)]
        assert found == [("failed", "predict_error"), *[("succeeded", 14)] * 4]
        assert bench.fleet.inputs == [[7], [7, 7, 7, 7]]


async def test_behind_a_canceled_job_the_next_leads() -> None:
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(*[job(f"a{i}") for i in range(4)])
        await bench.until(lambda: bench.ran)

        bench.pipeline.execution.cancels.ask("a0")
        await bench.settled()
        hold.set()
        await bench.all_done()

        assert [await bench.job(f"a{i}") for i in range(4)] == [("canceled", None), *[("succeeded", 14)] * 3]
        assert bench.ran == [7, 7]


async def test_behind_a_job_that_had_ended_before_the_next_leads() -> None:
    store = memory.Store()
    async with Bench(store=store) as bench:
        await bench.store.cancel("default", "m", "a0", created_at=TIME, now_ms=NOW, ttl_ms=10**9)

        await bench.done(*[job(f"a{i}") for i in range(4)])

        assert [await bench.job(f"a{i}") for i in range(4)] == [("canceled", None), *[("succeeded", 14)] * 3]
        assert bench.ran == [7]


async def test_followers_of_a_job_that_is_tried_again_do_not_wait_for_that() -> None:
    failure = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "panini.Retry", retry_after=2.0)

    def predict(inputs: list[Any]) -> list[outcomes.Outcome]:
        return [failure] if len(bench.fleet.calls) == 1 else kit.double(inputs)

    async with Bench(kit.Fleet(predict)) as bench:
        bench.send(*[job(f"a{i}") for i in range(3)])
        await bench.until(lambda: len(bench.finished) == 2)

        assert [await bench.job(f"a{i}") for i in range(3)] == [("queued", None), *[("succeeded", 14)] * 2]


async def test_a_rollback_takes_followers_along() -> None:
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(job("a"), job("b"))
        await bench.until(lambda: bench.ran)
        bench.fleet.live = 2
        hold.set()
        await bench.all_done()

        assert [number for number, _, _ in bench.fleet.calls] == [1, 2]
        assert not await bench.cached("b")


@pytest.mark.parametrize("old", ["a", "b"])
async def test_a_job_that_began_on_another_version_neither_gives_nor_takes(old: str) -> None:
    """It keeps the version of its first claim, whatever version was live when it was taken again."""
    # Given two identical jobs, one of which was claimed on version 1 and given back; then version 2 went live
    async with Bench(kit.Fleet(live=2)) as bench:
        request = protocol.ClaimRequest(id=old, token="f" * 16, version=1, created_at=NOW)
        await bench.store.claim("default", "m", [request], now_ms=NOW)
        given = protocol.Release(id=old, token="f" * 16, expires_at=TIME, waits=protocol.Waits())
        await bench.store.release("default", "m", [given], now_ms=NOW)
        # When one waits for the other
        await bench.done(job("a"), job("b"))
        # Then each runs on its own version
        assert sorted(number for number, _, _ in bench.fleet.calls) == [1, 2]
        assert not any([await bench.cached(one) for one in "ab"])


async def test_nobody_interactive_waits_for_a_bulk_job() -> None:
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(job("a"), topic=names.bulk_topic("default", "m"))
        await bench.until(lambda: len(bench.ran) == 1)
        bench.send(job("b"))
        await bench.until(lambda: len(bench.ran) == 2)
        hold.set()
        await bench.all_done()

        assert [await bench.job(one) for one in "ab"] == [("succeeded", 14)] * 2


async def test_followers_are_bounded() -> None:
    async with Bench(max_queue=3) as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(*[job(f"a{i}") for i in range(3)])
        await bench.until(lambda: bench.ran)
        bench.send(*[job(f"b{i}") for i in range(3)])
        await bench.until(lambda: len(bench.ran) > 1)
        hold.set()
        await bench.all_done()

        assert bench.ran == [7, 7, 7]


async def test_what_is_taken_away_is_forgotten() -> None:
    """Catches followers that are run after their partition went to another worker."""
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(job("a"), job("b"))
        await bench.until(lambda: bench.ran)
        revoked = asyncio.ensure_future(bench.pipeline.revoked())
        await bench.settled()
        hold.set()
        await revoked
        await bench.settled()

        assert bench.finished == [0]
        assert await bench.job("b") is None
        assert lanes.Lane.INTERACTIVE in bench.pipeline._waiting.queues
        assert len(bench.pipeline._waiting) == 0


@pytest.mark.parametrize("twin", [7, 8])
async def test_a_twin_of_a_follower_ends_once(twin: int) -> None:
    async with Bench() as bench:
        hold = asyncio.Event()
        bench.fleet.gate = hold.wait
        bench.send(job("a"), job("b"), job("b", twin))
        await bench.until(lambda: bench.ran)
        hold.set()
        await bench.all_done()

        assert (await bench.job("b"))[0] == "succeeded"
        assert len(bench.finished) == 3
