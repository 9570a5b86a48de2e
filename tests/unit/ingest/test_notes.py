"""Notes of accepted jobs: late, few, and never in anybody's way."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from ingest import notes, producer
from results import errors, memory, protocol, records
from wire import envelope, jobs, metrics, specs

NOW = 1_000_000
ENDPOINT = specs.Endpoint(
    account="default", account_uid=1, model="m", model_uid=1, topic_uuid="u", live=1, max_age=72 * 3600
)


class Asked(memory.Store):
    """Keeps which jobs it was asked about and told of."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.noted: list[str] = []
        self.wrote = asyncio.Event()

    async def unfinished(self, account: str, model: str, job_ids: list[str]) -> list[str]:
        self.asked += job_ids
        return await super().unfinished(account, model, job_ids)

    async def note(self, account: str, model: str, notes: list[protocol.Note], **fields: Any) -> int:
        self.noted += [note.id for note in notes]
        self.wrote.set()
        return await super().note(account, model, notes, **fields)


class Away(memory.Store):
    async def unfinished(self, account: str, model: str, job_ids: list[str]) -> list[str]:
        raise errors.StoreUnavailable


def job(job_id: str, **fields: Any) -> envelope.Envelope:
    return envelope.Envelope(id=job_id, input=msgspec.Raw(b"\x01"), accepted_at=NOW, **fields)


def accept(made: notes.Notes, *accepted: envelope.Envelope, endpoint: specs.Endpoint = ENDPOINT) -> None:
    for member, one in enumerate(accepted):
        made.accepted(endpoint, one, producer.Place(2, 30, member), bulk=False)


def of(store: protocol.Store) -> notes.Notes:
    return notes.Notes(store, most=100, clock_ms=lambda: NOW + 10)


async def claim(store: protocol.Store, job_id: str) -> None:
    request = protocol.ClaimRequest(id=job_id, token="a" * 16, version=1, created_at=NOW)
    await store.claim("default", "m", [request], now_ms=NOW)


async def finish(store: protocol.Store, job_id: str) -> None:
    end = protocol.End(
        id=job_id, token="a" * 16, status=jobs.Status.SUCCEEDED, completed_at=NOW, details=records.Details()
    )
    assert await store.finish("default", "m", [end]) == [True]


async def test_what_waits_is_noted_a_tick_later() -> None:
    store = Asked()
    made = of(store)
    accept(made, job("a", metadata={"order": 1}), job("b", traceparent="00-t"))

    await made.tick()
    assert store.noted == []
    await made.tick()
    await made.tick()

    assert store.noted == ["a", "b"]
    found = await store.fetch("default", "m", "a")
    assert found is not None
    assert (found.status, found.created_at) == (jobs.Status.QUEUED, NOW)
    assert found.details == records.Details(metadata={"order": 1}, place=(2, 30, 0))
    second = await store.fetch("default", "m", "b")
    assert second is not None
    assert second.details == records.Details(traceparent="00-t", place=(2, 30, 1))


@pytest.mark.parametrize("ticks", [0, 1])
async def test_what_was_seen_meanwhile_is_not_even_asked_about(ticks: int) -> None:
    store = Asked()
    made = of(store)
    accept(made, job("a"), job("b"))

    for _ in range(ticks):
        await made.tick()
    made.forget("a")
    made.forget("never heard of")
    for _ in range(2):
        await made.tick()

    assert store.asked == store.noted == ["b"]


async def test_what_ended_meanwhile_is_not_written() -> None:
    store = Asked()
    made = of(store)
    accept(made, job("ended"), job("waits"))
    await claim(store, "ended")
    await finish(store, "ended")

    for _ in range(2):
        await made.tick()

    assert store.asked == ["ended", "waits"]
    assert store.noted == ["waits"]


@pytest.mark.parametrize(
    ("words", "default", "told"),
    [
        ({"webhook": envelope.Webhook(url="https://a")}, None, [("https://a", "a")]),
        ({"webhook": envelope.Webhook(url="https://a", events=["failed"])}, "https://b", []),
        ({}, "https://b", [("https://b", "a")]),
        ({}, None, []),
    ],
)
async def test_a_job_canceled_at_once_still_calls_its_webhook(
    words: dict[str, Any], default: str | None, told: Sequence[Any]
) -> None:
    store = Asked()
    made = of(store)
    accept(made, job("a", **words), endpoint=msgspec.structs.replace(ENDPOINT, webhook=default))
    await store.cancel("default", "m", "a", created_at=NOW, now_ms=NOW, ttl_ms=10**6)

    for _ in range(2):
        await made.tick()

    assert store.pushed == told


async def test_while_the_store_is_away_notes_are_dropped_and_counted() -> None:
    made = of(Away())
    before = metrics.NOTES_DROPPED._value.get()
    accept(made, job("a"), job("b"))

    for _ in range(2):
        await made.tick()

    assert metrics.NOTES_DROPPED._value.get() == before + 2


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "MOST", 2)
    store = Asked()
    made = of(store)
    accept(made, job("a"), job("b"), job("c"))

    for _ in range(2):
        await made.tick()

    assert store.noted == ["a", "b"]


async def test_it_runs_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "PERIOD", 0.0)
    store = Asked()
    made = of(store)
    running = asyncio.create_task(made.run())

    for name in "ab":
        accept(made, job(name))
        async with asyncio.timeout(30):
            await store.wrote.wait()
        store.wrote.clear()
    assert store.noted == ["a", "b"]

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
