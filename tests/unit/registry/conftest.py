"""A registry in a temporary folder, on a double of Kafka's topics, and an HTTP client of its app."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from registry import service
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
async def http(registry: service.Registry) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the first key."""
    key = await registry.bootstrap()
    transport = httpx.ASGITransport(kit.app(registry))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://panini", headers=headers) as client:
        yield client
