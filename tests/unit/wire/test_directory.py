"""The directory of keys and endpoints: newest snapshot, asked again on a miss, kept while the registry is away."""

import asyncio
import hashlib
from typing import Any

from wire import directory, specs


def endpoint(model: str = "iris", **more: Any) -> specs.Endpoint:
    return specs.Endpoint(
        account="default",
        account_uid=1,
        model=model,
        model_uid=hash(model) % 1000,
        topic_uuid="t",
        **{"live": 1} | more,
    )


def snapshot(etag: str, *endpoints: specs.Endpoint, key: str | None = "pn_x") -> specs.Snapshot:
    known = specs.Key(id="k1", account="default", account_uid=1, last_four="…")
    keys = {hashlib.sha256(key.encode()).hexdigest(): known} if key else {}
    return specs.Snapshot(etag=etag, keys=keys, endpoints=list(endpoints))


class Registry:
    """Answers with `current`; what it was asked."""

    def __init__(self, current: specs.Snapshot) -> None:
        self.current = current
        self.away = False
        self.asked: list[str | None] = []

    async def fetch(self, etag: str | None) -> specs.Snapshot | None:
        self.asked.append(etag)
        if self.away:
            raise ConnectionRefusedError("away")
        return None if etag == self.current.etag else self.current


async def test_a_snapshot_is_taken_whole() -> None:
    # Given a registry with one key and two models
    registry = Registry(snapshot("1", endpoint("iris"), endpoint("a-first")))
    known = directory.Directory(registry.fetch)
    assert not known.loaded
    # When it is asked
    await known.refresh()
    # Then everything is found by its names
    assert known.loaded
    found = known.key("pn_x")
    assert found is not None
    assert found.id == "k1"
    assert known.key("pn_y") is None
    assert [one.model for one in known.endpoints("default")] == ["a-first", "iris"]
    iris = known.endpoint("default", "iris")
    assert iris is not None
    assert known.endpoint_by_uid(iris.model_uid) is iris
    assert known.endpoint("other", "iris") is None
    assert len(known.every()) == 2


async def test_a_revoked_key_and_a_removed_model_are_gone_with_the_next_snapshot() -> None:
    # Given a key that was used, so that it is remembered
    registry = Registry(snapshot("1", endpoint("iris")))
    known = directory.Directory(registry.fetch)
    await known.refresh()
    assert known.key("pn_x") is not None
    # When it is revoked and the model removed
    registry.current = snapshot("2", key=None)
    await known.refresh()
    # Then neither is found
    assert known.key("pn_x") is None
    assert known.endpoint("default", "iris") is None


async def test_the_last_snapshot_stays_while_the_registry_is_away() -> None:
    # Given a directory that was loaded
    registry = Registry(snapshot("1", endpoint("iris")))
    known = directory.Directory(registry.fetch)
    await known.refresh()
    # When the registry goes away
    registry.away = True
    await known.refresh()
    # Then accepting goes on with what is known
    assert known.key("pn_x") is not None
    assert known.endpoint("default", "iris") is not None


async def test_a_strangers_guesses_do_not_ask_each_time() -> None:
    registry = Registry(snapshot("1"))
    known = directory.Directory(registry.fetch)
    await known.refresh()
    # When fifty miss at once
    await asyncio.gather(*(known.fresh() for _ in range(50)))
    # Then one question answers them all
    assert len(registry.asked) == 2


async def test_what_became_so_before_the_miss_is_seen_after_it() -> None:
    # Given a snapshot taken a moment ago, and a change since
    registry = Registry(snapshot("1"))
    known = directory.Directory(registry.fetch)
    await known.refresh()
    registry.current = snapshot("2", endpoint("iris"))
    # When somebody misses
    await known.fresh()
    # Then it is found, however short ago the last question was
    assert known.endpoint("default", "iris") is not None


async def test_nothing_new_is_asked_for_with_the_etag_one_has() -> None:
    registry = Registry(snapshot("7", endpoint("iris")))
    known = directory.Directory(registry.fetch)
    await known.refresh()
    await known.refresh()
    assert registry.asked == [None, "7"]
    assert known.endpoint("default", "iris") is not None
