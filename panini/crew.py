"""Processes that are kept running, restarted with backoff when they die; and the workers of each model, by backlog."""

import asyncio
import contextlib
import dataclasses
import functools
import logging
import os
import pathlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from panini.stack import pidfile, process, restart
from registry import client
from registry import errors as registry_errors
from wire import specs
from workers import errors, lag, scaling, scaling_settings

log = logging.getLogger(__name__)


Start = Callable[[], Awaitable[process.Child]]
"""Starts the process anew. Raises StackError where it cannot."""

Clear = Callable[[list[specs.Model], list[specs.Model]], list[str]]
"""Given all models there are, and those just removed: deletes what these left; its names. Blocks. Raises OSError."""

WATCH = 20.0
"""Seconds one question to the registry waits for a change."""

LEAVE: Final = 10.0
"""Seconds that a worker gets beyond its own drain time to leave the group and end."""

Name = tuple[str, str]
"""Account and model."""


class Kept:
    """One process that runs until it is let go."""

    def __init__(self, name: str, start: Start, *, grace: float) -> None:
        self.name = name
        self._start = start
        self._grace = grace
        self.child: process.Child | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start it, and again whenever it ends."""
        self._task = asyncio.create_task(self._keep())

    async def end(self) -> None:
        """Stop it for good: SIGTERM, and SIGKILL when its grace is over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.child is not None:
            await self.child.stop(self._grace)

    async def _keep(self) -> None:
        streak = 0
        while True:
            began = time.monotonic()
            try:
                self.child = await self._start()
                code = await self.child.wait()
                log.warning("%s ended with code %d; its log is %s", self.name, code, self.child.spec.log)
            except Exception as error:  # noqa: BLE001  the boundary: whatever the reason, it is started again
                log.error("%s could not be started: %s", self.name, error)
            decision = restart.after(restart.Policy(), streak=streak, ran=time.monotonic() - began)
            streak = decision.streak
            await asyncio.sleep(decision.delay)


class Crew:
    """The workers of every model, following the registry and the backlog: the local hand of `workers.scaling`."""

    def __init__(
        self,
        registry: client.Client,
        backlogs: lag.Lag,
        spec_of: Callable[[str, str, int], process.Spec],
        *,
        options: scaling_settings.ScalingSettings,
        grace: float,
        clear: Clear | None = None,
    ) -> None:
        self._registry = registry
        self._backlogs = backlogs
        self._spec_of = spec_of
        self._options = options
        self._limits = options.limits()
        self._grace = grace
        self._squads: dict[Name, _Squad] = {}
        self.seen = False
        """Whether the registry answered once."""
        self._changed = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()
        """The workers of removed models, which end what they run while everything else goes on."""
        self._clear = clear
        self._clearing: set[asyncio.Task[None]] = set()
        self._known: dict[int, specs.Model] | None = None
        """The registry's models, by their uids."""

    async def run(self) -> None:
        """Follow for ever; cancel to stop, then `end`."""
        await asyncio.gather(self._watch_registry(), self._watch_backlogs())

    async def end(self) -> None:
        """Let every worker finish what it runs, and stop it."""
        squads, self._squads = self._squads, {}
        await asyncio.gather(*(squad.end() for squad in squads.values()), *self._leaving, *self._clearing)
        await self._backlogs.close()
        await self._registry.close()

    async def _watch_registry(self) -> None:
        etag: str | None = None
        while True:
            try:
                found = await self._registry.models(etag, wait=WATCH)
            except registry_errors.RegistryError as error:
                log.warning("the registry does not answer, the workers go on: %s", error)
                await asyncio.sleep(1.0)
                continue
            if found is not None:
                etag, self.seen = found.etag, True
                self._follow({(one.account, one.model): one for one in found.models if wants_worker(one)})
                self._tidy({one.model_uid: one for one in found.models})

    def _tidy(self, models: dict[int, specs.Model]) -> None:
        """Have cleared away what removed models left: those of now, and at the first look those of before."""
        before, self._known = self._known, models
        removed = [one for uid, one in (before or {}).items() if uid not in models]
        if self._clear is not None and (removed or before is None):
            _run(self._cleared(self._clear, removed, list(self._leaving)), self._clearing)

    async def _cleared(self, clear: Clear, removed: list[specs.Model], leaving: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*leaving)
        try:
            gone = await asyncio.to_thread(clear, [*(self._known or {}).values()], removed)
            if gone:
                log.info("deleted what removed models left: %s", ", ".join(gone))
        except OSError as error:
            log.warning("what removed models left is not all deleted, the next start will: %s", error)

    async def _watch_backlogs(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._options.scale_interval)
            self._changed.clear()
            try:
                found = await self._backlogs.of(self._squads)
            except errors.LagUnknown as error:
                log.warning("the backlog is unknown, the workers stay as they are: %s", error)
                continue
            for name, backlog in found.items():
                self._step(name, backlog)

    def _step(self, name: Name, backlog: lag.Backlog) -> None:
        squad = self._squads.get(name)
        if squad is None:
            return
        seen = scaling.Seen(
            at=time.monotonic(),
            backlog=backlog.records,
            finished=backlog.finished,
            partitions=backlog.partitions,
            ready=squad.ready(),
            parked=backlog.parked,
            building=squad.building,
        )
        before, squad.state = squad.state, scaling.step(self._limits, squad.state, seen)
        if squad.state.replicas != before.replicas:
            log.info("%s: %d workers (%s)", name[1], squad.state.replicas, squad.state.why)
            squad.resize(squad.state.replicas)

    def _follow(self, models: dict[Name, specs.Model]) -> None:
        for name in set(self._squads) - set(models):
            _run(self._squads.pop(name).end(), self._leaving)
        for name, model in models.items():
            if name not in self._squads:
                state = scaling.begin(at=time.monotonic(), replicas=0)
                self._squads[name] = _Squad(name, self._spec_of, self._grace, state)
            self._squads[name].building = is_building(model)
        self._changed.set()


