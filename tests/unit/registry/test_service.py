"""Deploys, the rules of which version is live, and what is left behind."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from registry import deploys, errors, service
from tests.unit.registry import kit
from wire import directory, specs

BUILDING, READY, LIVE, FAILED = (
    specs.VersionState.BUILDING,
    specs.VersionState.READY,
    specs.VersionState.LIVE,
    specs.VersionState.FAILED,
)


async def deploy(
    registry: service.Registry,
    text: str = "",
    model: str = "iris",
    files: Mapping[str, bytes] | None = None,
    given: Mapping[str, str] | None = None,
) -> deploys.Deployed:
    """Deploy a bundle that `text` makes different from others."""
    async with registry.stage() as staged:
        kit.stage(staged, files or {"predict.py": kit.PREDICT, "text": text.encode()})
        return await registry.deploy(kit.ACCOUNT, model, staged, given or {}, None)


async def states(registry: service.Registry, model: str = "iris") -> dict[int, str]:
    """Every version's state."""
    (found,) = (await registry.specs()).one(kit.ACCOUNT, model).models
    return {version.version: version.state for version in found.versions}


def blobs(registry: service.Registry) -> set[str]:
    """What the store holds."""
    return registry.store.every()


async def test_the_first_upload_makes_model_and_topic(registry: service.Registry, topics: kit.Topics) -> None:
    # When
    deployed = await deploy(registry)
    # Then
    assert (deployed.version.number, deployed.unchanged) == (1, False)
    (model,) = (await registry.specs()).models
    assert (model.model, model.live, model.topic_uuid) == ("iris", None, topics.uuids["default.iris"])
    (version,) = model.versions
    assert version.state is BUILDING
    assert {file.path: file.size for file in version.files} == {"predict.py": len(kit.PREDICT), "text": 0}
    assert (await registry.blob(version.files[0].sha256)).read_bytes() == kit.PREDICT
    snapshot = await registry.snapshot()
    assert snapshot is not None
    (endpoint,) = snapshot.endpoints
    assert (endpoint.live, endpoint.building, endpoint.model_uid) == (None, True, model.model_uid)


async def test_a_version_that_passed_goes_live(registry: service.Registry) -> None:
    await deploy(registry, "1")
    assert (await registry.passed(kit.ACCOUNT, "iris", 1)).state is LIVE
    await deploy(registry, "2")
    await registry.passed(kit.ACCOUNT, "iris", 2)
    assert await states(registry) == {1: READY, 2: LIVE}


async def test_batches_that_were_closed_stay_so(registry: service.Registry) -> None:
    # Given a version whose batches are open
    unproven = specs.Verdict(batching=specs.Batching.UNPROVEN, why="no sample")
    opened = specs.Verdict(batching=specs.Batching.OPEN, why="the same 3 answers")
    closed = specs.Verdict(batching=specs.Batching.CLOSED, why="other answers", advice="Return a list.")
    await deploy(registry, "1")
    await registry.passed(kit.ACCOUNT, "iris", 1, unproven)
    await registry.judged(kit.ACCOUNT, "iris", 1, opened)
    # When one worker finds a difference and another one does not
    await registry.judged(kit.ACCOUNT, "iris", 1, closed)
    await registry.judged(kit.ACCOUNT, "iris", 1, opened)
    version = await registry.judged(kit.ACCOUNT, "iris", 1, closed)
    # Then they are closed, and the log tells each change once
    assert version.verdict == closed
    log, _ = await registry.log(kit.ACCOUNT, "iris", 1)
    told = [line.text async for line in log.every()][-3:]
    assert told == ["batches open: the same 3 answers", "batches closed: other answers", "Return a list."]


async def test_how_long_answers_count_is_told_to_ingest_and_workers(registry: service.Registry) -> None:
    async def told() -> float:
        snapshot = await registry.snapshot()
        assert snapshot is not None
        return snapshot.endpoints[0].cache

    # Given a version that may be cached
    await deploy(registry, "1")
    await registry.passed(kit.ACCOUNT, "iris", 1)
    assert (await told(), (await registry.specs()).models[0].cache) == (600.0, 600.0)
    # When a worker finds that it is random
    random = specs.Verdict(batching=specs.Batching.CLOSED, why="two answers", steady=False)
    await registry.judged(kit.ACCOUNT, "iris", 1, random)
    # Then no answer of it counts
    assert await told() == 0.0


