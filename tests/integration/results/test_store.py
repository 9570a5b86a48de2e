"""What only a real server can show: times to live, lost scripts, notifications, and reads that share a command."""

import asyncio
import time
from typing import Any

import msgpack  # type: ignore[import-untyped]  # ships no stubs

from results import keys, link, protocol, records, store, sweep
from wire import jobs, specs

A = "acme"
TOKEN = "a" * 16
HOUR = 3_600_000


def now() -> int:
    return time.time_ns() // 1_000_000


def request(job_id: str, **fields: Any) -> protocol.ClaimRequest:
    given: dict[str, Any] = {"id": job_id, "token": TOKEN, "version": 1, "created_at": now()}
    return protocol.ClaimRequest(**(given | fields))


def end(job_id: str, **fields: Any) -> protocol.End:
    given: dict[str, Any] = {
        "id": job_id,
        "token": TOKEN,
        "status": jobs.Status.SUCCEEDED,
        "completed_at": now(),
        "details": records.Details(),
        "output": b"[1]",
    }
    return protocol.End(**(given | fields))


async def left(over: link.Link, model: str, job_id: str) -> int:
    """Milliseconds the record will live, as Redis sees it; hours, rounded, as no test waits so long."""
    ttl: int = await over.call("PTTL", keys.job(A, model, job_id))
    return round(ttl / HOUR)


async def test_a_record_outlives_its_job(over: link.Link, kept: store.Store, model: str) -> None:
    requests = [request("young", ttl_ms=70 * HOUR), request("old", ttl_ms=HOUR), request("late", ttl_ms=-5 * HOUR)]
    await kept.claim(A, model, requests, now_ms=now(), keep_ms=5 * HOUR)

    assert await left(over, model, "young") == 70, "until its maximum age"
    assert await left(over, model, "old") == 24, "a run that began late has its time"
    assert await left(over, model, "late") == 24

    ends = [end("young", ttl_ms=70 * HOUR, keep_ms=5 * HOUR), end("old", ttl_ms=HOUR, keep_ms=5 * HOUR)]
    assert await kept.finish(A, model, ends) == [True, True]

    assert await left(over, model, "young") == 70, "an ended job is not taken for a new one"
    assert await left(over, model, "old") == 5, "its result is kept"


async def test_every_key_of_a_model_has_an_end_but_the_index(over: link.Link, kept: store.Store, model: str) -> None:
    await kept.claim(A, model, [request("one", record=(0, 1, 0)), request("two", deadline=1)], now_ms=now())
    await kept.claim(A, model, [request("one", token="b" * 16)], now_ms=now())
    await kept.release(A, model, [protocol.Release(id="one", token="b" * 16)], now_ms=now())
    await kept.cancel(A, model, "three", created_at=now(), now_ms=now(), ttl_ms=1000)
    await kept.cancel(A, model, "one", created_at=now(), now_ms=now(), ttl_ms=1000)

    found = await over.call("KEYS", f"*:{model}:*")
    endless = [key for key in found if await over.call("PTTL", key) < 0]

    assert len(found) == 5
    assert endless == [keys.index(A, model).encode()]


async def test_a_flushed_script_is_sent_again(over: link.Link, kept: store.Store, model: str) -> None:
    await kept.claim(A, model, [request("one")], now_ms=now())
    await over.call("SCRIPT", "FLUSH")

    assert await kept.finish(A, model, [end("one")]) == [True]
    assert (await kept.claim(A, model, [request("one")], now_ms=now()))[0].verdict is protocol.Verdict.DONE


async def test_only_one_of_many_at_once_wins(kept: store.Store, model: str) -> None:
    """Whatever order the server takes them in."""

    async def worker(number: int) -> bool:
        token = f"{number:016x}"
        claimed = await kept.claim(A, model, [request("one", token=token)], now_ms=now())
        if claimed[0].verdict is not protocol.Verdict.RUN:
            return False
        return (await kept.finish(A, model, [end("one", token=token, output=b"%d" % number)]))[0]

    won = await asyncio.gather(*[worker(number) for number in range(20)])

    assert sum(won) <= 1, "none where the starts ran out first"
    found = await kept.fetch(A, model, "one")
    assert found is not None
    assert found.terminal
    if any(won):
        assert found.output == b"%d" % won.index(True)


