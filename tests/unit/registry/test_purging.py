"""What a removed model leaves behind: when it goes, in which order, and when its name is free."""

import asyncio
from pathlib import Path

import pytest

from registry import errors, purging, service
from tests.unit.registry import kit
from tests.unit.registry.test_service import deploy

IRIS = f"{kit.ACCOUNT}.iris"


class Bench:
    """A purger whose clock is moved by hand."""

    def __init__(self, registry: service.Registry, topics: kit.Topics) -> None:
        self.registry = registry
        self.topics = topics
        self.forgotten: list[tuple[str, str]] = []
        self.failure: errors.RegistryError | None = None
        self.removed_at: list[float] = []
        self.later = 0.0
        self.purger = purging.Purger(registry, topics, self._forget, clock=lambda: self._now() + self.later)

    async def _forget(self, account: str, model: str) -> int:
        if self.failure is not None:
            raise self.failure
        self.forgotten.append((account, model))
        return 7

    def _now(self) -> float:
        return max(self.removed_at, default=0.0)

    async def remove(self, model: str = "iris") -> None:
        await self.registry.remove(kit.ACCOUNT, model)
        self.removed_at = [one.removed_at / 1000 for one in await self.registry.removals()]

    async def left(self) -> list[str]:
        return [one.name for one in await self.registry.removals()]


@pytest.fixture
def bench(registry: service.Registry, topics: kit.Topics) -> Bench:
    return Bench(registry, topics)


async def test_all_goes_once_everybody_has_heard_of_it(bench: Bench, tmp_path: Path) -> None:
    await deploy(bench.registry, "1")
    uid = (await bench.registry.model(kit.ACCOUNT, "iris")).uid
    await deploy(bench.registry, "2", model="tulip")
    await bench.remove()

    bench.later = purging.HEARD - 0.01
    assert await bench.purger.tick()
    assert (await bench.left(), bench.forgotten, IRIS in bench.topics.uuids) == (["iris"], [], True)

    bench.later = purging.HEARD
    await bench.purger.tick()
    assert (await bench.left(), bench.forgotten) == ([], [(kit.ACCOUNT, "iris")])
    assert list(bench.topics.uuids) == [f"{kit.ACCOUNT}.tulip"]
    assert not (tmp_path / "registry" / "logs" / str(uid)).exists()
    assert not await bench.purger.tick(), "nothing is left to do"


async def test_nothing_goes_while_a_worker_is_in_the_group(bench: Bench) -> None:
    await deploy(bench.registry)
    await bench.remove()
    bench.topics.members.add(IRIS)

    bench.later = purging.LATEST - 1
    await bench.purger.tick()
    assert (bench.forgotten, list(bench.topics.uuids)) == ([], [IRIS])
    # until that takes too long: then its topics go
    bench.later = purging.LATEST
    await bench.purger.tick()
    assert (bench.forgotten, list(bench.topics.uuids), await bench.left()) == ([], [], ["iris"])
    # and all else once it has left
    bench.topics.members.clear()
    await bench.purger.tick()
    assert (bench.forgotten, await bench.left()) == ([(kit.ACCOUNT, "iris")], [])


@pytest.mark.parametrize("away", ["Kafka", "results"])
async def test_what_is_away_is_tried_again_and_holds_up_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture, away: str
) -> None:
    for model in ("iris", "tulip"):
        await deploy(bench.registry, model=model)
        await bench.remove(model)
    bench.later = purging.HEARD
    if away == "Kafka":
        bench.topics.failure = errors.KafkaUnavailable()
    else:
        bench.failure = errors.ResultsUnavailable()
    for _ in range(3):
        await bench.purger.tick()
    assert await bench.left() == ["iris", "tulip"]
    assert len(caplog.messages) == 2, "told once each"

    bench.topics.failure = bench.failure = None
    await bench.purger.tick()
    assert await bench.left() == []


async def test_a_registry_that_starts_again_goes_on(bench: Bench, tmp_path: Path, topics: kit.Topics) -> None:
    # Given one that ended between the topics and the rest
    await deploy(bench.registry)
    await bench.remove()
    bench.later = purging.HEARD
    bench.failure = errors.ResultsUnavailable()
    await bench.purger.tick()
    await bench.registry.close()
    # When
    second = service.Registry(kit.config(tmp_path / "registry"), topics)
    await second.start()
    again = Bench(second, topics)
    again.removed_at, again.later = bench.removed_at, purging.HEARD
    await again.purger.tick()
    # Then
    assert (await again.left(), again.forgotten) == ([], [(kit.ACCOUNT, "iris")])
    await second.close()


async def test_a_deploy_under_the_name_waits_until_it_is_free(bench: Bench) -> None:
    await deploy(bench.registry)
    first = await bench.registry.model(kit.ACCOUNT, "iris")
    await bench.remove()

    deploying = asyncio.ensure_future(deploy(bench.registry))
    other = await deploy(bench.registry, model="tulip")
    assert other.version.number == 1, "nobody else waits"
    assert not deploying.done()
    bench.later = purging.HEARD
    await bench.purger.tick()

    made = (await deploying).model
    assert made.uid != first.uid
    assert made.topic_uuid != first.topic_uuid
    assert made.topic_uuid == bench.topics.uuids[IRIS]
    log, _ = await bench.registry.log(kit.ACCOUNT, "iris", 1)
    assert [line.number async for line in log.every()] == [1, 2]


async def test_a_name_that_stays_taken_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "NAME_WAIT", 0.0)
    await deploy(bench.registry)
    await bench.remove()
    with pytest.raises(errors.NameTaken, match="not yet gone"):
        await deploy(bench.registry)
    with pytest.raises(errors.UnknownModel):
        await bench.registry.remove(kit.ACCOUNT, "iris")


async def test_it_runs_by_itself(bench: Bench) -> None:
    await deploy(bench.registry)
    running = asyncio.create_task(bench.purger.run())
    bench.later = purging.HEARD
    await bench.remove()
    async with asyncio.timeout(30):
        while await bench.left():
            await bench.registry.changes.wait(bench.registry.changes.number, 0.1)
        bench.registry.release()
        await running
