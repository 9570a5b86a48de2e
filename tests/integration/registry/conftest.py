"""A registry behind a real HTTP server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from registry import client, service
from tests.unit.registry import kit


@pytest.fixture
def topics() -> kit.Topics:
    """Topics in memory."""
    return kit.Topics()


@pytest.fixture
async def registry(tmp_path: Path, topics: kit.Topics) -> AsyncIterator[service.Registry]:
    """A running registry without keys or models."""
    made = service.Registry(kit.config(tmp_path / "registry"), topics)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def address(registry: service.Registry) -> AsyncIterator[str]:
    """Where the registry answers over HTTP."""
    config = uvicorn.Config(kit.app(registry), host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    ticking = asyncio.create_task(server.main_loop())
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    registry.release()
    server.should_exit = True
    await ticking
    await server.shutdown()


@pytest.fixture
async def asked(address: str) -> AsyncIterator[client.Client]:
    """A client of the internal routes."""
    async with client.Client(address, kit.TOKEN) as made:
        yield made
