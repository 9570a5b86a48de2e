"""A job's way through the worker, with a store in memory and a fleet that does as it is told."""

import asyncio
import time
from typing import Any

import pytest

from results import protocol, records
from tests.unit.workers import kit
from wire import jobs as words
from wire import names
from workers import outcomes


async def test_jobs_are_answered_and_their_records_finish() -> None:
    async with kit.Bench() as bench:
        await bench.run(kit.several(1, 2, 3))
        assert [await bench.job(f"a{i}") for i in range(3)] == [("succeeded", 2), ("succeeded", 4), ("succeeded", 6)]
        assert sorted(bench.finished) == [0, 1, 2]


async def test_a_record_of_many_jobs_finishes_once_and_only_when_all_are() -> None:
    """Catches a record that is acknowledged with its first job (`if job.record.remaining == 0` in Pipeline._end)."""
    # Given a record of five jobs, run in batches of two, the last batch held up
    fleet = kit.Fleet(most=2)
    hold = asyncio.Event()

    async def gate() -> None:
        if len(fleet.calls) == 3:
            await hold.wait()

    fleet.gate = gate
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive([kit.record([{"id": f"a{i}", "input": i} for i in range(5)])])
        await bench.until(lambda: len(fleet.calls) == 3)
        await bench.settled()
        # When four of them are done
        assert await bench.job("a3") == ("succeeded", 6)
        # Then the record is not finished, until the fifth is
        assert bench.finished == []
        hold.set()
        await bench.until(lambda: bench.finished == [0])


async def test_ids_come_from_the_value_the_header_or_the_place() -> None:
    async with kit.Bench() as bench:
        await bench.run(
            [
                kit.record({"id": "own", "input": 1}, offset=0, headers=(("panini-id", b"header"),)),
                kit.record({"input": 2}, offset=1, headers=(("other", None), ("panini-id", b"from-header"))),
                kit.record({"input": 3}, offset=2, headers=(("panini-id", None),)),
                kit.record([{"input": 4}, {"input": 5}], offset=3, partition=2, headers=(("panini-id", b"x"),)),
                kit.record({"input": 6}, offset=4, headers=(("panini-id", b"no legal id \xff"),)),
            ]
        )
        uuid = kit.MODEL.topic_uuid
        found = ["own", "from-header", f"k-{uuid}-0-2-0", f"k-{uuid}-2-3-0", f"k-{uuid}-2-3-1", f"k-{uuid}-0-4-0"]
        assert [await bench.job(one) for one in found] == [("succeeded", 2 * i) for i in range(1, 7)]


async def test_what_is_no_job_fails_and_its_neighbours_do_not() -> None:
    # Given a record with two jobs around something else, a null value, and broken bytes
    async with kit.Bench() as bench:
        await bench.run(
            [
                kit.record([{"id": "one", "input": 1}, {"id": "bad", "version": 1}, {"id": "three", "input": 3}]),
                kit.record(None, offset=1),
                kit.record(b"\xc1\xc1", offset=2),
            ]
        )
        # Then each ends, and the model saw the jobs alone
        uuid = kit.MODEL.topic_uuid
        assert await bench.job("one") == ("succeeded", 2)
        assert await bench.job("three") == ("succeeded", 6)
        for job_id in ("bad", f"k-{uuid}-0-1-0", f"k-{uuid}-0-2-0"):
            assert await bench.job(job_id) == ("failed", "invalid_input")
        assert bench.fleet.inputs == [[1, 3]]


@pytest.mark.parametrize("guilty", [0, 1, 31, 62, 63])
async def test_an_input_that_raises_in_a_shared_call_is_found_and_fails_alone(guilty: int) -> None:
    """Wherever it stands. Catches neighbours given up with it (FRUITLESS counted for calls that did begin)."""

    # Given a predict that declared itself batchable and raises for one input
    def predict(inputs: list[Any]) -> outcomes.Ran:
        failure = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "ValueError: no")
        if guilty not in inputs:
            return outcomes.Ran(kit.double(inputs), 1.0)
        return outcomes.Ran([failure] * len(inputs), 1.0, failure.message if len(inputs) > 1 else None)

    fleet = kit.Fleet(predict)
    async with kit.Bench(fleet) as bench:
        # When it comes among 64
        await bench.run(kit.several(*range(64)))
        # Then it alone fails
        found = [await bench.job(f"a{i}") for i in range(64)]
        assert found.pop(guilty) == ("failed", "predict_error")
        assert all(status == "succeeded" for status, _ in found)
        assert len(fleet.calls) <= 1 + 2 * 6