class _Squad:
    """The workers of one model."""

    def __init__(
        self, name: Name, spec_of: Callable[[str, str, int], process.Spec], grace: float, state: scaling.State
    ) -> None:
        self.state = state
        self.building = False
        self._name = name
        self._spec_of = spec_of
        self._grace = grace
        self._workers: list[Kept] = []
        self._draining: set[asyncio.Task[None]] = set()

    async def end(self) -> None:
        """Drain every worker; return when all are gone."""
        self.resize(0)
        await asyncio.gather(*self._draining)

    def resize(self, count: int) -> None:
        """Start or drain workers until there are `count`. Nobody waits for a drain but a new worker of its number."""
        surplus, self._workers = self._workers[count:], self._workers[:count]
        for worker in surplus:
            _run(worker.end(), self._draining)
        for number in range(len(self._workers) + 1, count + 1):
            worker = Kept(
                f"worker {number} of {self._name[1]}", functools.partial(self._start, number), grace=self._grace
            )
            self._workers.append(worker)
            worker.begin()

    def ready(self) -> int:
        """Workers that are loaded and in the group."""
        return sum(
            1
            for worker in self._workers
            if worker.child is not None and worker.child.running and ready_file(worker.child.spec).exists()
        )

    async def _start(self, number: int) -> process.Child:
        spec = self._spec_of(*self._name, number)
        await pidfile.stop_left(spec.pid_file, name=spec.name, grace=self._grace)
        ready_file(spec).unlink(missing_ok=True)
        child = process.Child(spec)
        await child.start()
        return child


def _run(work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work)
    among.add(task)
    task.add_done_callback(among.discard)


def worker(spec: process.Spec) -> process.Spec:
    """The same, told to say when it is ready."""
    ready = {"PANINI_WORKER_READY_FILE": str(ready_file(spec))}
    return dataclasses.replace(spec, env={**(os.environ if spec.env is None else spec.env), **ready})


def ready_file(spec: process.Spec) -> pathlib.Path:
    """The file that a worker makes once it is loaded and in its group (setting worker_ready_file)."""
    return spec.pid_file.with_suffix(".ready")


def wants_worker(model: specs.Model) -> bool:
    """Whether there is anything to run or to build."""
    return model.live is not None or is_building(model)


def is_building(model: specs.Model) -> bool:
    """Whether a version waits to be built, which a worker does."""
    return any(one.state is specs.VersionState.BUILDING for one in model.versions)
