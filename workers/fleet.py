"""The loaded versions of a worker's model: each with one runner, started when first needed and again when it died.

A worker hosts several versions: the live one, and those that jobs are pinned to or were first claimed with.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from wire import jobs as words
from wire import metrics, specs
from workers import canceling, errors, host, outcomes, pacing, quarantine, runners, trials

log = logging.getLogger(__name__)

Prepare = Callable[[specs.Version], Awaitable[host.Spec]]
"""Files and environment of a version, made where missing. Raises BuildFailed."""

LogLine = Callable[[int, str], None]
"""A version's number and a line that its runner printed."""

OnVerdict = Callable[[int, specs.Verdict], None]
"""A version's number and what was found out about its batches."""

STALE: Final = 300.0
"""Seconds after which the runner of a version that is not live, and was not asked, is stopped."""

LOOK: Final = 0.2
"""Seconds between looks at a runner that works on for a canceled job."""


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One input for a runner."""

    id: str
    input: msgspec.Raw
    timeout: float | None
    """Seconds its predict() call may take; None: the version's setting."""
    canceled: Callable[[], bool] = lambda: False
    """Whether it shall not begin any more."""


class _Loaded:
    """One version: what it is, and its runner while that lives."""

    def __init__(self, version: specs.Version, report: trials.Report) -> None:
        self.version = version
        verified = version.options.batch == "verified"
        self.pace = pacing.Pace()
        self.trials = (
            trials.Trials(known=version.verdict, report=report, sizes=self.pace.together) if verified else None
        )
        """None: the version itself said whether its inputs may come together."""
        self.runner: runners.Runner | None = None
        self.starting = asyncio.Lock()
        self.reviving: asyncio.Task[None] | None = None
        """Starts its runner again, which died while it had nothing to do."""
        self.starts = quarantine.Quarantine()
        self.used = time.monotonic()
        self.load = 0.0
        """Seconds that its runner took to load."""
        self.usual: float | None = None
        """Seconds that a predict() call takes, smoothed."""

    @property
    def dead(self) -> bool:
        """Whether it had a runner that died, and none is being started."""
        return self.runner is not None and not self.runner.alive and not self.starting.locked()

    def together(self) -> bool:
        """Whether several inputs may share a predict() call now."""
        return self.trials.together if self.trials is not None else self.version.options.batch is True

    def took(self, ran: outcomes.Ran, calls: int) -> None:
        """Learn from a run of so many calls."""
        if ran.predict_ms > 0:
            each = ran.predict_ms / 1000 / calls
            self.usual = each if self.usual is None else 0.8 * self.usual + 0.2 * each


