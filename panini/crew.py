"""Processes that are kept running: restarted with backoff when they die, and one worker for each model."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Awaitable, Callable

from panini.stack import pidfile, process, restart
from registry import client
from registry import errors as registry_errors
from wire import specs

log = logging.getLogger(__name__)

Start = Callable[[], Awaitable[process.Child]]
"""Starts the process anew. Raises StackError where it cannot."""

WATCH = 20.0
"""Seconds one question to the registry waits for a change."""

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
    """One worker process a model, following the registry."""

    def __init__(self, registry: client.Client, spec_of: Callable[[str, str], process.Spec], *, grace: float) -> None:
        self._registry = registry
        self._spec_of = spec_of
        self._grace = grace
        self._workers: dict[Name, Kept] = {}

    async def run(self) -> None:
        """Follow the registry for ever; cancel to stop, then `end`."""
        etag: str | None = None
        while True:
            try:
                found = await self._registry.models(etag, wait=WATCH)
            except registry_errors.RegistryError as error:
                log.warning("the registry does not answer, the workers go on: %s", error)
                await asyncio.sleep(1.0)
                continue
            if found is not None:
                etag = found.etag
                await self._follow([model for model in found.models if wants_worker(model)])

    async def end(self) -> None:
        """Let every worker finish what it runs, and stop it."""
        workers, self._workers = self._workers, {}
        await asyncio.gather(*(worker.end() for worker in workers.values()))

    async def _follow(self, models: list[specs.Model]) -> None:
        wanted: set[Name] = {(model.account, model.model) for model in models}
        gone = [self._workers.pop(name) for name in set(self._workers) - wanted]
        await asyncio.gather(*(worker.end() for worker in gone))
        for account, model in sorted(wanted - set(self._workers)):
            start = functools.partial(self._start, account, model)
            worker = self._workers[account, model] = Kept(f"worker of {model}", start, grace=self._grace)
            worker.begin()

    async def _start(self, account: str, model: str) -> process.Child:
        spec = self._spec_of(account, model)
        with contextlib.suppress(FileNotFoundError):
            await pidfile.stop_left(spec.pid_file, name=spec.name, grace=self._grace)
        child = process.Child(spec)
        await child.start()
        return child


def wants_worker(model: specs.Model) -> bool:
    """Whether there is anything to run or to build."""
    return model.live is not None or any(one.state is specs.VersionState.BUILDING for one in model.versions)
