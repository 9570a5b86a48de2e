"""Servers for tests: one real Kafka and one real Valkey a run, on loopback and free ports, in temporary folders."""

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from panini.stack import home, ports, secrets, settings
from panini.stack import kafka as stack_kafka
from panini.stack import valkey as stack_valkey

TESTS = Path(__file__).parent
PAGES = TESTS / "e2e" / "dashboard"
_seconds: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure, unless its reason begins with "platform:"; and each folder's time is kept."""
    report = yield
    folder = item.path.relative_to(TESTS).parts[0]
    _seconds[folder] = _seconds.get(folder, 0.0) + report.duration
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith("platform:"):
            report.outcome = "failed"
            report.longrepr = f"skipped, which is a failure in CI: {reason}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser come last: Playwright's event loop runs until its fixtures end, and while it runs no fixture
    or test of asyncio can begin."""
    items.sort(key=lambda item: PAGES in item.path.parents)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How long each folder of tests took."""
    for folder, seconds in sorted(_seconds.items()):
        terminalreporter.write_line(f"== tests/{folder}: {seconds:.1f} s")


def _servers_wanted() -> None:
    """A server is skipped only where a person asks for that, never in CI."""
    if os.environ.get("PANINI_TEST_WITHOUT_SERVERS") and not os.environ.get("CI"):
        pytest.skip("PANINI_TEST_WITHOUT_SERVERS is set")


def make_home(root: Path) -> home.Home:
    """A prepared home."""
    place = home.Home.at(root)
    place.prepare()
    return place


def free_ports() -> ports.Ports:
    """Three ports that differ and that nothing listens on."""
    kafka, kafka_controller, valkey = ports.several_free(3)
    return ports.Ports(kafka=kafka, kafka_controller=kafka_controller, valkey=valkey)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stack_kafka.Kafka]:
    """A broker: `client` (kafka-python's arguments), or `bootstrap`, `username`, `password` for SASL PLAIN."""
    _servers_wanted()
    place = make_home(tmp_path_factory.mktemp("kafka"))
    password = secrets.ensure(place.secrets)["panini_kafka_password"]
    server = stack_kafka.Kafka(place, settings.Settings.load(home=place.root), free_ports(), password)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[stack_valkey.Valkey]:
    """A server: `url_with_password` is what a client needs. Tests share its databases, so use keys of your own."""
    _servers_wanted()
    place = make_home(tmp_path_factory.mktemp("valkey"))
    password = secrets.ensure(place.secrets)["panini_redis_password"]
    server = stack_valkey.Valkey(place, settings.Settings.load(home=place.root), free_ports(), password)
    await server.start()
    yield server
    await server.stop()
