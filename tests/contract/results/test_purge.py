"""What is left of a removed model's jobs: nothing, and of its neighbours everything."""

from results import protocol
from tests.contract.results.test_note import note
from tests.contract.results.test_store import A, claim, end, now, request


async def test_nothing_is_left_of_a_removed_model(kept: protocol.Store, model: str) -> None:
    # Given jobs in every state, and neighbours whose names begin or end alike
    at, neighbours = now(), [(A, f"{model}-2"), (f"x{A}"[:20], model), (A, f"a{model}")]
    for account, name in [(A, model), *neighbours]:
        await kept.claim(account, name, [request("ended"), request("running")], now_ms=at)
        await kept.finish(account, name, [end("ended", completed_at=at)])
        await kept.note(account, name, [note("queued", waits=protocol.Waits(deadline=at + 10_000))], now_ms=at)
        await kept.cancel(account, name, "canceled", created_at=at, now_ms=at, ttl_ms=60_000)
    await claim(kept, model, request("foreign", record=(1, 7, 0)))

    # When
    assert await kept.purge(A, model) > 0

    # Then
    ids = ["ended", "running", "queued", "canceled", "foreign"]
    assert await kept.fetch_many(A, model, ids) == [None] * 5
    assert (await kept.page(A, model)).jobs == []
    assert await kept.position(A, model, "queued") is None
    assert await kept.ids_of_record(A, model, 1, 7) == []
    expired = await kept.expire(A, model, now_ms=at + 20_000, max_age_ms=1000)
    assert (expired.seen, expired.ended, expired.next_at) == (0, 0, None)
    assert await kept.purge(A, model) == 0, "again"
    for account, name in neighbours:
        assert all(await kept.fetch_many(account, name, ids[:4]))
        assert await kept.position(account, name, "queued") == 1
    # and a model of that name begins anew
    (again,) = await claim(kept, model, request("ended"))
    assert (again.verdict, again.starts) == (protocol.Verdict.RUN, 1)
