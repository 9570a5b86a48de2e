"""POSTs that are answered at once, as their input was answered a moment ago."""

import asyncio
from typing import Any

import msgspec
import pytest

from ingest import known
from results import errors, memory, protocol, records
from wire import envelope, jobs, specs

AT = 1_700_000_000_000
ENDPOINT = specs.Endpoint(
    account="acme", account_uid=1, model="m", model_uid=7, topic_uuid="t", live=3, cache=60.0, keep=3600
)


class Store(memory.Store):
    """One that may be away, and counts the questions."""

    away = False
    stuck = False
    asked = 0

    async def fetch(self, account: str, model: str, job_id: str) -> records.Record | None:
        self.asked += 1
        if self.away:
            raise errors.StoreUnavailable("away")
        if self.stuck:
            await asyncio.Event().wait()
        return await super().fetch(account, model, job_id)


class Bench:
    def __init__(self) -> None:
        self.store = Store()
        self.now = AT
        self.known = known.Known(store=self.store, answers=memory.Cache(self.store), clock_ms=lambda: self.now)

    async def post(self, job_id: str, x: int = 7, *, endpoint: specs.Endpoint = ENDPOINT, **more: Any) -> Any:
        """The record of a job that is answered at once; None: it went into Kafka."""
        job = envelope.Envelope(id=job_id, input=envelope.value_input(x), **more)
        of = self.known.digest(endpoint, job)
        found = None if of is None else await self.known.answer(endpoint, job, of)
        if of is not None and found is None:
            self.known.accepted(of, job_id)
        return found

    async def run(self, job_id: str, *, version: int = 3, **fields: Any) -> None:
        """A worker runs a job to its end."""
        request = protocol.ClaimRequest(id=job_id, token="a" * 16, version=version, created_at=self.now)
        await self.store.claim("acme", "m", [request], now_ms=self.now)
        given: dict[str, Any] = {
            "status": jobs.Status.SUCCEEDED, "details": records.Details(started_at=self.now), "output": b"14",
        }  # fmt: skip
        end = protocol.End(id=job_id, token="a" * 16, completed_at=self.now, **(given | fields))
        await self.store.finish("acme", "m", [end])


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_input_that_was_answered_is_answered_at_once(bench: Bench) -> None:
    assert await bench.post("a") is None
    await bench.run("a")
    bench.now += 1000

    found = await bench.post("b", metadata={"n": 1}, traceparent="00-1", timeout=3.0)

    assert found is not None
    assert (found.status, found.version, found.output) == (jobs.Status.SUCCEEDED, 3, b"14")
    assert (found.created_at, found.completed_at, found.expires_at) == (bench.now, bench.now, bench.now + 3_600_000)
    assert (found.details.cached, found.details.answered_at) == (True, AT)
    assert (found.details.metadata, found.details.traceparent) == ({"n": 1}, "00-1")
    assert await bench.store.fetch("acme", "m", "b") == found


async def test_a_file_is_an_answer_too(bench: Bench) -> None:
    await bench.post("a")
    await bench.run("a", details=records.Details(media="image/png"), output=b"\x89PNG")

    found = await bench.post("b")

    assert (found.output, found.details.media) == (b"\x89PNG", "image/png")


async def test_redis_is_asked_about_no_input_that_is_new(bench: Bench) -> None:
    for number in range(10):
        await bench.post(f"a{number}", number)

    assert bench.store.asked == 0


async def test_while_the_first_is_on_its_way_the_others_follow_it(bench: Bench) -> None:
    await bench.post("a")
    assert await bench.post("b") is None
    await bench.run("a")

    assert (await bench.post("c")).output == b"14"


@pytest.mark.parametrize(
    "more",
    [
        {"version": 2},
        {"cache": False},
        {"deadline": AT + 5000},
        {"webhook": envelope.Webhook(url="https://example.com")},
        {"reply_to": "topic"},
    ],
)
async def test_what_is_out_of_the_ordinary_takes_the_ordinary_way(bench: Bench, more: dict[str, Any]) -> None:
    await bench.post("a")
    await bench.run("a")

    assert await bench.post("b", **more) is None
    assert (await bench.post("c", version=3)).output == b"14"


@pytest.mark.parametrize(
    "change", [{"cache": 0.0}, {"webhook": "https://example.com"}, {"live": 4}, {"live": None}, {"model_uid": 8}]
)
async def test_what_the_model_is_now_decides(bench: Bench, change: dict[str, Any]) -> None:
    await bench.post("a")
    await bench.run("a")

    assert await bench.post("b", endpoint=msgspec.structs.replace(ENDPOINT, **change)) is None


async def test_after_a_rollback_the_answers_of_then_count_again(bench: Bench) -> None:
    later = msgspec.structs.replace(ENDPOINT, live=4)
    await bench.post("a")
    await bench.run("a")
    await bench.post("b", endpoint=later)
    await bench.run("b", version=4, output=b"15")

    assert (await bench.post("c", endpoint=later)).output == b"15"
    assert (await bench.post("d")).output == b"14"


async def test_a_job_that_ran_on_another_version_than_was_live_is_no_answer(bench: Bench) -> None:
    await bench.post("a")
    await bench.run("a", version=4)  # rolled on before a worker had it

    assert await bench.post("b") is None
    await bench.run("b")
    assert (await bench.post("c")).output == b"14"


async def test_an_answer_counts_for_its_time(bench: Bench) -> None:
    await bench.post("a")
    await bench.run("a")
    bench.now += 60_000
    assert await bench.post("b") is not None
    bench.now += 1

    assert await bench.post("c") is None

    await bench.run("c")
    assert await bench.post("d") is not None


async def test_a_failed_job_gives_way_to_the_next(bench: Bench) -> None:
    await bench.post("a")
    await bench.run("a", status=jobs.Status.FAILED, output=None)
    assert await bench.post("b") is None
    await bench.run("b")

    assert (await bench.post("c")).output == b"14"


async def test_redis_that_does_not_answer_costs_one_short_wait(bench: Bench) -> None:
    await bench.post("a")
    await bench.run("a")
    bench.store.stuck = True
    asked = bench.store.asked

    assert [await bench.post(f"b{number}") for number in range(5)] == [None] * 5

    assert bench.store.asked == asked + 1


async def test_redis_away_costs_one_question_not_each_post(bench: Bench) -> None:
    await bench.post("a")
    await bench.run("a")
    bench.store.away = True
    asked = bench.store.asked

    assert [await bench.post(f"b{number}") for number in range(5)] == [None] * 5

    assert bench.store.asked == asked + 1
