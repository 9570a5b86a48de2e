"""A job's events, from what workers write to the bytes of the stream, on a real server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from results import answers, link, protocol, records, store, streams, waiting, words
from wire import directory, ids, jobs, specs

A = "acme"
TOKEN = "a" * 16
SIGNER = ids.Signer({0: b"k"}, 0)
KEY = specs.Key(id="k", account=A, account_uid=1, last_four="x")


def now() -> int:
    return time.time_ns() // 1_000_000


class Bench:
    """A job in a store, and the streams of its events."""

    def __init__(self, over: link.Link, kept: store.Store, waiters: waiting.Waiters, model: str) -> None:
        endpoint = specs.Endpoint(account=A, account_uid=1, model=model, model_uid=9, topic_uuid="t", live=1)
        snapshot = specs.Snapshot(etag="1", keys={}, endpoints=[endpoint])

        async def fetch(etag: str | None) -> specs.Snapshot | None:
            return None if etag else snapshot

        self.kept, self.model = kept, model
        self.known = directory.Directory(fetch)
        self.words = words.Words(over)
        self.streams = streams.Streams(answers.Results(kept, waiters, SIGNER), self.words)
        self.id = SIGNER.new(model_uid=9, account_uid=1, now_ms=now())

    async def claim(self, token: str = TOKEN) -> None:
        request = protocol.ClaimRequest(
            id=self.id, token=token, version=1, created_at=now(), details=records.Details(started_at=now())
        )
        await self.kept.claim(A, self.model, [request], now_ms=now())

    async def say(self, *fractions: float, token: str = TOKEN) -> None:
        said = [words.Word(id=self.id, token=token, name="progress", data=words.progress(one, "")) for one in fractions]
        await self.words.say(A, self.model, said)

    async def end(self) -> None:
        end = protocol.End(
            id=self.id, token=TOKEN, status=jobs.Status.SUCCEEDED, completed_at=now(),
            details=records.Details(started_at=now()), output=b'{"a":\n1}',
        )  # fmt: skip
        assert await self.kept.finish(A, self.model, [end]) == [True]

    async def open(self, after: int = 0) -> AsyncIterator[bytes]:
        opened = await self.streams.open(self.known, KEY, None, self.id, after)
        assert not isinstance(opened, answers.Answer), opened
        return opened

    async def all(self, after: int = 0) -> list[tuple[int, str, Any]]:
        return [event async for event in events(await self.open(after))]


async def events(stream: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, str, Any]]:
    """Number, name and data of each event."""
    async for piece in stream:
        if piece.startswith(b":"):
            continue
        number, name, *data = piece.decode().strip().split("\n")
        text = "\n".join(line.removeprefix("data: ") for line in data)
        yield int(number.removeprefix("id: ")), name.removeprefix("event: "), json.loads(text)


@pytest.fixture
async def bench(over: link.Link, kept: store.Store, waiters: waiting.Waiters, model: str) -> Bench:
    made = Bench(over, kept, waiters, model)
    await made.known.refresh()
    return made


async def test_a_plain_job_has_three_events(bench: Bench) -> None:
    await bench.claim()
    await bench.end()

    found = await bench.all()

    assert [(number, name) for number, name, _ in found] == [(1, "queued"), (2, "started"), (3, "ended")]
    assert found[0][2]["status"] == "queued"
    assert (found[1][2]["attempt"], found[1][2]["version"]) == (1, 1)
    assert found[2][2]["output"] == {"a": 1}
    assert await bench.all(after=2) == found[2:]
    assert await bench.all(after=3) == []
    assert [name for _, name, _ in await bench.all(after=77)] == ["ended"], "a number that never was"


async def test_events_come_as_they_happen(bench: Bench) -> None:
    stream = events(await bench.open())

    async with asyncio.timeout(20):
        assert (await anext(stream))[:2] == (1, "queued")
        await bench.claim()
        assert (await anext(stream))[:2] == (2, "started")
        await bench.say(0.25)
        assert await anext(stream) == (3, "progress", {"fraction": 0.25, "text": ""})
        await bench.say(0.5, 0.75)
        assert [(await anext(stream))[0] for _ in range(2)] == [4, 5]
        await bench.end()
        number, name, job = await anext(stream)
        assert (number, name, job["status"]) == (6, "ended", "succeeded")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_client_goes_on_after_its_last_event(bench: Bench) -> None:
    await bench.claim()
    await bench.say(0.1, 0.2, 0.3)
    await bench.end()

    assert [number for number, _, _ in await bench.all(after=4)] == [5, 6]
    assert [number for number, _, _ in await bench.all(after=0)] == [1, 2, 3, 4, 5, 6]


async def test_late_words_and_words_of_others_are_dropped(bench: Bench) -> None:
    await bench.claim()
    await bench.say(0.9, token="b" * 16)
    await bench.end()
    await bench.say(1.0)

    assert [name for _, name, _ in await bench.all()] == ["queued", "started", "ended"]


async def test_only_the_newest_words_are_kept(bench: Bench) -> None:
    await bench.claim()
    for start in range(0, 3000, 200):
        await bench.say(*[number / 3000 for number in range(start, start + 200)])
    await bench.end()

    found = await bench.all()

    assert found[-1][0] == 3003
    assert words.KEPT <= len(found) < 1500


async def test_a_large_output_is_told_by_its_size() -> None:
    assert json.loads(words.output(b"[1]", None)) == {"output": [1]}
    assert json.loads(words.output(b"\xff\x00", "image/png")) == {"output": "/wA=", "output_media_type": "image/png"}
    assert json.loads(words.output(b"1" * 20_000, None)) == {"omitted_bytes": 20_000}


async def test_a_job_without_a_start_ends_too(bench: Bench) -> None:
    await bench.kept.cancel(A, bench.model, bench.id, created_at=now(), now_ms=now(), ttl_ms=60_000)

    assert [(number, name) for number, name, _ in await bench.all()] == [(1, "queued"), (3, "ended")]


async def test_unknown_and_gone(bench: Bench) -> None:
    await bench.claim()
    await bench.end()
    await bench.kept.delete(A, bench.model, bench.id, now_ms=now())

    gone = await bench.streams.open(bench.known, KEY, None, bench.id, 0)
    unknown = await bench.streams.open(bench.known, KEY, bench.model, "nobody", 0)

    assert isinstance(gone, answers.Answer)
    assert isinstance(unknown, answers.Answer)
    assert (gone.status, unknown.status) == (410, 404)


async def test_streams_end_when_the_process_does(bench: Bench) -> None:
    stream = events(await bench.open())
    assert (await anext(stream))[1] == "queued"

    bench.streams.release()

    with pytest.raises(StopAsyncIteration):
        await anext(stream)
