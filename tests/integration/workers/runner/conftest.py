"""Real runners: child processes of the test, from files written by the test."""

import asyncio
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from wire import envelope
from workers import folders, host, outcomes, runner_settings, runners

Start = Callable[..., Awaitable[runners.Runner]]


def given(value: Any) -> bytes:
    """An input as it travels from HTTP: JSON text."""
    return bytes(envelope.json_input(msgspec.json.encode(value)))


def native(value: Any) -> bytes:
    """An input as a pipeline may produce it: a msgpack value."""
    return bytes(envelope.value_input(value))


def plain(outcome: outcomes.Outcome) -> Any:
    """The output's value; fails where the outcome is none."""
    assert isinstance(outcome, outcomes.Output), outcome
    assert outcome.media is None
    return msgspec.json.decode(outcome.data)


class Bench:
    """Starts runners and keeps their lines."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        self.lines: list[str] = []
        self.events: list[runners.Event] = []
        self.runners: list[runners.Runner] = []
        self.settings = runner_settings.RunnerSettings(runner_term_grace=0.5)
        self.hide: tuple[pathlib.Path, ...] = ()
        self._line = asyncio.Event()

    def write(self, files: Mapping[str, str], *, name: str = "v1") -> pathlib.Path:
        """A bundle's folder."""
        bundle = self.home / "versions" / "default.m" / name
        for path, text in files.items():
            (bundle / path).parent.mkdir(parents=True, exist_ok=True)
            (bundle / path).write_text(text)
        return bundle

    async def start(self, source: str | Mapping[str, str], **spec: Any) -> runners.Runner:
        """A loaded runner of predict.py with this source."""
        bundle = self.write({"predict.py": source} if isinstance(source, str) else source)
        wanted = host.Spec(bundle=bundle, folders=folders.Folders(home=self.home, owner="default.m"), **spec)
        made = host.LocalHost(self.settings, hide=self.hide)
        runner = await made.spawn(wanted, on_log=self._on_log, on_event=self.events.append)
        self.runners.append(runner)
        return runner

    async def logged(self, text: str) -> str:
        """Wait for a line that holds `text`."""
        async with asyncio.timeout(20):
            while True:
                for line in self.lines:
                    if text in line:
                        return line
                self._line.clear()
                await self._line.wait()

    def _on_log(self, line: str) -> None:
        self.lines.append(line)
        self._line.set()


@pytest_asyncio.fixture
async def bench(tmp_path: pathlib.Path) -> AsyncIterator[Bench]:
    """A home with a secret in it, and runners that end with the test."""
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    (home / "secrets" / "panini_kafka_password").write_text("very secret")
    made = Bench(home)
    yield made
    for runner in made.runners:
        await runner.kill("the test is over")


async def until(condition: Callable[[], object]) -> None:
    """Wait for something outside of this process."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  another process's state has no event
            await asyncio.sleep(0.01)


@pytest.fixture
def doubling() -> str:
    """A predict that doubles."""
    return "def predict(inputs):\n    return [x * 2 for x in inputs]\n"
