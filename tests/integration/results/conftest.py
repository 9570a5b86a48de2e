"""What the tests of results share: links to the run's Valkey, and a Valkey of a test's own that it may kill."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panini.stack import secrets as stack_secrets
from panini.stack import settings as stack_settings
from panini.stack import valkey as stack_valkey
from results import link, store, waiting
from tests import conftest
from wire import settings


@pytest.fixture
async def over(valkey: stack_valkey.Valkey) -> AsyncIterator[link.Link]:
    """A link to the run's Valkey."""
    to = link.Link(settings.Connections(redis=valkey.url_with_password))
    yield to
    await to.aclose()


@pytest.fixture
def kept(over: link.Link) -> store.Store:
    """The store on it."""
    return store.Store(over)


@pytest.fixture
def model() -> str:
    """A model of this test's own, as tests share the server."""
    return f"m{secrets.token_hex(6)}"


@pytest.fixture
async def waiters(over: link.Link, kept: store.Store) -> AsyncIterator[waiting.Waiters]:
    """Waiters at work."""
    made = waiting.Waiters(over, kept)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[stack_valkey.Valkey]:
    """A Valkey that this test may kill and start again."""
    place = conftest.make_home(tmp_path)
    password = stack_secrets.ensure(place.secrets)["panini_redis_password"]
    options = stack_settings.Settings.load(home=place.root)
    server = stack_valkey.Valkey(place, options, conftest.free_ports(), password)
    await server.start()
    yield server
    await server.stop()
