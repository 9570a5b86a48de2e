"""Processes that are kept running, and the workers of models: real processes, the registry and backlogs doubles."""

import asyncio
import contextlib
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from panini import crew
from panini.stack import pidfile, process
from registry import errors as registry_errors
from wire import specs
from workers import errors, scaling_settings

STUBBORN = (
    "import pathlib, signal, sys, time\n"
    "here = pathlib.Path(sys.argv[1])\n"
    "signal.signal(signal.SIGTERM, lambda *_: (here / 'told').touch())\n"
    "(here / 'ready').touch()\n"
    "while not (here / 'go').exists(): time.sleep(0.01)\n"
)
"""Ends when it was told to and a file allows it."""


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110  files and processes have no event
            await asyncio.sleep(0.01)


def spec_in(folder: pathlib.Path, name: str, code: str = STUBBORN) -> process.Spec:
    """A small process of that name, with a folder of its own."""
    own = folder / name
    own.mkdir(exist_ok=True)
    argv = [sys.executable, "-S", "-c", code, str(own)]
    return process.Spec(name=name, argv=argv, cwd=own, log=own / "log", pid_file=own / "pid.json")


async def test_what_is_killed_is_started_again_until_it_is_let_go(tmp_path: pathlib.Path) -> None:
    spec = spec_in(tmp_path, "kept")

    async def start() -> process.Child:
        child = process.Child(spec)
        await child.start()
        return child

    kept = crew.Kept("kept", start, grace=5.0)
    kept.begin()
    await until((tmp_path / "kept" / "ready").exists)
    # When it is killed
    assert kept.child is not None
    first = kept.child.pid
    os.kill(first, signal.SIGKILL)
    # Then another runs
    await until(lambda: pidfile.running(spec.pid_file) not in {None, first})
    # When it is let go, it ends
    (tmp_path / "kept" / "go").touch()
    await kept.end()
    assert pidfile.running(spec.pid_file) is None


async def test_what_cannot_be_started_is_tried_again(tmp_path: pathlib.Path) -> None:
    tries = asyncio.Semaphore(0)

    async def start() -> process.Child:
        tries.release()
        raise OSError("no such program")

    kept = crew.Kept("broken", start, grace=1.0)
    kept.begin()
    async with asyncio.timeout(10):
        await tries.acquire()
        await tries.acquire()
    await kept.end()


def model(name: str, *, live: int | None = 1, building: bool = False, uid: int = 1) -> specs.Model:
    state = specs.VersionState.BUILDING if building else specs.VersionState.FAILED
    version = specs.Version(version=2, state=state, digest="d", files=[], options=specs.Options(), created_at=0)
    return specs.Model(
        account="default", account_uid=1, model=name, model_uid=uid, topic_uuid="t", live=live, versions=[version]
    )


@pytest.mark.parametrize(
    ("one", "wanted"),
    [
        (model("a"), True),
        (model("a", live=None), False),
        (model("a", live=None, building=True), True),
        (model("a", building=True), True),
    ],
)
def test_a_model_wants_a_worker_where_there_is_something_to_run_or_to_build(one: specs.Model, wanted: bool) -> None:
    assert crew.wants_worker(one) is wanted


class Registry:
    """Answers with its models when they changed."""

    def __init__(self) -> None:
        self._found: list[specs.Model] = []
        self._number = 0
        self._changed = asyncio.Event()
        self.away = False

    def tell(self, *models: specs.Model) -> None:
        self._found, self._number = list(models), self._number + 1
        self._changed.set()

    async def models(self, etag: str | None, *, wait: float) -> Any:
        while etag == str(self._number) and not self.away:
            self._changed.clear()
            await self._changed.wait()
        if self.away:
            raise registry_errors.RegistryUnavailable
        return SimpleNamespace(etag=str(self._number), models=self._found)

    async def close(self) -> None:
        """Nothing is open."""


