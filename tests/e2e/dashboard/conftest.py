"""The pages of the shared stack, a browser, and a console that must stay silent."""

from collections.abc import Iterator

import pytest
from playwright import sync_api

from tests.e2e import kit as stacks
from tests.e2e.dashboard import kit


@pytest.fixture(scope="session")
def served(stack: stacks.Stack) -> kit.Served:
    """The pages of the shared stack."""
    return kit.Served(stack)


@pytest.fixture(scope="session")
def browser() -> Iterator[sync_api.Browser]:
    """Chromium."""
    with kit.chromium() as found:
        yield found


sync_api.expect.set_options(timeout=60_000)  # what a small machine under load may need; nothing is slower for it


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said; a test ends with none, or takes out what it provoked."""
    return []


@pytest.fixture
def context(browser: sync_api.Browser, served: kit.Served, complaints: list[str]) -> Iterator[sync_api.BrowserContext]:
    """A visitor who is signed in, with nothing but what a person's browser has."""
    made = browser.new_context(viewport=kit.DESK, permissions=["clipboard-read", "clipboard-write"])
    made.set_default_timeout(30_000)
    made.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
    made.on("weberror", lambda found: complaints.append(str(found.error)))
    page = made.new_page()
    page.goto(served.login())
    page.wait_for_url(f"{served.url}/")
    page.close()
    yield made
    made.close()
    assert complaints == []


@pytest.fixture
def page(context: sync_api.BrowserContext) -> sync_api.Page:
    """A tab."""
    return context.new_page()
