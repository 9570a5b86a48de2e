"""One stack for all end-to-end tests that leave it running; tests that kill things start their own."""

from collections.abc import Iterator

import httpx
import pytest

from panini.client import Client
from tests.e2e import kit


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Stack]:
    """`panini up` in a fresh home, shared: `url`, `key`, `home`, `kafka`, `deploy(files)`."""
    running = kit.Stack(tmp_path_factory.mktemp("stack"))
    try:
        yield running.start()
    finally:
        code = running.stop()
    assert code == 0, running.output.read_text()


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Stack]:
    """A stack of the test's own, not started yet; nothing of it survives the test."""
    made = kit.Stack(tmp_path_factory.mktemp("own"))
    yield made
    made.end()


@pytest.fixture
def http(stack: kit.Stack) -> Iterator[httpx.Client]:
    """A bare HTTP client with the key."""
    with stack.http() as client:
        yield client


@pytest.fixture
def client(stack: kit.Stack) -> Iterator[Client]:
    """panini.client on the shared stack."""
    with stack.client() as made:
        yield made