class Backlogs:
    """How much waits, as the test says."""

    def __init__(self) -> None:
        self.waiting: dict[str, int] = {}
        self.unknown = False
        self.looks = 0

    async def of(self, names: Any) -> dict[Any, Any]:
        self.looks += 1
        if self.unknown:
            raise errors.LagUnknown
        return {
            name: SimpleNamespace(records=self.waiting.get(name[1], 0), finished=0, partitions=4, parked=0)
            for name in names
        }

    async def close(self) -> None:
        """Nothing is open."""


class Bench:
    """A crew whose workers are small processes."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.registry, self.backlogs = Registry(), Backlogs()
        registry: Any = self.registry
        backlogs: Any = self.backlogs
        options = scaling_settings.ScalingSettings.load(scale_interval=0.2)
        self.crew = crew.Crew(
            registry,
            backlogs,
            lambda _, name, number: spec_in(folder, f"{name}.{number}"),
            options=options,
            grace=20.0,
            clear=self._clear,
        )
        self.cleared: list[tuple[list[str], list[str]]] = []
        """Which models there were, and which were removed, each time that a home was cleared."""

    def _clear(self, models: list[specs.Model], removed: list[specs.Model]) -> list[str]:
        self.cleared.append(([one.model for one in models], [one.model for one in removed]))
        return []

    def runs(self, name: str) -> bool:
        return pidfile.running(self.folder / name / "pid.json") is not None

    def let_go(self) -> None:
        """Every worker may end."""
        for own in self.folder.iterdir():
            (own / "go").touch()


@pytest_asyncio.fixture
async def bench(tmp_path: pathlib.Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    following = asyncio.create_task(made.crew.run())
    yield made
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    made.let_go()
    await made.crew.end()
    assert not any(made.runs(own.name) for own in tmp_path.iterdir())


async def test_a_removed_model_that_still_runs_holds_up_no_other(bench: Bench) -> None:
    """Catches a drain that is waited for before anything else is looked at (`_leaving` in Crew._follow)."""
    # Given a model whose worker has something to do
    bench.registry.tell(model("old", building=True))
    await until((bench.folder / "old.1" / "ready").exists)
    # When it is removed and another made, while the worker does not end
    bench.registry.tell(model("new", building=True))
    await until((bench.folder / "old.1" / "told").exists)
    # Then the other's worker starts all the same
    await until(lambda: bench.runs("new.1"))
    assert bench.runs("old.1")


async def test_what_a_removed_model_left_is_cleared_once_its_workers_ended(bench: Bench) -> None:
    """Catches `gather(*leaving)` in Crew._cleared: a worker's folders would go while it runs."""
    # Given a home that is cleared at the first look: a start may follow a kill
    bench.registry.tell(model("old", building=True), model("other", uid=2))
    await until((bench.folder / "old.1" / "ready").exists)
    await until(lambda: [removed for _, removed in bench.cleared] == [[]])
    # When one is removed, and another comes
    bench.registry.tell(model("other", uid=2))
    await until((bench.folder / "old.1" / "told").exists)
    bench.registry.tell(model("other", uid=2), model("new", uid=3))
    looks = bench.backlogs.looks
    await until(lambda: bench.backlogs.looks > looks + 1)
    assert len(bench.cleared) == 1
    # Then it is cleared when the worker has ended, of what there is by then
    (bench.folder / "old.1" / "go").touch()
    await until(lambda: bench.cleared[1:] == [(["other", "new"], ["old"])])


async def test_an_idle_model_has_no_worker_and_a_backlog_starts_one(bench: Bench) -> None:
    bench.registry.tell(model("sleepy"))
    await until(lambda: bench.crew.seen)
    bench.backlogs.waiting["sleepy"] = 10
    await until(lambda: bench.runs("sleepy.1"))


async def test_what_runs_goes_on_while_registry_and_kafka_are_away(bench: Bench) -> None:
    bench.registry.tell(model("busy", building=True))
    await until(lambda: bench.runs("busy.1"))
    bench.registry.away = True
    bench.backlogs.unknown = True
    bench.registry.tell()
    looks = bench.backlogs.looks
    await until(lambda: bench.backlogs.looks > looks + 2)
    assert bench.runs("busy.1")
    assert not (bench.folder / "busy.1" / "told").exists()
