"""Which of some jobs have not ended, in every store."""

from results import protocol
from tests.contract.results.test_store import A, claim, end, now, request


async def test_queued_running_and_unread_jobs_have_not_ended(kept: protocol.Store, model: str) -> None:
    await claim(kept, model, request("running"), request("ended"), request("given back"))
    await kept.finish(A, model, [end("ended")])
    await kept.release(A, model, [protocol.Release(id="given back", token="a" * 16)], now_ms=now())
    await kept.cancel(A, model, "canceled", created_at=now(), now_ms=now(), ttl_ms=1000)

    asked = ["running", "ended", "unread", "given back", "canceled"]

    assert await kept.unfinished(A, model, asked) == ["running", "unread", "given back"]
    assert await kept.unfinished(A, model, []) == []


async def test_many(kept: protocol.Store, model: str) -> None:
    many = [f"job-{n}" for n in range(2500)]
    assert await kept.unfinished(A, model, many) == many
