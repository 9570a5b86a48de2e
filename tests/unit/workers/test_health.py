"""Answers to probes, over a real socket."""

import asyncio

import httpx
import pytest

from panini import probe
from panini.stack import ports
from workers import health


async def get(port: int, path: str) -> int:
    """The status of one answer."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://127.0.0.1:{port}{path}")).status_code


async def test_alive_ready_and_neither() -> None:
    ready: list[bool] = []
    port = ports.several_free(1)[0]
    async with await health.serve("127.0.0.1", port, healthy=lambda: True, ready=lambda: bool(ready)):
        assert await get(port, "/healthz") == 200
        assert await get(port, "/readyz") == 503
        ready.append(True)
        assert await get(port, "/readyz") == 200
        assert await get(port, "/metrics") == 200
        assert await get(port, "/") == 404


async def test_a_caller_that_sends_nonsense_harms_nobody() -> None:
    port = ports.several_free(1)[0]
    async with await health.serve("127.0.0.1", port, healthy=lambda: True, ready=lambda: True):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        await writer.drain()
        writer.close()

        assert await get(port, "/readyz") == 200


async def test_the_probe_of_containers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ready = [True]
    port = ports.several_free(1)[0]
    monkeypatch.setenv("PANINI_HEALTH_PORT", str(port))
    async with await health.serve("127.0.0.1", port, healthy=lambda: True, ready=lambda: bool(ready)):
        assert await asyncio.to_thread(probe.main, []) == 0
        ready.clear()
        assert await asyncio.to_thread(probe.main, []) == 1
        assert "503" in capsys.readouterr().err
    assert await asyncio.to_thread(probe.main, []) == 1
