"""The store under its contract: in memory, and on a real Valkey."""

import secrets
from collections.abc import AsyncIterator

import pytest

from panini.stack import valkey as stack_valkey
from results import link, memory, protocol, store
from wire import settings


@pytest.fixture(params=["memory", "valkey"])
async def kept(request: pytest.FixtureRequest, valkey: stack_valkey.Valkey) -> AsyncIterator[protocol.Store]:
    """A store."""
    if request.param == "memory":
        yield memory.Store()
        return
    over = link.Link(settings.Connections(redis=valkey.url_with_password))
    yield store.Store(over)
    await over.aclose()


@pytest.fixture
def model() -> str:
    """A model of this test's own, as tests share the server."""
    return f"m{secrets.token_hex(6)}"