@pytest.mark.parametrize("guilty", [0, 17, 63])
@pytest.mark.parametrize("together", [True, False])
async def test_an_input_that_kills_the_runner_fails_alone(guilty: int, together: bool) -> None:
    # Given a predict that crashes for one input, in shared calls or one by one
    def predict(inputs: list[Any]) -> list[outcomes.Outcome]:
        if guilty not in inputs:
            return kit.double(inputs)
        if together:
            return [kit.lost()] * len(inputs)
        place = inputs.index(guilty)
        after = len(inputs) - place - 1
        return [*kit.double(inputs[:place]), kit.lost(), *[kit.lost(began=False)] * after]

    async with kit.Bench(kit.Fleet(predict)) as bench:
        await bench.run(kit.several(*range(64)))
        found = [await bench.job(f"a{i}") for i in range(64)]
        assert found.pop(guilty) == ("failed", "crashed")
        assert all(status == "succeeded" for status, _ in found)


async def test_every_input_a_killer_still_ends_every_job() -> None:
    async with kit.Bench(kit.Fleet(lambda inputs: [kit.lost()] * len(inputs))) as bench:
        await bench.run(kit.several(*range(16)))
        assert {await bench.job(f"a{i}") for i in range(16)} == {("failed", "crashed")}


async def test_killers_in_one_batch_do_not_give_up_the_batch_behind_it() -> None:
    """Two batches are in flight: each crash of the first takes the second, which had not begun, down as well.

    Catches that counted against the second (`len(self._tasks) == 1` in Pipeline._predict).
    """

    # Given a runner that crashes for negative inputs, while the other batch waits behind it
    def predict(inputs: list[Any]) -> list[outcomes.Outcome]:
        if inputs[0] < 0:
            return [kit.lost(), *[kit.lost(began=False)] * (len(inputs) - 1)]
        return [kit.lost(began=False)] * len(inputs) if crashing else kit.double(inputs)

    crashing = True
    fleet = kit.Fleet(predict, most=8)
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive(kit.several(*range(-8, 8)))
        # When the first batch has crashed eight times
        await bench.until(lambda: sum(inputs[0] < 0 for inputs in fleet.inputs) == 8)
        crashing = False
        await bench.until(lambda: len(bench.finished) == 16)
        # Then its own jobs failed, and the others' did not
        assert {await bench.job(f"a{i}") for i in range(8)} == {("failed", "crashed")}
        assert [await bench.job(f"a{8 + i}") for i in range(8)] == [("succeeded", 2 * i) for i in range(8)]


async def test_a_runner_that_never_begins_anything_is_not_asked_for_ever() -> None:
    fleet = kit.Fleet(lambda inputs: [kit.lost(began=False)] * len(inputs))
    async with kit.Bench(fleet) as bench:
        await bench.run(kit.several(1))
        assert await bench.job("a0") == ("failed", "crashed")


async def test_nobody_is_held_to_a_neighbours_shorter_timeout() -> None:
    # Given three jobs, one with a timeout of its own
    fleet = kit.Fleet()
    async with kit.Bench(fleet) as bench:
        await bench.run(
            [
                kit.record({"id": "a", "input": 1}),
                kit.record({"id": "b", "input": 2, "timeout": 0.01}, offset=1),
                kit.record({"id": "c", "input": 3, "timeout": -5.0}, offset=2),
            ]
        )
        # Then it runs apart, and what is no timeout is the model's own
        assert [(inputs, timeouts) for _, inputs, timeouts in fleet.calls] == [([1, 3], [None, None]), ([2], [0.01])]


async def test_two_records_of_one_id_run_once_and_both_finish() -> None:
    """A retry after a 503. Catches the twin that races the first for its claim (Pipeline._first_of_each)."""
    fleet = kit.Fleet()
    hold = asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet) as bench:
        # Given a job on its way, and the same id again, in the same record, in another, and from a client that waits
        bench.pipeline.receive([kit.record([{"id": "x", "input": 1}, {"id": "x", "input": 1}])])
        await bench.until(lambda: fleet.calls)
        bench.pipeline.receive([kit.record({"id": "x", "input": 1, "notify": "its-channel"}, offset=1)])
        await bench.settled()
        assert bench.finished == []
        # When it ends
        hold.set()
        await bench.until(lambda: len(bench.finished) == 2)
        # Then it ran once, every record finished, and who waits for the second was told
        assert fleet.inputs == [[1]]
        assert await bench.job("x") == ("succeeded", 2)
        assert bench.store.told == [("its-channel", "x")]
        # ... and a third, later, changes nothing
        await bench.run([kit.record({"id": "x", "input": 5}, offset=2)])
        assert await bench.job("x") == ("succeeded", 2)


async def test_a_deadline_that_passed_expires_the_job_unseen_by_the_model() -> None:
    async with kit.Bench() as bench:
        await bench.run([kit.record({"id": "late", "input": 1, "deadline": 1}), *kit.several(4, first=1)])
        assert await bench.job("late") == ("expired", None)
        assert bench.fleet.inputs == [[4]]


