"""A client's flood is noticed without asking Redis while accepting."""

import asyncio

import pytest

from ingest import floods
from results import errors


class Redis:
    """Knows which jobs ended; every question is kept."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.asked: list[list[str]] = []
        self.away = False

    async def unfinished(self, _account: str, _model: str, job_ids: list[str]) -> list[str]:
        self.asked.append(job_ids)
        if self.away:
            raise errors.StoreUnavailable("away")
        return [one for one in job_ids if one not in self.ended]


def post(flooded: floods.Floods, job_id: str, *, key: str = "k", model: str = "m") -> bool:
    """One POST: whether its job went to the bulk lane."""
    bulk = flooded.flooding(key, "acme", model)
    if not bulk:
        flooded.accepted(key, "acme", model, job_id)
    return bulk


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_redis_is_not_asked_below_the_bound() -> None:
    redis = Redis()
    flooded = floods.Floods(unfinished=redis.unfinished, most=3)
    assert not any(post(flooded, f"j{n}") for n in range(3))
    await settled()
    assert redis.asked == []


async def test_further_jobs_go_to_the_bulk_lane_until_enough_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "INTERVAL", 0.0)
    redis = Redis()
    flooded = floods.Floods(unfinished=redis.unfinished, most=3)
    # Given as many unfinished jobs as the bound
    for n in range(3):
        post(flooded, f"j{n}")
    assert not post(flooded, "j3"), "the question is on its way"
    await settled()
    # Then further ones go to the bulk lane, those of others do not
    assert post(flooded, "j4")
    assert not post(flooded, "other", key="another")
    assert not post(flooded, "other", model="another")
    # And when some ended, no more
    redis.ended |= {"j0", "j1", "j2"}
    await settled()
    post(flooded, "j5")
    await settled()
    assert not post(flooded, "j6")


async def test_finished_jobs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "INTERVAL", 0.0)
    redis = Redis()
    flooded = floods.Floods(unfinished=redis.unfinished, most=10)
    for n in range(1000):
        assert not post(flooded, f"j{n}")
        redis.ended.add(f"j{n}")
        await settled()
    assert len(redis.asked) < 120, "once in so many jobs as the bound says"


async def test_redis_away_keeps_jobs_interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "INTERVAL", 0.0)
    redis = Redis()
    redis.away = True
    flooded = floods.Floods(unfinished=redis.unfinished, most=2)
    for n in range(50):
        assert not post(flooded, f"j{n}")
        await settled()


async def test_what_was_accepted_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "INTERVAL", 0.0)
    monkeypatch.setattr(floods, "LONG", 0.0)
    redis = Redis()  # knows none of them to have ended, as what it knew is past its time
    flooded = floods.Floods(unfinished=redis.unfinished, most=3)
    for n in range(20):
        assert not post(flooded, f"j{n}")
        await settled()


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floods, "CLIENTS", 5)
    flooded = floods.Floods(unfinished=Redis().unfinished, most=3)
    for n in range(100):
        post(flooded, "j", key=f"k{n}")
    assert len(flooded._clients) == 5
