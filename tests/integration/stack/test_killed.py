"""The process that holds the servers is killed, or interrupted; the next one starts on the same home."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis.asyncio

from panini.stack import errors, home, kafka, pidfile, ports, secrets, settings, valkey
from tests import conftest

HOLDER = """
import asyncio, json, pathlib, sys
sys.path[:] = sys.argv[2:]
from panini.stack import home, kafka, ports, secrets, settings, valkey

async def main():
    place = home.Home.at(pathlib.Path(sys.argv[1]))
    with place.locked():
        options, made = settings.Settings.load(home=place.root), secrets.ensure(place.secrets)
        where = ports.settle(place, options)
        servers = (kafka.Kafka(place, options, where, made["panini_kafka_password"]),
                   valkey.Valkey(place, options, where, made["panini_redis_password"]))
        await asyncio.gather(*(server.start() for server in servers))
        print(json.dumps([server.child.pid for server in servers]), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def place(tmp_path: Path) -> home.Home:
    place = conftest.make_home(tmp_path)
    where = conftest.free_ports()
    options = settings.Settings.load(
        kafka_port=where.kafka, kafka_controller_port=where.kafka_controller, valkey_port=where.valkey
    )
    ports.settle(place, options)
    return place


async def test_killed_and_started_again_both_servers_have_everything(place: home.Home) -> None:
    # Given a process that holds both servers
    options, made = settings.Settings.load(home=place.root), secrets.ensure(place.secrets)
    where = ports.settle(place, options)
    broker = kafka.Kafka(place, options, where, made["panini_kafka_password"])
    store = valkey.Valkey(place, options, where, made["panini_redis_password"])
    arguments = [sys.executable, "-c", HOLDER, str(place.root), *sys.path]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pids = json.loads(await asyncio.to_thread(holder.stdout.readline))
        with pytest.raises(errors.HomeBusy, match=f"process {holder.pid}"), place.locked():
            pass
        async with redis.asyncio.Redis.from_url(store.url_with_password, retry=None) as client:
            await client.set("key", "value")
        # When it is killed
        holder.kill()
    # Then the next one has the home, its ports and its data at once
    with place.locked():
        try:
            await asyncio.gather(broker.start(), store.start())
            assert broker.child.pid not in pids
            async with redis.asyncio.Redis.from_url(store.url_with_password, retry=None) as client:
                assert await client.get("key") == b"value"
        finally:
            await asyncio.gather(broker.stop(), store.stop())
    assert all(pidfile.identity(pid) is None for pid in pids)


async def test_interrupted_while_it_starts_no_process_is_left(place: home.Home) -> None:
    options, made = settings.Settings.load(home=place.root), secrets.ensure(place.secrets)
    broker = kafka.Kafka(place, options, ports.settle(place, options), made["panini_kafka_password"])
    starting = asyncio.ensure_future(broker.start())
    async with asyncio.timeout(60):
        while pidfile.running(place.pid_file("kafka")) is None:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)
    pid = broker.child.pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert pidfile.identity(pid) is None
