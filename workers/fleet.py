"""The loaded versions of a worker's model: each with one runner, started when first needed and again when it died.

A worker hosts several versions: the live one, and those that jobs are pinned to or were first claimed with.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from wire import jobs as words
from wire import metrics, specs
from workers import errors, host, outcomes, quarantine, runners

log = logging.getLogger(__name__)

Prepare = Callable[[specs.Version], Awaitable[host.Spec]]
"""Files and environment of a version, made where missing. Raises BuildFailed."""

LogLine = Callable[[int, str], None]
"""A version's number and a line that its runner printed."""

STALE: Final = 300.0
"""Seconds after which the runner of a version that is not live, and was not asked, is stopped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One input for a runner."""

    id: str
    input: msgspec.Raw
    timeout: float | None
    """Seconds its predict() call may take; None: the version's setting."""


class _Loaded:
    """One version: what it is, and its runner while that lives."""

    def __init__(self, version: specs.Version) -> None:
        self.version = version
        self.runner: runners.Runner | None = None
        self.starting = asyncio.Lock()
        self.starts = quarantine.Quarantine()
        self.used = time.monotonic()


class Fleet:
    """Runs inputs on versions, whatever becomes of their runners."""

    def __init__(self, *, model: Callable[[], specs.Model], runs_on: host.Host, prepare: Prepare, log_line: LogLine):
        self._model = model
        self._host = runs_on
        self._prepare = prepare
        self._log_line = log_line
        self._loaded: dict[int, _Loaded] = {}
        self._ready = asyncio.Event()
        self.live = 0
        """Number of the version that jobs without a pin run on; 0: none yet."""

    async def go_live(self, number: int) -> None:
        """Load version `number`, then let jobs without a pin run on it. A version that cannot be loaded goes live too:
        the registry said so, and its jobs' failures are its author's to see."""
        try:
            await self._runner(self._entry(number))
        except errors.WorkerError as error:
            log.error("version %d is live and cannot be loaded: %s", number, error)
        self.live = number
        self._ready.set()

    async def ready(self) -> None:
        """Return once there is a live version."""
        await self._ready.wait()

    def limit(self, number: int, most: int) -> int:
        """How many inputs of version `number` may go together, `most` at most."""
        found = self._find(number)
        return most if found is None else min(most, found.options.max_batch)

    async def run(self, number: int, work: Sequence[Work]) -> outcomes.Ran:
        """Run inputs on version `number`, together if it is batchable. Never raises for what a model does."""
        try:
            loaded = self._entry(number)
            runner = await self._runner(loaded)
        except errors.WorkerError as error:
            failure = outcomes.Failure(words.ErrorType.MODEL_UNAVAILABLE, str(error))
            return outcomes.Ran([failure] * len(work), 0.0)
        options = loaded.version.options
        loaded.used = time.monotonic()
        return await runner.run(
            [bytes(one.input) for one in work],
            together=options.batch is True,
            timeout=min((one.timeout for one in work if one.timeout is not None), default=options.timeout),
            ids=[one.id for one in work],
        )

    async def tidy(self) -> None:
        """Stop the runners of versions that are neither live nor lately asked for."""
        now = time.monotonic()
        for number, loaded in list(self._loaded.items()):
            if number != self.live and now - loaded.used > STALE:
                del self._loaded[number]
                await _stop(loaded)

    async def stop(self) -> None:
        """Stop every runner."""
        loaded, self._loaded = self._loaded, {}
        await asyncio.gather(*(_stop(one) for one in loaded.values()))

    def _find(self, number: int) -> specs.Version | None:
        loaded = self._loaded.get(number)
        if loaded is not None:
            return loaded.version
        return next((version for version in self._model().versions if version.version == number), None)

    def _entry(self, number: int) -> _Loaded:
        loaded = self._loaded.get(number)
        if loaded is None:
            version = self._find(number)
            if version is None or version.state not in {specs.VersionState.LIVE, specs.VersionState.READY}:
                raise errors.WorkerError(f"version {number} does not exist or never passed its check")
            loaded = self._loaded[number] = _Loaded(version)
        return loaded

    async def _runner(self, loaded: _Loaded) -> runners.Runner:
        """The version's runner, started if need be. Raises WorkerError where it does not start."""
        if loaded.runner is not None and loaded.runner.alive:
            return loaded.runner
        async with loaded.starting:
            if loaded.runner is not None and loaded.runner.alive:
                return loaded.runner
            while True:
                if loaded.starts.until(time.monotonic()) is not None:
                    raise errors.WorkerError(
                        f"version {loaded.version.version} failed to start {quarantine.FAILURES} times within "
                        f"{quarantine.WINDOW:g} s and is quarantined; its log says why"
                    )
                await asyncio.sleep(loaded.starts.pause())
                try:
                    loaded.runner = await self._spawn(loaded.version)
                except errors.WorkerError as error:
                    self._log_line(loaded.version.version, f"the runner did not start: {error}")
                    metrics.RUNNER_STARTS.labels("failed").inc()
                    loaded.starts.failed(time.monotonic())
                else:
                    metrics.RUNNER_STARTS.labels("succeeded").inc()
                    loaded.starts.succeeded()
                    return loaded.runner

    async def _spawn(self, version: specs.Version) -> runners.Runner:
        spec = await self._prepare(version)
        number = version.version
        return await self._host.spawn(spec, on_log=lambda line: self._log_line(number, line))


async def _stop(loaded: _Loaded) -> None:
    if loaded.runner is not None:
        await loaded.runner.stop()
