"""The embedded Valkey, with a real server."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio
import redis.exceptions

from panini.stack import aof, errors, home, pidfile, ports, secrets, settings
from panini.stack import valkey as stack_valkey
from tests import conftest
from tests.integration import processes


@pytest.fixture
def place(tmp_path: Path) -> home.Home:
    return conftest.make_home(tmp_path / 'home, with ü, a space and a "quote"')


@pytest.fixture
async def own(place: home.Home) -> AsyncIterator[stack_valkey.Valkey]:
    """A server of the test's own, not started; stopped at the end."""
    password = secrets.ensure(place.secrets)["panini_redis_password"]
    options = settings.Settings.load(home=place.root, valkey_maxmemory_mb=16)
    server = stack_valkey.Valkey(place, options, conftest.free_ports(), password)
    yield server
    await server.stop()


def connect(url: str) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(url, retry=None, decode_responses=True)


async def test_it_is_what_the_results_need(valkey: stack_valkey.Valkey) -> None:
    async with connect(valkey.url_with_password) as client:
        for name, value in (("maxmemory-policy", "noeviction"), ("appendonly", "yes"), ("appendfsync", "no")):
            assert await client.config_get(name) == {name: value}
        assert await client.config_get("bind") == {"bind": ports.HOST}


@pytest.mark.parametrize("who", ["", ":wrong@"])
async def test_nobody_is_let_in_without_the_password(valkey: stack_valkey.Valkey, who: str) -> None:
    async with connect(valkey.url.replace("//", f"//{who}")) as client:
        with pytest.raises(redis.exceptions.AuthenticationError):
            await client.get("key")


async def test_the_password_is_in_no_argument_and_only_in_its_secret(valkey: stack_valkey.Valkey) -> None:
    assert valkey.password not in " ".join(valkey.child.spec.argv)
    holders = [
        path.name
        for path in valkey.place.root.rglob("*")
        if path.is_file() and valkey.password.encode() in path.read_bytes()
    ]
    assert holders == ["panini_redis_password"]


async def test_killed_it_resumes_with_what_it_acknowledged(own: stack_valkey.Valkey) -> None:
    await own.start()
    async with connect(own.url_with_password) as client:
        await client.set("key", "value")
    own.child.signal(signal.SIGKILL)
    assert await own.child.wait() == -signal.SIGKILL
    await own.start()
    async with connect(own.url_with_password) as client:
        assert await client.get("key") == "value"


async def test_its_log_is_forced_onto_the_disk_again_and_again(
    own: stack_valkey.Valkey, place: home.Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches Valkey._sync taken out: what a machine that loses power forgets is then up to the system."""
    forced, fsync, loop = asyncio.Queue[tuple[int, int]](), os.fsync, asyncio.get_running_loop()

    def watched(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        loop.call_soon_threadsafe(forced.put_nowait, (found.st_ino, found.st_size))

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(stack_valkey, "SYNC", 0.01)
    await own.start()
    async with connect(own.url_with_password) as client:
        await client.set("key", "value")
    [written] = (place.valkey / "appendonlydir").glob("*.incr.aof")
    whole = written.stat()
    async with asyncio.timeout(30):
        while await forced.get() != (whole.st_ino, whole.st_size):
            continue


async def test_its_log_is_rewritten_while_nobody_writes_and_keeps_what_it_had(
    own: stack_valkey.Valkey, place: home.Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the rewrite left to the server alone, whose rule is met in the middle of work."""
    monkeypatch.setattr(stack_valkey, "SYNC", 0.01)
    monkeypatch.setattr(aof, "WORTHWHILE", 10_000)
    folder = place.valkey / "appendonlydir"
    await own.start()
    async with connect(own.url_with_password) as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(400):
            pipeline.set("key", f"{number}".zfill(100))
        await pipeline.execute()

    def rewritten() -> bool:
        return aof.sync(folder).written < 10_000 and not (folder / "appendonly.aof.1.base.rdb").exists()

    await asyncio.to_thread(processes.until, rewritten, "its log was not rewritten")
    own.child.signal(signal.SIGKILL)
    await own.child.wait()
    await own.start()
    async with connect(own.url_with_password) as client:
        assert await client.get("key") == "399".zfill(100)


async def test_a_full_server_refuses_and_drops_nothing(own: stack_valkey.Valkey) -> None:
    await own.start()
    async with connect(own.url_with_password) as client:
        await client.set("kept", "value")
        pipeline = client.pipeline(transaction=False)
        for number in range(40):
            pipeline.set(f"filler-{number}", "x" * 2**20)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            await pipeline.execute()
        assert await client.get("kept") == "value"


async def test_stopped_it_leaves_no_process_and_no_pid_file(own: stack_valkey.Valkey) -> None:
    await own.start()
    pid = own.child.pid
    await own.stop()
    assert own.child.returncode == 0
    assert pidfile.identity(pid) is None
    assert not own.place.pid_file("valkey").exists()


async def test_a_server_that_an_earlier_run_left_is_ended_first(own: stack_valkey.Valkey, place: home.Home) -> None:
    left = stack_valkey.Valkey(place, own.options, own.where, own.password)
    await left.start()
    await own.start()
    assert await left.child.wait() == 0
    assert own.child.running


async def test_a_taken_port_is_named_with_its_holder_and_the_way_out(own: stack_valkey.Valkey) -> None:
    with socket.create_server((ports.HOST, own.where.valkey)), pytest.raises(errors.PortTaken) as caught:
        await own.start()
    assert str(own.where.valkey) in str(caught.value)
    assert "PANINI_VALKEY_PORT" in str(caught.value)
    if sys.platform == "linux":
        assert f"process {os.getpid()}" in str(caught.value)


async def test_damaged_data_is_told_with_the_end_of_the_log_without_noise(own: stack_valkey.Valkey) -> None:
    (own.place.valkey / "appendonlydir").mkdir()
    (own.place.valkey / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(errors.ServerFailed, match="Valkey ended with code 1") as caught:
        await own.start()
    assert "manifest" in str(caught.value)
    assert "overcommit" not in str(caught.value)
