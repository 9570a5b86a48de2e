"""The scaler's tick, against doubles."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator

import pytest

from k8s import cluster, scaler
from tests.unit.k8s import kit
from wire import specs


@contextlib.asynccontextmanager
async def following(made: scaler.Scaler) -> AsyncIterator[None]:
    """The scaler follows its registry, and ticks only when told."""
    await made._startup()
    await kit.until(lambda: made._models is not None)
    try:
        yield
    finally:
        await made._drain()


async def test_nothing_happens_before_the_registry_spoke() -> None:
    given = kit.Kit(kit.model("one"))

    await given.tick()

    assert given.cluster.applied == []
    assert given.made.ticked_at is None


async def test_each_model_gets_a_deployment_and_a_sleeping_one_no_worker() -> None:
    given = kit.Kit(kit.model("one"), kit.model("two", specs.VersionState.BUILDING))
    async with following(given.made):
        await given.tick()

        assert (given.replicas("one"), given.replicas("two")) == (0, 1)


async def test_up_with_the_backlog_and_down_to_zero_when_idle() -> None:
    given = kit.Kit(kit.model("one"), scale_target_wait=5, scale_load=1, scale_stable=60, scale_idle=300)
    async with following(given.made):
        given.backlogs.waiting("one", 100)
        for _ in range(2):
            await given.tick()
        woken = given.replicas("one")
        given.backlogs.waiting("one", 90, finished=10)
        await given.tick(10)
        await given.tick(2)
        busy = given.replicas("one")
        given.backlogs.waiting("one", 0, finished=100)
        await given.tick(299)
        kept = given.replicas("one")
        await given.tick(300)

        assert (woken, busy, kept, given.replicas("one")) == (1, 4, 1, 0)


async def test_what_is_as_it_should_be_is_not_written_again() -> None:
    given = kit.Kit(kit.model("one"))
    async with following(given.made):
        for _ in range(5):
            await given.tick()

        assert len(given.cluster.applied) == 1


async def test_what_somebody_changed_is_set_right() -> None:
    given = kit.Kit(kit.model("one"))
    async with following(given.made):
        await given.tick()
        name = "panini-worker-default-one"
        found = given.cluster.found[name]
        given.cluster.found[name] = dataclasses.replace(found, replicas=7, generation=found.generation + 1)
        await given.tick()

        assert given.replicas("one") == 0


async def test_a_foreign_deployment_is_left_alone_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    given = kit.Kit(kit.model("one"), kit.model("two"))
    name = "panini-worker-default-one"
    foreign = cluster.Deployment(name=name, uid="theirs", generation=1, replicas=2, ready=2, model=None)
    given.cluster.found = {name: foreign, "database": dataclasses.replace(foreign, name="database")}
    async with following(given.made):
        await given.tick()
        await given.tick()

        assert given.cluster.found[name] is foreign
        assert given.replicas("two") == 0
        assert len([line for line in caplog.messages if "that Panini did not make" in line]) == 1

        given.registry.have()
        await kit.until(lambda: not given.made._models)
        await given.tick()
        assert set(given.cluster.found) == {name, "database"}


async def test_a_removed_models_deployment_is_removed() -> None:
    given = kit.Kit(kit.model("one"), kit.model("two"))
    async with following(given.made):
        await given.tick()
        given.registry.have(kit.model("two"))
        await kit.until(lambda: len(given.made._models or {}) == 1)
        await given.tick()

        assert set(given.cluster.found) == {"panini-worker-default-two"}


async def test_a_scaler_started_anew_goes_on_with_what_runs() -> None:
    given = kit.Kit(kit.model("one"), scale_idle=300, scale_stable=60)
    async with following(given.made):
        given.backlogs.waiting("one", 5)
        await given.tick()
    given.made = given.scaler()
    given.backlogs.waiting("one", 0, finished=5)
    async with following(given.made):
        await given.tick()

        assert given.replicas("one") == 1


async def test_without_kafka_the_workers_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    given = kit.Kit(kit.model("one"))
    async with following(given.made):
        given.backlogs.waiting("one", 5)
        await given.tick()
        given.backlogs.away = True
        await given.tick(1000)
        given.registry.have(kit.model("one"), kit.model("two"))
        await kit.until(lambda: len(given.made._models or {}) == 2)
        await given.tick()

        assert given.replicas("one") == 1
        assert given.replicas("two") == 0  # its Deployment is made all the same
        assert len([line for line in caplog.messages if "stay as they are" in line]) == 1


async def test_one_models_trouble_is_not_its_neighbours(caplog: pytest.LogCaptureFixture) -> None:
    given = kit.Kit(kit.model("one"), kit.model("two"))
    given.cluster.refuses = {"panini-worker-default-one"}
    async with following(given.made):
        await given.tick()
        await given.tick()

        assert set(given.cluster.found) == {"panini-worker-default-two"}
        assert len([line for line in caplog.messages if "no right" in line]) == 1


async def test_the_loop_outlives_an_api_server_that_is_away_and_stops_when_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    given = kit.Kit(kit.model("one"), scale_interval=0.001)
    given.cluster.away = True
    running = asyncio.create_task(given.made.serve())
    await kit.until(lambda: bool(caplog.messages))
    given.cluster.away = False
    await kit.until(lambda: given.made.ticked_at is not None)
    given.made.stop()
    await running

    assert given.replicas("one") == 0
    assert len(caplog.messages) == 1