async def test_a_failed_build_never_takes_over(registry: service.Registry) -> None:
    # Given
    await deploy(registry, "1")
    await registry.passed(kit.ACCOUNT, "iris", 1)
    await deploy(registry, "2")
    # When
    failed = await registry.failed(kit.ACCOUNT, "iris", 2, step="load", error="no such file")
    # Then
    assert (failed.failed_step, failed.error) == ("load", "no such file")
    assert await states(registry) == {1: LIVE, 2: FAILED}


async def test_an_older_version_that_passes_late_stays_behind(registry: service.Registry) -> None:
    for text in "123":
        await deploy(registry, text)
    await registry.passed(kit.ACCOUNT, "iris", 3)
    await registry.passed(kit.ACCOUNT, "iris", 1)
    assert await states(registry) == {1: READY, 2: BUILDING, 3: LIVE}
    # even after a rollback to a version before it
    await registry.rollback(kit.ACCOUNT, "iris", 1)
    await registry.passed(kit.ACCOUNT, "iris", 2)
    assert await states(registry) == {1: LIVE, 2: READY, 3: READY}
    # but a new one takes over
    await deploy(registry, "4")
    await registry.passed(kit.ACCOUNT, "iris", 4)
    assert (await states(registry))[4] == LIVE


async def test_reports_may_come_twice(registry: service.Registry) -> None:
    await deploy(registry, "1")
    await deploy(registry, "2")
    for _ in range(2):
        await registry.passed(kit.ACCOUNT, "iris", 1)
        await registry.failed(kit.ACCOUNT, "iris", 2, step="load", error="x")
    assert await states(registry) == {1: LIVE, 2: FAILED}


async def test_a_report_cannot_turn_an_earlier_one_round(registry: service.Registry) -> None:
    await deploy(registry, "1")
    await deploy(registry, "2")
    await registry.passed(kit.ACCOUNT, "iris", 1)
    await registry.failed(kit.ACCOUNT, "iris", 2, step=None, error=None)
    with pytest.raises(errors.Conflict, match="has passed"):
        await registry.failed(kit.ACCOUNT, "iris", 1, step=None, error=None)
    with pytest.raises(errors.Conflict, match="has failed"):
        await registry.passed(kit.ACCOUNT, "iris", 2)


async def test_rollback_rules(registry: service.Registry) -> None:
    # Given
    for text in "1234":
        await deploy(registry, text)
    await registry.passed(kit.ACCOUNT, "iris", 1)
    await registry.passed(kit.ACCOUNT, "iris", 2)
    await registry.failed(kit.ACCOUNT, "iris", 3, step="load", error="x")
    # When / Then
    assert (await registry.rollback(kit.ACCOUNT, "iris", 1)).live == 1
    assert (await registry.rollback(kit.ACCOUNT, "iris", 1)).live == 1
    with pytest.raises(errors.VersionNotReady, match="version 3 of 'iris' is failed"):
        await registry.rollback(kit.ACCOUNT, "iris", 3)
    with pytest.raises(errors.VersionNotReady, match="version 4 of 'iris' is building"):
        await registry.rollback(kit.ACCOUNT, "iris", 4)
    with pytest.raises(errors.UnknownVersion, match="no version 5"):
        await registry.rollback(kit.ACCOUNT, "iris", 5)
    with pytest.raises(errors.UnknownModel):
        await registry.rollback(kit.ACCOUNT, "tulip", 1)


async def test_the_same_upload_is_the_same_version(registry: service.Registry) -> None:
    await deploy(registry, "1")
    again = await deploy(registry, "1")
    assert (again.version.number, again.unchanged) == (1, True)
    await registry.passed(kit.ACCOUNT, "iris", 1)
    assert (await deploy(registry, "1")).unchanged
    # other options or a sample make another version
    assert not (await deploy(registry, "1", given={"input": "floats"})).unchanged


async def test_an_earlier_upload_again_is_a_new_version(registry: service.Registry) -> None:
    for number in (1, 2):
        await deploy(registry, str(number))
        await registry.passed(kit.ACCOUNT, "iris", number)
    assert (await deploy(registry, "1")).version.number == 3
    await registry.failed(kit.ACCOUNT, "iris", 3, step=None, error=None)
    assert (await deploy(registry, "1")).version.number == 4