class Fleet:
    """Runs inputs on versions, whatever becomes of their runners."""

    def __init__(
        self, *, model: Callable[[], specs.Model], runs_on: host.Host, prepare: Prepare, log_line: LogLine,
        on_verdict: OnVerdict = lambda _number, _verdict: None,
        on_event: runners.OnEvent | None = None,
    ) -> None:  # fmt: skip
        self._model = model
        self._on_verdict = on_verdict
        self._on_event = on_event
        self._host = runs_on
        self._prepare = prepare
        self._log_line = log_line
        self._loaded: dict[int, _Loaded] = {}
        self._ready = asyncio.Event()
        self.live = 0
        """Number of the version that jobs without a pin run on; 0: none yet."""
        self.ready_at = 0
        """Unix milliseconds at which the first one was ready: a job accepted before waited for a cold start."""

    async def go_live(self, number: int) -> None:
        """Load version `number`, then let jobs without a pin run on it. A version that cannot be loaded goes live too:
        the registry said so, and its jobs' failures are its author's to see."""
        try:
            await self._runner(self._entry(number))
        except errors.WorkerError as error:
            log.error("version %d is live and cannot be loaded: %s", number, error, extra={"version": number})
        self.live = number
        if not self._ready.is_set():
            self.ready_at = time.time_ns() // 1_000_000
            self._ready.set()

    async def ready(self) -> None:
        """Return once there is a live version."""
        await self._ready.wait()

    def limit(self, number: int, most: int, *, within: float) -> int:
        """How many inputs of version `number` may go together: `most` at most, in no more than `within` seconds."""
        loaded = self._loaded.get(number)
        if loaded is None:
            found = self._find(number)
            return most if found is None else min(most, found.options.max_batch)
        options = loaded.version.options
        most = min(most, options.max_batch)
        return loaded.pace.limit(most, together=loaded.together(), timeout=options.timeout, within=within)

    def in_time(self, number: int, size: int, due: Sequence[tuple[int, float]]) -> int:
        """`size` inputs of version `number`, or fewer where one then has its answer in time: `sizing.Sizes.in_time`."""
        loaded = self._loaded.get(number)
        return size if loaded is None else loaded.pace.in_time(size, due, together=loaded.together())

    def coming(self, number: int, size: int) -> Callable[[], None]:
        """A batch of version `number` was taken; what is returned is to be called when it is claimed."""
        loaded = self._loaded.get(number)
        return pacing.nothing if loaded is None else loaded.pace.coming(size, together=loaded.together())

    def too_large(self, number: int, size: int) -> None:
        """A call of version `number` ran out of time or memory with `size` inputs, each of which alone does well."""
        if (loaded := self._loaded.get(number)) is not None:
            loaded.pace.together.failed(size)

    async def turn(self, number: int) -> None:
        """Return when the next batch of version `number` is to be taken: what comes while its runner is busy joins."""
        if (loaded := self._loaded.get(number)) is not None:
            await loaded.pace.turn()

    def retry(self, number: int) -> specs.Retry:
        """Which failures of version `number` are tried again."""
        found = self._find(number)
        return specs.Retry() if found is None else found.options.retry

    async def run(self, number: int, work: Sequence[Work]) -> outcomes.Ran:
        """Run inputs on version `number`, together if it is batchable. Never raises for what a model does."""
        try:
            loaded = self._entry(number)
            runner = await self._runner(loaded)
        except errors.Quarantined as error:
            failure = outcomes.Failure(words.ErrorType.MODEL_UNAVAILABLE, str(error), retry_after=error.seconds)
            return outcomes.Ran([failure] * len(work), 0.0)
        except errors.WorkerError as error:
            failure = outcomes.Failure(words.ErrorType.MODEL_UNAVAILABLE, str(error))
            return outcomes.Ran([failure] * len(work), 0.0)
        options = loaded.version.options
        loaded.used = time.monotonic()
        canceled = [one.id for one in work if one.canceled()]  # while the runner was loading
        if canceled:
            runner.cancel(canceled)
        inputs, ids = [bytes(one.input) for one in work], [one.id for one in work]
        timeout = min([one.timeout for one in work if one.timeout is not None], default=options.timeout)
        together, ran = loaded.together(), None
        loaded.pace.begin(len(work), together=together)
        try:
            if loaded.trials is not None:
                ran = await loaded.trials.run(runner, inputs, timeout=timeout, ids=ids)
            else:
                ran = await runner.run(inputs, together=options.batch is True, timeout=timeout, ids=ids)
        finally:
            loaded.pace.end(len(work), ran, together=together)
        loaded.took(ran, 1 if together else len(work))
        return ran

    def waits(self, number: int, job_id: str) -> bool:
        """Whether a job lies in the runner of version `number` and predict() has not begun with it."""
        loaded = self._loaded.get(number)
        place = loaded.runner.at(job_id) if loaded is not None and loaded.runner is not None else None
        return place is not None and not place.began

    async def cancel(self, number: int, job_id: str) -> None:
        """See that version `number` works no more for this job: it does not begin, or its runner is killed, once that
        costs its neighbours less than waiting; they come back as lost, to be run again. Returns when it is so."""
        while True:
            loaded = self._loaded.get(number)
            if loaded is None or loaded.runner is None or (place := loaded.runner.at(job_id)) is None:
                return
            if not place.began:
                loaded.runner.cancel([job_id])
                await asyncio.sleep(LOOK)
                continue
            seen = canceling.Seen(
                others=place.others,
                together=place.together,
                elapsed=place.elapsed,
                usual=loaded.usual,
                load=loaded.load,
            )
            if canceling.kills(seen):
                await loaded.runner.kill("it ran a job that was canceled")
                return
            await asyncio.sleep(LOOK)

    def follow(self) -> None:
        """Take over what other workers found out about the versions that are loaded here."""
        verdicts = {version.version: version.verdict for version in self._model().versions}
        for number, loaded in self._loaded.items():
            if loaded.trials is not None and (verdict := verdicts.get(number)) is not None:
                loaded.trials.policy.told(verdict)

    async def tidy(self) -> None:
        """Stop the runners of versions that are neither live nor lately asked for; start that of the live one again
        where it died while it had nothing to do."""
        now = time.monotonic()
        for number, loaded in list(self._loaded.items()):
            if number != self.live and now - loaded.used > STALE:
                del self._loaded[number]
                await _stop(loaded)
            elif number == self.live and loaded.dead and loaded.reviving is None:
                loaded.reviving = asyncio.create_task(self._revive(loaded))

    async def _revive(self, loaded: _Loaded) -> None:
        try:
            await self._runner(loaded)
        except errors.WorkerError as error:
            number = loaded.version.version
            log.warning(
                "the runner of version %d died and does not start: %s", number, error, extra={"version": number}
            )
        finally:
            loaded.reviving = None

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
            loaded = self._loaded[number] = _Loaded(version, lambda verdict: self._on_verdict(number, verdict))
        return loaded

    async def _runner(self, loaded: _Loaded) -> runners.Runner:
        """The version's runner, started if need be. Raises WorkerError where it does not start."""
        if loaded.runner is not None and loaded.runner.alive:
            return loaded.runner
        async with loaded.starting:
            if loaded.runner is not None and loaded.runner.alive:
                return loaded.runner
            while True:
                until = loaded.starts.until(time.monotonic())
                if until is not None:
                    raise errors.Quarantined(
                        f"version {loaded.version.version} failed to start {quarantine.FAILURES} times within "
                        f"{quarantine.WINDOW:g} s and is quarantined; its log says why",
                        quarantine.wait(until - time.monotonic()),
                    )
                await asyncio.sleep(loaded.starts.pause())
                began = time.monotonic()
                try:
                    loaded.runner = await self._spawn(loaded.version)
                    loaded.load = time.monotonic() - began
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
        return await self._host.spawn(spec, on_log=lambda line: self._log_line(number, line), on_event=self._on_event)


async def _stop(loaded: _Loaded) -> None:
    if loaded.reviving is not None:
        loaded.reviving.cancel()
        await asyncio.gather(loaded.reviving, return_exceptions=True)
    if loaded.trials is not None:
        await loaded.trials.stop()
    if loaded.runner is not None:
        await loaded.runner.stop()
