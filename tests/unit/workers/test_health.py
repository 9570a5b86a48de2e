"""Answers to probes, over a real socket."""

import asyncio

import httpx
import pytest

from panini import probe
from panini.stack import ports
from workers import health


async def get(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(f"http://127.0.0.1:{port}{path}")


async def test_alive_ready_and_neither() -> None:
    missing: list[str] = ["kafka"]
    port = ports.several_free(1)[0]
    served = health.Health(
        health.HealthSettings(health_port=port), alive=lambda: None, ready=lambda: missing[0] if missing else None
    )
    await served.start()
    try:
        assert (await get(port, "/healthz")).text == "ok\n"
        waiting = await get(port, "/readyz")
        assert (waiting.status_code, waiting.text) == (503, "waiting for kafka\n")
        missing.clear()
        assert (await get(port, "/readyz")).status_code == 200
        assert (await get(port, "/")).status_code == 404
    finally:
        await served.stop()


async def test_a_caller_that_sends_nonsense_harms_nobody() -> None:
    port = ports.several_free(1)[0]
    served = health.Health(health.HealthSettings(health_port=port), alive=lambda: None, ready=lambda: None)
    await served.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        await writer.drain()
        writer.close()
        assert (await get(port, "/readyz")).status_code == 200
        del reader
    finally:
        await served.stop()


async def test_without_a_port_nothing_listens() -> None:
    served = health.Health(health.HealthSettings(health_port=0), alive=lambda: None, ready=lambda: None)
    await served.start()

    assert served._server is None


async def test_the_probe_of_containers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    missing: list[str] = []
    port = ports.several_free(1)[0]
    monkeypatch.setenv("PANINI_HEALTH_PORT", str(port))
    served = health.Health(
        health.HealthSettings(health_port=port), alive=lambda: None, ready=lambda: missing[0] if missing else None
    )
    await served.start()
    try:
        assert await asyncio.to_thread(probe.main, []) == 0
        missing.append("kafka")
        assert await asyncio.to_thread(probe.main, []) == 1
        assert "503" in capsys.readouterr().err
    finally:
        await served.stop()
    assert await asyncio.to_thread(probe.main, []) == 1