async def test_a_bad_upload_leaves_no_trace(registry: service.Registry, topics: kit.Topics, tmp_path: Path) -> None:
    for files in ({"predict.py": b"def predict("}, {"a.txt": b""}):
        with pytest.raises(errors.BadBundle):
            await deploy(registry, files=files)
    with pytest.raises(errors.BadName):
        await deploy(registry, model="Iris!")
    assert (await registry.specs()).models == []
    assert topics.uuids == {}
    assert blobs(registry) == set()
    assert list((tmp_path / "registry" / "staging").iterdir()) == []


async def test_kafka_down_leaves_nothing_half_made(registry: service.Registry, topics: kit.Topics) -> None:
    # Given
    topics.failure = errors.KafkaUnavailable()
    # When
    with pytest.raises(errors.KafkaUnavailable):
        await deploy(registry)
    # Then
    assert (await registry.specs()).models == []
    assert blobs(registry) == set()
    topics.failure = None
    assert (await deploy(registry)).version.number == 1


async def test_a_later_upload_needs_no_kafka(registry: service.Registry, topics: kit.Topics) -> None:
    await deploy(registry, "1")
    topics.failure = errors.KafkaUnavailable()
    assert (await deploy(registry, "2")).version.number == 2


async def test_removing_a_model_keeps_what_others_use(registry: service.Registry, topics: kit.Topics) -> None:
    # Given two models that share predict.py
    await deploy(registry, "1")
    await deploy(registry, "2", model="tulip")
    before = blobs(registry)
    uid = (await registry.model(kit.ACCOUNT, "iris")).uid
    # When
    await registry.remove(kit.ACCOUNT, "iris")
    # Then
    assert len(before) == 3
    assert len(blobs(registry)) == 2
    assert [model.model for model in (await registry.specs()).models] == ["tulip"]
    with pytest.raises(errors.UnknownModel):
        await registry.remove(kit.ACCOUNT, "iris")
    assert [one.model_uid for one in await registry.removals()] == [uid]


async def test_a_model_removed_while_its_version_is_uploaded_is_made_anew(
    registry: service.Registry, topics: kit.Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a first look that still saw the model
    looks, look = [deploys.Known(exists=True)], deploys.look
    monkeypatch.setattr(deploys, "look", lambda *given: looks.pop() if looks else look(*given))
    # When
    deployed = await deploy(registry)
    # Then
    assert deployed.version.number == 1
    assert deployed.model.topic_uuid == topics.uuids["default.iris"]


async def test_the_same_upload_twice_at_once_is_one_version(registry: service.Registry) -> None:
    deployed = await asyncio.gather(*(deploy(registry) for _ in range(4)))
    assert sorted(each.unchanged for each in deployed) == [False, True, True, True]


async def test_a_restart_keeps_everything_and_clears_the_rest(registry: service.Registry, topics: kit.Topics) -> None:
    # Given
    await registry.bootstrap()
    await deploy(registry, "1")
    await registry.passed(kit.ACCOUNT, "iris", 1)
    await registry.set_environ(kit.ACCOUNT, "iris", {"TOKEN": "x"}, replace=True)
    before, snapshot = await registry.specs(), await registry.snapshot()
    staged = registry.store.fresh()
    (staged / "1.file").write_bytes(b"cut off")
    stray = registry.store.path(before.models[0].versions[0].files[0].sha256).parent.parent / "00" / ("00" * 32)
    stray.parent.mkdir(exist_ok=True)
    shutil.copy(registry.store.path(before.models[0].versions[0].files[0].sha256), stray)
    await registry.close()
    # When
    again = service.Registry(registry.settings, topics)
    await again.start()
    # Then
    assert (await again.specs()) == before
    assert snapshot is not None
    assert await again.snapshot(snapshot.etag) is None
    assert await again.bootstrap() is None
    assert not staged.exists()
    assert not stray.exists()
    assert len(blobs(again)) == 2
    await again.close()


async def test_variables(registry: service.Registry, tmp_path: Path) -> None:
    # Given
    await deploy(registry)
    # When
    given = {"HF_TOKEN": "hf_very_secret", "B": "2"}
    assert await registry.set_environ(kit.ACCOUNT, "iris", given, replace=True) == ["B", "HF_TOKEN"]
    # Then
    assert (await registry.specs()).models[0].environ == given
    assert await registry.environ_names(kit.ACCOUNT, "iris") == ["B", "HF_TOKEN"]
    await registry.close()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "registry").rglob("registry.db*"))
    assert b"hf_very_secret" not in stored


