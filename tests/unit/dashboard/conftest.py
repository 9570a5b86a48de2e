"""A visitor of the dashboard, on a double of the API."""

from collections.abc import AsyncIterator

import httpx
import pytest

from dashboard import sessions
from tests.unit.dashboard import kit


@pytest.fixture
def api() -> kit.Api:
    """An empty account."""
    return kit.Api()


@pytest.fixture
async def stranger(api: kit.Api) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is not signed in; it names its own site, as browsers do."""
    app = kit.app(api)
    headers = {"Origin": kit.ORIGIN, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=kit.ORIGIN, headers=headers) as client:
        yield client


@pytest.fixture
async def visitor(stranger: httpx.AsyncClient) -> httpx.AsyncClient:
    """A browser that is signed in."""
    here = sessions.Sessions(kit.SECRET)
    stranger.cookies.set(here.cookie, here.seal(kit.session()))
    return stranger