async def test_a_record_older_than_the_maximum_age_is_expired_never_rerun_from_history() -> None:
    async with kit.Bench() as bench:
        await bench.run([kit.record({"id": "old", "input": 1}, timestamp=1_000)])
        assert await bench.job("old") == ("expired", None)
        assert bench.fleet.calls == []


async def test_a_job_whose_starts_are_used_up_is_exhausted() -> None:
    # Given a job whose workers were lost three times
    async with kit.Bench() as bench:
        for token in ("1" * 16, "2" * 16, "3" * 16):
            claim = protocol.ClaimRequest(id="killer", token=token, version=1, created_at=1)
            await bench.store.claim("default", "m", [claim], now_ms=time.time_ns() // 1_000_000)
        # When it comes a fourth time, with a neighbour
        await bench.run([kit.record({"id": "killer", "input": 1}), *kit.several(2, first=1)])
        # Then it ends without a run, and the neighbour is answered
        assert (await bench.job("killer"))[0] == "failed"
        assert bench.fleet.inputs == [[2]]


async def test_jobs_of_a_lost_worker_run_alone() -> None:
    """So that a killer exhausts only itself. Catches `claim.got.alone` forgotten in Execution.batch."""
    async with kit.Bench() as bench:
        lost = [protocol.ClaimRequest(id=f"a{i}", token=f"{i:016x}", version=1, created_at=1) for i in range(3)]
        await bench.store.claim("default", "m", lost, now_ms=time.time_ns() // 1_000_000)
        await bench.run(kit.several(0, 1, 2, 3, 4))
        assert sorted(bench.fleet.inputs) == [[0], [1], [2], [3, 4]]


async def test_a_killer_takes_nobodys_start_with_it() -> None:
    """Catches claims of lost jobs being held while another of them runs (`release` in Execution._run_alone)."""
    # Given jobs that were lost with their worker, in two batches, and a run that does not end
    fleet = kit.Fleet(most=3)
    fleet.gate = asyncio.Event().wait
    async with kit.Bench(fleet) as bench:
        now = time.time_ns() // 1_000_000
        lost = [protocol.ClaimRequest(id=f"a{i}", token=f"{i:016x}", version=1, created_at=1) for i in range(6)]
        await bench.store.claim("default", "m", lost, now_ms=now)
        # When they come again
        bench.pipeline.receive(kit.several(*range(6)))
        await bench.until(lambda: fleet.calls)
        await bench.settled()
        # Then one of them is charged for a second start, and no other
        found = await bench.store.fetch_many("default", "m", [f"a{i}" for i in range(6)])
        assert [record.starts for record in found if record] == [2, 1, 1, 1, 1, 1]
        assert fleet.inputs == [[0]]


async def test_a_lost_job_canceled_before_its_turn_does_not_run() -> None:
    fleet = kit.Fleet()
    hold = asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet) as bench:
        now = time.time_ns() // 1_000_000
        lost = [protocol.ClaimRequest(id=f"a{i}", token=f"{i:016x}", version=1, created_at=1) for i in range(3)]
        await bench.store.claim("default", "m", lost, now_ms=now)
        bench.pipeline.receive(kit.several(*range(3)))
        await bench.until(lambda: fleet.calls)
        # When one that waits for its turn is canceled
        await bench.store.cancel("default", "m", "a1", created_at=1, now_ms=now, ttl_ms=60_000)
        bench.pipeline.execution.cancels.ask("a1")
        hold.set()
        await bench.until(lambda: len(bench.finished) == 3)
        # Then it did not run, and the others did
        assert fleet.inputs == [[0], [2]]
        assert await bench.job("a1") == ("canceled", None)


async def test_suspects_of_both_lanes_do_not_wait_for_each_other() -> None:
    """Catches a suspect that waits for its lane's turn while it holds the turn of suspects (Execution._run_alone): the
    interactive batch, whose end the lane waits for, waited for that, and the worker stood still for ever."""
    async with kit.Bench() as bench:
        # Given jobs of both lanes, whose worker was lost
        now = time.time_ns() // 1_000_000
        lost = [protocol.ClaimRequest(id=f"a{i}", token=f"{i:016x}", version=1, created_at=1) for i in range(3)]
        await bench.store.claim("default", "m", lost, now_ms=now)
        bulk = kit.record({"id": "a2", "input": 2}, offset=2, topic=names.bulk_topic("default", "m"))
        # When they come again, together
        await bench.run([*kit.several(0, 1), bulk])
        # Then each ran, alone
        assert sorted(bench.fleet.inputs) == [[0], [1], [2]]


async def test_versions_never_mix_and_a_claimed_job_keeps_its_own() -> None:
    # Given a job first claimed under version 1, and version 2 live now
    async with kit.Bench(kit.Fleet(live=2)) as bench:
        first = protocol.ClaimRequest(id="a0", token="1" * 16, version=1, created_at=1)
        await bench.store.claim("default", "m", [first], now_ms=time.time_ns() // 1_000_000)
        # When it comes again among jobs without a pin, and one pinned to version 7
        pinned = kit.record({"id": "pinned", "input": 9, "version": 7}, offset=9)
        await bench.run([*kit.several(0, 1), pinned, *kit.several(2, first=2)])
        # Then each ran on its version
        assert sorted((number, inputs) for number, inputs, _ in bench.fleet.calls) == [(1, [0]), (2, [1, 2]), (7, [9])]


@pytest.mark.parametrize("step", ["claim", "finish"])
async def test_while_the_store_is_away_nothing_is_acknowledged_and_nothing_lost(step: str) -> None:
    """Catches an answer that cannot be stored being dropped (`_persist`), or acknowledged all the same."""
    # Given a store that goes away before the claim, or between it and the end
    store = kit.Away()
    fleet = kit.Fleet()

    async def gate() -> None:
        store.away = True

    if step == "finish":
        fleet.gate = gate
    else:
        store.away = True
    async with kit.Bench(fleet, store=store) as bench:
        bench.pipeline.receive(kit.several(1, 2))
        await bench.until(lambda: store.refused >= 2)
        # Then nothing is finished
        assert bench.finished == []
        # When it comes back
        store.away = False
        await bench.until(lambda: len(bench.finished) == 2)
        # Then every job ended, and ran once
        assert [await bench.job("a0"), await bench.job("a1")] == [("succeeded", 2), ("succeeded", 4)]
        assert len(fleet.calls) == 1


async def test_an_answer_after_another_workers_changes_nothing_and_is_acknowledged() -> None:
    fleet = kit.Fleet()
    hold = asyncio.Event()
    fleet.gate = hold.wait
    async with kit.Bench(fleet) as bench:
        # Given a job that runs here
        bench.pipeline.receive(kit.several(1))
        await bench.until(lambda: fleet.calls)
        # When another worker took it over and ended it
        now = time.time_ns() // 1_000_000
        token = "f" * 16
        claim = protocol.ClaimRequest(id="a0", token=token, version=1, created_at=1)
        await bench.store.claim("default", "m", [claim], now_ms=now)
        end = protocol.End(
            id="a0", token=token, status=words.Status.SUCCEEDED, completed_at=now, details=records.Details(),
            output=b'"first"',
        )  # fmt: skip
        await bench.store.finish("default", "m", [end])
        hold.set()
        await bench.until(lambda: bench.finished == [0])
        # Then the first end stands
        assert await bench.job("a0") == ("succeeded", "first")


async def test_an_error_of_ours_acknowledges_nothing_and_ends_the_worker() -> None:
    """A batch whose body raised is never acked, as faust's `take()` does."""
    fleet = kit.Fleet(lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
    async with kit.Bench(fleet) as bench:
        bench.pipeline.receive(kit.several(1, 2))
        await bench.until(lambda: bench.pipeline.failed)
        assert isinstance(bench.pipeline.failed, ZeroDivisionError)
        assert bench.finished == []


async def test_a_full_queue_stops_fetching_until_there_is_room() -> None:
    fleet = kit.Fleet(most=1)
    hold = asyncio.Semaphore(0)
    fleet.gate = hold.acquire
    topic, bulk = names.jobs_topic("default", "m"), names.bulk_topic("default", "m")
    async with kit.Bench(fleet, max_queue=3) as bench:
        # Given a queue that is full
        bench.pipeline.receive(kit.several(*range(6)))
        await bench.until(lambda: len(fleet.calls) == 2)
        opened = bench.pipeline.opened()
        await bench.settled()
        assert bench.pipeline.room(topic) == 0
        assert bench.pipeline.room(bulk) == 3, "the other lane has a queue of its own"
        assert not opened.done()
        # When it is worked off
        for _ in range(6):
            hold.release()
        # Then there is room
        await bench.until(opened.done)
        assert 1 <= bench.pipeline.room(topic) <= 3


async def test_what_a_job_says_of_itself_comes_back_with_it() -> None:
    async with kit.Bench() as bench:
        content = {"id": "x", "input": 1, "metadata": {"order": 17}, "traceparent": "00-abc", "replay_of": "y"}
        await bench.run([kit.record(content, partition=3, offset=8)])
        found = await bench.store.fetch("default", "m", "x")
        assert found is not None
        assert (found.details.metadata, found.details.traceparent, found.details.replay_of, found.details.place) == (
            {"order": 17},
            "00-abc",
            "y",
            (3, 8, 0),
        )
        assert await bench.store.ids_of_record("default", "m", 3, 8) == ["x"]
