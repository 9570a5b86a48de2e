"""Stacks to be broken: one a module, brought back to health by each test, and one of a test's own."""

from collections.abc import Iterator

import httpx
import pytest

from panini.stack import kafka as stack_kafka
from panini.stack import valkey as stack_valkey
from tests.e2e import kit
from tests.faults import installation


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Stack]:
    """A running stack; every test leaves all of its processes running."""
    made = kit.Stack(tmp_path_factory.mktemp("faults"))
    try:
        yield made.start()
        made.stop()
    finally:
        made.end()


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


@pytest.fixture(scope="module")
def at(
    tmp_path_factory: pytest.TempPathFactory, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey
) -> Iterator[installation.Installation]:
    """Two APIs; workers are the test's."""
    made = installation.Installation(tmp_path_factory.mktemp("at"), kafka, valkey)
    try:
        yield made.start()
    finally:
        made.end()