async def test_variables_change_one_by_one(registry: service.Registry) -> None:
    await deploy(registry)
    await registry.set_environ(kit.ACCOUNT, "iris", {"A": "1", "B": "2"}, replace=True)
    await registry.set_environ(kit.ACCOUNT, "iris", {"A": None, "C": "3"}, replace=False)
    assert (await registry.specs()).models[0].environ == {"B": "2", "C": "3"}
    assert await registry.set_environ(kit.ACCOUNT, "iris", {}, replace=True) == []


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"1A": "x"}, "'1A' cannot be"),
        ({"": "x"}, "'' cannot be"),
        ({"A=B": "x"}, "'A=B' cannot be"),
        ({"PANINI_HOME": "x"}, "one of Panini's own"),
        ({"A": "x\0"}, "no plain text"),
        ({"A": "x" * 300_000}, "262,144 bytes"),
        ({f"A{number}": "" for number in range(201)}, "more than 200"),
    ],
)
async def test_wrong_variables(registry: service.Registry, environ: dict[str, str], why: str) -> None:
    await deploy(registry)
    with pytest.raises(errors.BadEnviron, match=why):
        await registry.set_environ(kit.ACCOUNT, "iris", environ, replace=True)


async def test_another_encryption_key_stops_no_neighbour(registry: service.Registry, topics: kit.Topics) -> None:
    # Given
    await deploy(registry)
    await registry.set_environ(kit.ACCOUNT, "iris", {"A": "1"}, replace=True)
    await registry.close()
    # When
    again = service.Registry(kit.config(registry.settings.registry_folder, encryption_key="other"), topics)
    await again.start()
    # Then
    assert [model.environ for model in (await again.specs()).models] == [{}]
    with pytest.raises(errors.WrongEncryptionKey):
        await again.set_environ(kit.ACCOUNT, "iris", {"B": "1"}, replace=False)
    await again.set_environ(kit.ACCOUNT, "iris", {"B": "1"}, replace=True)
    assert (await again.specs()).models[0].environ == {"B": "1"}
    await again.close()


async def test_no_encryption_key(tmp_path: Path, topics: kit.Topics) -> None:
    registry = service.Registry(kit.config(tmp_path, encryption_key=""), topics)
    await registry.start()
    await deploy(registry)
    with pytest.raises(errors.NoEncryptionKey, match="PANINI_ENCRYPTION_KEY"):
        await registry.set_environ(kit.ACCOUNT, "iris", {"A": "1"}, replace=True)
    await registry.close()


async def test_a_change_ends_a_wait(registry: service.Registry) -> None:
    # Given
    etag = (await registry.specs()).etag
    waiting = asyncio.ensure_future(registry.wait_specs(etag, 30))
    await asyncio.sleep(0)
    # When
    await deploy(registry)
    # Then
    found = await waiting
    assert found is not None
    assert [model.model for model in found.models] == ["iris"]


async def test_a_wait_ends_without_a_change(registry: service.Registry) -> None:
    etag = (await registry.specs()).etag
    assert await registry.wait_specs(etag, 0.001) is None
    waiting = asyncio.ensure_future(registry.wait_specs(etag, 30))
    await asyncio.sleep(0)
    registry.release()
    assert await waiting is None


async def test_a_wait_for_one_model_sleeps_through_others(registry: service.Registry) -> None:
    # Given
    await deploy(registry)
    etag = (await registry.specs()).one(kit.ACCOUNT, "iris").etag
    waiting = asyncio.ensure_future(registry.wait_specs(etag, 30, lambda whole: whole.one(kit.ACCOUNT, "iris")))
    # When
    await deploy(registry, model="tulip")
    await registry.passed(kit.ACCOUNT, "iris", 1)
    # Then
    found = await waiting
    assert found is not None
    assert found.models[0].live == 1


async def test_the_registry_feeds_a_directory(registry: service.Registry) -> None:
    # Given
    key = await registry.bootstrap()
    await deploy(registry)
    known = directory.Directory(registry.snapshot)
    # When
    await known.refresh()
    # Then
    assert key is not None
    found = known.key(key)
    assert found is not None
    assert found.account == "default"
    assert known.endpoint("default", "iris") is not None


async def test_uploads_at_once_get_numbers_in_order(registry: service.Registry, topics: kit.Topics) -> None:
    deployed = await asyncio.gather(*(deploy(registry, str(number)) for number in range(8)))
    assert sorted(each.version.number for each in deployed) == list(range(1, 9))
    assert len(topics.uuids) == 1


async def test_a_full_disk(registry: service.Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(errors.StorageFailed, match="No space left"):
        await deploy(registry)
    assert (await registry.specs()).models == []
