"""The client of the internal routes, against a real server."""

import asyncio
import hashlib
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from registry import client, deploys, errors, service
from tests.unit.registry import kit
from wire import directory, specs


async def deploy(registry: service.Registry, text: str = "", model: str = "iris") -> deploys.Deployed:
    """Deploy a bundle."""
    async with registry.stage() as staged:
        kit.stage(staged, {"predict.py": kit.PREDICT, "text": text.encode()})
        return await registry.deploy(kit.ACCOUNT, model, staged, {}, None)


async def test_snapshots_cross_http_whole(registry: service.Registry, asked: client.Client) -> None:
    # Given
    key = await registry.bootstrap()
    await deploy(registry)
    # When
    taken = await asked.snapshot()
    # Then
    assert taken is not None
    assert taken == await registry.snapshot()
    assert await asked.snapshot(taken.etag) is None
    known = directory.Directory(asked.snapshot)
    await known.refresh()
    assert key is not None
    assert known.key(key) is not None


async def test_a_build_as_a_worker_reports_it(registry: service.Registry, asked: client.Client, tmp_path: Path) -> None:
    # Given
    await deploy(registry)
    await registry.set_environ(kit.ACCOUNT, "iris", {"TOKEN": "secret"}, replace=True)
    # When
    found = await asked.models()
    # Then
    assert found is not None
    (model,) = found.models
    assert model == (await registry.specs()).models[0]
    assert model.environ == {"TOKEN": "secret"}
    for file in model.versions[0].files:
        await asked.download(file.sha256, tmp_path / "fetched")
        assert hashlib.sha256((tmp_path / "fetched").read_bytes()).hexdigest() == file.sha256
    await asked.append_log(kit.ACCOUNT, "iris", 1, "loading\nchecking\n")
    version = await asked.passed(kit.ACCOUNT, "iris", 1)
    assert (version.state, version.verdict) == (specs.VersionState.LIVE, None)
    verdict = specs.Verdict(batching=specs.Batching.OPEN, why="the same", judged_at=1)
    assert (await asked.judged(kit.ACCOUNT, "iris", 1, verdict)).verdict == verdict
    log, _ = await registry.log(kit.ACCOUNT, "iris", 1)
    assert [line.text async for line in log.every(after=2)] == [
        "loading",
        "checking",
        "batches open: the same",
    ]
    with pytest.raises(errors.Conflict, match="has passed"):
        await asked.failed(kit.ACCOUNT, "iris", 1, step="load", error="x")


async def test_a_long_poll_ends_with_the_change(registry: service.Registry, asked: client.Client) -> None:
    # Given
    await deploy(registry)
    first = await asked.model(kit.ACCOUNT, "iris")
    assert first is not None
    assert await asked.model(kit.ACCOUNT, "iris", first.etag) is None
    waiting = asyncio.ensure_future(asked.model(kit.ACCOUNT, "iris", first.etag, wait=60))
    everything = asyncio.ensure_future(asked.models((await registry.specs()).etag, wait=60))
    # When
    await registry.failed(kit.ACCOUNT, "iris", 1, step="load", error="x")
    # Then
    found = await waiting
    assert found is not None
    assert found.model.versions[0].state is specs.VersionState.FAILED
    assert await everything is not None


async def test_a_removed_model_ends_its_long_poll(registry: service.Registry, asked: client.Client) -> None:
    await deploy(registry)
    first = await asked.model(kit.ACCOUNT, "iris")
    assert first is not None
    waiting = asyncio.ensure_future(asked.model(kit.ACCOUNT, "iris", first.etag, wait=60))
    await registry.remove(kit.ACCOUNT, "iris")
    with pytest.raises(errors.NotFound, match="iris"):
        await waiting


async def test_what_is_not_there(asked: client.Client, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        await asked.model(kit.ACCOUNT, "tulip")
    with pytest.raises(errors.NotFound):
        await asked.passed(kit.ACCOUNT, "tulip", 1)
    for sha256 in ("0" * 64, "..%2fregistry.db"):
        with pytest.raises(errors.NotFound):
            await asked.download(sha256, tmp_path / "x")
    assert list(tmp_path.glob("*x*")) == []


async def test_a_wrong_token(address: str) -> None:
    async with client.Client(address, "wrong") as stranger:
        with pytest.raises(errors.ServiceRefused, match="internal token"):
            await stranger.snapshot()
        known = directory.Directory(stranger.snapshot)
        await known.refresh()
        assert not known.loaded


async def test_a_registry_that_is_away(tmp_path: Path) -> None:
    # Given a port that nobody listens on
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        async with client.Client(f"http://127.0.0.1:{free.getsockname()[1]}", kit.TOKEN) as asked:
            # When / Then
            with pytest.raises(errors.RegistryUnavailable, match="does not answer") as raised:
                await asked.snapshot()
            assert isinstance(raised.value, OSError)
            with pytest.raises(errors.RegistryUnavailable):
                await asked.download("0" * 64, tmp_path / "x")


async def test_a_followed_log_over_http(registry: service.Registry, address: str) -> None:
    # Given a follower of a build
    key = await registry.bootstrap()
    await deploy(registry)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as http,
        http.stream("GET", "/v1/models/iris/versions/1/log", params={"follow": True}) as answer,
    ):
        lines = answer.aiter_lines()
        seen: list[str] = []
        while "id: 2" not in seen:
            seen.append(await anext(lines))
        # When the build goes on and ends
        await registry.append_log(kit.ACCOUNT, "iris", 1, "loading")
        while "data: loading" not in seen:
            seen.append(await anext(lines))
        await registry.passed(kit.ACCOUNT, "iris", 1)
        # Then the stream ends by itself
        rest = [line async for line in lines]
    assert "event: state" in rest
    assert any('"state":"live"' in line for line in rest)


async def test_an_endless_upload_is_cut_off(registry: service.Registry, address: str) -> None:
    # Given
    key = await registry.bootstrap()
    registry.settings = registry.settings.model_copy(update={"upload_bytes": 1 << 20})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(
        f"POST /v1/models/iris/versions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    # When chunks come for ever
    sending = asyncio.ensure_future(_send_for_ever(writer))
    # Then
    assert (await reader.readline()).startswith(b"HTTP/1.1 413")
    sending.cancel()
    writer.close()
    assert list((registry.settings.registry_folder / "staging").iterdir()) == []


async def _send_for_ever(writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()
    except OSError:
        return


async def test_an_upload_that_its_sender_gives_up(registry: service.Registry, address: str) -> None:
    # Given half an upload
    key = await registry.bootstrap()
    staged = registry.settings.registry_folder / "staging"
    _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(
        f"POST /v1/models/iris/versions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/x-tar\r\nContent-Length: 100000\r\n\r\n".encode()
        + bytes(5000)
    )
    await writer.drain()
    await _until(lambda: bool(list(staged.glob("*/*"))))
    # When
    writer.close()
    # Then nothing of it stays
    await _until(lambda: not list(staged.iterdir()))
    assert (await registry.specs()).models == []


async def _until(true: Callable[[], bool]) -> None:
    """Wait for a change on the disk."""
    while not true():  # noqa: ASYNC110  a disk has no event
        await asyncio.sleep(0.01)