async def test_ends_are_told_in_one_message_a_channel(over: link.Link, kept: store.Store, model: str) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    wire = await over.dial(heard.put_nowait)
    here, there = keys.notify("here"), keys.notify("there")
    wire.push("SUBSCRIBE", here, there, keys.ended(A, model), "somebody:else")
    for _ in range(4):
        await heard.get()
    await kept.claim(A, model, [request(f"job-{n}") for n in range(5)], now_ms=now())

    large = b'"' + b"x" * 300_000 + b'"'
    ends = [
        end("job-0", notify=here),
        end("job-1", notify=here, output=large),
        end("job-2", notify=there),
        end("job-3"),
        end("job-4", notify="somebody:else"),
    ]
    await kept.finish(A, model, ends)
    messages = {channel.decode(): data for _, channel, data in [await heard.get() for _ in range(3)]}

    assert messages[keys.ended(A, model)] == b"job-0 job-1 job-2 job-3 job-4"
    (first, value), (second, nothing) = msgpack.unpackb(messages[here], raw=True)
    assert (first.decode(), second.decode()) == (keys.job(A, model, "job-0"), keys.job(A, model, "job-1"))
    assert records.decode(value).output == b"[1]"
    assert nothing is False, "too large for a message: to be read"
    assert len(msgpack.unpackb(messages[there], raw=True)) == 1
    assert heard.empty(), "no channel but ours is spoken to"
    await wire.aclose()


async def test_reads_of_one_tick_are_one_command(over: link.Link, kept: store.Store, model: str) -> None:
    await kept.claim(A, model, [request(f"job-{n}") for n in range(1200)], now_ms=now())

    async def mgets() -> int:
        for line in (await over.call("INFO", "commandstats")).decode().splitlines():
            if line.startswith("cmdstat_mget:"):
                return int(line.split("calls=")[1].split(",")[0])
        return 0

    before = await mgets()
    found = await asyncio.gather(*[kept.fetch(A, model, f"job-{n}") for n in range(1201)])

    assert [one is not None for one in found] == [True] * 1200 + [False]
    assert await mgets() - before == 3, "500 at most in each"


async def test_a_reader_who_leaves_disturbs_nobody(kept: store.Store, model: str) -> None:
    await kept.claim(A, model, [request("one")], now_ms=now())
    leaving = asyncio.create_task(kept.fetch(A, model, "one"))
    staying = asyncio.create_task(kept.fetch(A, model, "one"))
    await asyncio.sleep(0)

    leaving.cancel()

    assert await staying is not None
    assert leaving.cancelled() or leaving.cancelling()


async def test_the_sweep_walks_the_whole_index(over: link.Link, kept: store.Store, model: str) -> None:
    at = now() - 10 * HOUR
    endpoint = specs.Endpoint(
        account=A, account_uid=1, model=model, model_uid=1, topic_uuid="t", live=1, keep=3600, max_age=72 * 3600
    )
    ids = [f"job-{n}" for n in range(1700)]
    await kept.claim(A, model, [request(one, created_at=at + n) for n, one in enumerate(ids)], now_ms=now())
    await kept.finish(A, model, [end(one, keep_ms=HOUR, completed_at=at) for one in ids[::2]])
    await over.call("DEL", keys.job(A, model, ids[1]))

    freed = await sweep.model(kept, endpoint, now())

    assert freed == 851
    assert await over.call("ZCARD", keys.index(A, model)) == 849
    assert await over.call("STRLEN", keys.job(A, model, ids[0])) == records.HEAD
    assert await left(over, model, ids[0]) == 72, "cut, and as long-lived as before"
