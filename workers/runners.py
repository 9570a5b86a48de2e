"""One loaded runner as the worker sees it: batches in, outcomes out, whatever the model does.

Two batches may be in flight: the runner executes them in order, and the second's time starts when the first ends.
"""

import asyncio
import collections
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wire import jobs
from workers import channel, errors, inflight, outcomes, process, protocol, runner_settings

_SLACK: Final = 0.05
"""Seconds a predict() call gets beyond its timeout: scheduling is not the model's fault."""
_EXIT_GRACE: Final = 1.0
"""Seconds between the end of a runner's socket and the end of its process."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a running job said."""

    id: str | None
    """The job's id, as given to run(); None where it is told of a whole batch or no ids were given."""
    name: str
    """`progress`: value [fraction, text]. `output`: value is JSON text as bytes, or [media, bytes]."""
    value: Any


OnEvent = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an input is in a runner."""

    began: bool
    """Its predict() call runs."""
    others: int
    """Inputs without an answer beside it."""
    together: bool
    """It shares its call with others."""
    elapsed: float
    """Seconds that the call which runs takes so far, if it is in the batch that runs."""


class Runner:
    """A loaded runner. Made by a host."""

    def __init__(
        self, *, child: process.Child, journal: int, settings: runner_settings.RunnerSettings,
        on_event: OnEvent | None = None, on_ended: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._child = child
        self._journal = journal
        self._settings = settings
        self._on_event = on_event
        self._on_ended = on_ended
        self.channel: Final = channel.Channel(
            on_message=self._message, on_lost=self._lost, limit=settings.runner_max_frame
        )
        self._flying: collections.deque[inflight.Batch] = collections.deque()
        self._number = 0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._loading: asyncio.Future[dict[str, Any]] | None = None
        self._config: dict[str, Any] = {}
        self._alive = False
        self._greeted = False
        self._ending: asyncio.Task[None] | None = None
        self._verdict: process.Ended | None = None
        self.facts: dict[str, Any] = {}
        """What the runner told of itself when it was ready: form, load_ms, python, arrays."""

    @property
    def alive(self) -> bool:
        """Whether run() can still be answered."""
        return self._alive

    @property
    def in_flight(self) -> int:
        """Batches sent and not yet answered."""
        return len(self._flying)

    async def load(self, config: dict[str, Any], *, timeout: float, connect: Callable[[], Awaitable[object]]) -> None:
        """Have the channel connected, shake hands and load the version. The host calls it, once. Raises LoadFailed,
        StartTimeout, StartFailed, and what `connect` raises."""
        self._config = config
        self._loading = asyncio.get_running_loop().create_future()  # before its first word can be read
        try:
            async with asyncio.timeout(timeout):
                await connect()
                self.facts = await self._loading
        except TimeoutError as error:
            self._settle_as(jobs.ErrorType.TIMEOUT, "it was still loading")
            self._loading.cancel()  # where the channel was not connected yet nobody would look at it
            await self._end(grace=self._settings.runner_term_grace)
            raise errors.StartTimeout(f"import and load() took longer than {timeout:g} s (load_timeout)") from error
        except BaseException:
            self._loading.cancel()
            await self._end(grace=0)
            raise
        finally:
            self._loading = None
        self._alive = self._ending is None  # its end may have come with its being ready, in one go

    async def run(
        self, inputs: Sequence[bytes], *, together: bool, timeout: float, ids: Sequence[str] = ()
    ) -> outcomes.Ran:
        """Run one batch. Never raises for what the model does.

        `inputs` are msgpack values (`bytes(envelope.input)`); `together`: one predict() call for all of them, else one
        each; `timeout`: seconds one predict() call may take, past which the runner is killed.
        """
        if not self._alive:
            return _all_lost(len(inputs), jobs.ErrorType.CRASHED, "the runner had ended before")
        self._number = number = self._number % 0xFFFFFFFF + 1
        future: asyncio.Future[outcomes.Ran] = asyncio.get_running_loop().create_future()
        batch = inflight.Batch(number, len(inputs), together=together, timeout=timeout, ids=ids, future=future)
        self.channel.send(protocol.run_frame(number, together, inputs, ids))
        self._flying.append(batch)
        if len(self._flying) == 1:
            self._begin(batch)
        return await future

    def cancel(self, ids: Sequence[str]) -> None:
        """Inputs with these ids that have not begun shall not: they come back as Lost with began=False."""
        self.channel.send(protocol.frame((protocol.CANCEL, ids)))

    def at(self, job_id: str) -> Place | None:
        """Where an input with this id is; None: it is not here, or answered."""
        batch = next((batch for batch in self._flying if job_id in batch.ids), None)
        if batch is None or not self._alive:
            return None
        place, first = batch.ids.index(job_id), batch is self._flying[0]
        answered = len(batch.outcomes)
        if first and not batch.together:
            answered = max(answered, protocol.answered(self._read_journal(protocol.HEADER.size), batch=batch.number))
        if place < answered:
            return None
        unanswered = sum(one.size - len(one.outcomes) for one in self._flying) - (answered - len(batch.outcomes))
        return Place(
            began=first and (batch.together or place == answered),
            others=unanswered - 1,
            together=batch.together and batch.size > 1,
            elapsed=time.monotonic() - self._call_began(batch) if first else 0.0,
        )

    async def kill(self, reason: str) -> None:
        """End it at once; what is in flight comes back as Lost with this reason. Returns when it is gone."""
        self._settle_as(jobs.ErrorType.CRASHED, reason, asked=True)
        await self._end(grace=0)

    async def stop(self) -> None:
        """Let it end what is in flight, then exit by itself; kill it where it does not."""
        if self._alive:
            pending = [batch.future for batch in self._flying]
            self.channel.send(protocol.frame((protocol.EXIT,)))
            with contextlib.suppress(TimeoutError):
                if pending:
                    await asyncio.wait(pending)
                await asyncio.wait_for(self._child.wait(), self._settings.runner_term_grace)
        self._settle_as(jobs.ErrorType.CRASHED, "the runner was stopped")
        await self._end(grace=self._settings.runner_term_grace)

    def discard(self) -> None:
        """Give back what a runner holds that was never started."""
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1
        if self._on_ended is not None:
            self._on_ended()

    def _begin(self, batch: inflight.Batch) -> None:
        """The runner turns to `batch` now."""
        self._since = time.monotonic()
        due = self._since + batch.timeout + _SLACK
        if self._timer is None or due < self._due:
            self._watch_at(due)

    def _watch_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._due = due
        self._timer = loop.call_later(max(0.0, due - time.monotonic()), self._watch)

    def _watch(self) -> None:
        """One timer for all batches: it looks again at what it is due for, so that a batch costs no timer."""
        self._timer = None
        if not self._flying or not self._alive:
            return
        batch, now = self._flying[0], time.monotonic()
        due = self._call_began(batch) + batch.timeout + _SLACK
        if due > now:
            self._watch_at(due)
            return
        self._settle_as(jobs.ErrorType.TIMEOUT, f"predict() took longer than {batch.timeout:g} s (timeout)")
        self._start_ending(grace=self._settings.runner_term_grace)

    def _call_began(self, batch: inflight.Batch) -> float:
        """When the predict() call that runs began (monotonic seconds). `batch` is the first one."""
        began = protocol.began(self._read_journal(protocol.HEADER.size), batch=batch.number)
        return max(self._since, min(began, time.monotonic())) if began is not None else self._since

    def _message(self, message: list[Any]) -> None:
        kind = protocol.kind(message)
        if kind == protocol.RESULTS and self._alive:
            self._results(message)
        elif kind == protocol.EVENT and self._alive:
            self._event(message)
        elif self._loading is not None and not self._loading.done():
            self._handshake(kind, message, self._loading)
        elif self._alive:
            raise errors.ProtocolError("a message out of its turn")

    def _handshake(self, kind: int, message: list[Any], loading: "asyncio.Future[dict[str, Any]]") -> None:
        match kind, message:
            case protocol.HELLO, [_, protocol.VERSION, int(), str()]:
                self._greeted = True
                self.channel.send(protocol.frame((protocol.START, protocol.VERSION, self._config)))
            case protocol.READY, [_, dict(facts)]:
                loading.set_result(facts)
            case protocol.LOAD_FAILED, [_, str(words), str(traceback)]:
                loading.set_exception(errors.LoadFailed(words, traceback))
            case _:
                raise errors.ProtocolError("no handshake of this protocol's version")

    def _results(self, message: list[Any]) -> None:
        _, number, items, done, spent, failure = message
        batch = self._flying[0] if self._flying else None
        if batch is None or number != batch.number or not isinstance(items, list) or not isinstance(spent, float):
            raise errors.ProtocolError("results of no batch that is running")
        found, read = batch.outcomes, protocol.outcome
        for item in items:
            found.append(outcomes.Output(item) if type(item) is bytes else read(item))
        if len(found) > batch.size:
            raise errors.ProtocolError("more results than inputs")
        if not done:
            self._since = time.monotonic()
            return
        error = None
        if failure is not None:
            whole = protocol.outcome(failure)
            if not isinstance(whole, outcomes.Failure):
                raise errors.ProtocolError("a batch's failure of no known form")
            batch.outcomes, error = [whole] * batch.size, whole.message
        elif len(found) != batch.size:
            raise errors.ProtocolError(f"{len(found)} results for {batch.size} inputs")
        self._flying.popleft()
        if self._flying:
            self._begin(self._flying[0])
        if not batch.future.done():
            batch.future.set_result(outcomes.Ran(batch.outcomes, spent, error))

    def _event(self, message: list[Any]) -> None:
        _, number, place, name, value = message
        if self._on_event is None or not self._flying or self._flying[0].number != number:
            return
        ids = self._flying[0].ids
        if place is None and len(ids) == 1:
            place = 0
        known = isinstance(place, int) and 0 <= place < len(ids)
        if name in {"progress", "output"}:
            self._on_event(Event(ids[place] if known else None, name, value))

    def _lost(self, broken: str | None) -> None:
        """The socket ended."""
        if broken is not None:
            self._settle_as(jobs.ErrorType.CRASHED, f"the runner broke the protocol: {broken}")
        self._start_ending(grace=0 if broken is not None else _EXIT_GRACE, asked=broken is not None)

    def _settle_as(self, kind: jobs.ErrorType, message: str, *, asked: bool = False) -> None:
        """Say why it ends, unless that was said before."""
        self._alive = False
        if self._verdict is None:
            self._verdict = process.Ended(type=kind, message=message, asked=asked)

    async def _end(self, *, grace: float) -> None:
        self._start_ending(grace=grace)
        assert self._ending is not None  # noqa: S101  just started
        await asyncio.shield(self._ending)

    def _start_ending(self, *, grace: float, asked: bool = True) -> None:
        self._alive = False
        if self._ending is None or (self._ending.done() and self._journal >= 0):
            self._ending = asyncio.get_running_loop().create_task(self._finish(grace, asked=asked))

    async def _finish(self, grace: float, *, asked: bool) -> None:
        """Wait for the process to be gone, then answer all that is in flight."""
        if asked:
            ended = await self._child.end(grace=grace)
        else:
            try:
                ended = await asyncio.wait_for(self._child.wait(), grace)
            except TimeoutError:
                self._settle_as(jobs.ErrorType.CRASHED, "the runner closed its socket")
                ended = await self._child.end(grace=0)
        self.channel.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        verdict = self._verdict or ended
        if self._loading is not None and not self._loading.done():
            failed = errors.LoadFailed(f"{verdict.message} while loading")
            self._loading.set_exception(failed if self._greeted else errors.StartFailed(verdict.message))
        self._answer(verdict)
        self.discard()

    def _answer(self, verdict: process.Ended) -> None:
        journal = self._read_journal(protocol.JOURNAL_BYTES) if self._flying else b""
        for place, batch in enumerate(self._flying):
            batch.lose(verdict, journal, running=place == 0)
        self._flying.clear()

    def _read_journal(self, size: int) -> bytes:
        try:
            return os.pread(self._journal, size, 0) if self._journal >= 0 else b""
        except OSError:
            return b""


def _all_lost(size: int, kind: jobs.ErrorType, message: str) -> outcomes.Ran:
    return outcomes.Ran([outcomes.Lost(kind, message, began=False)] * size, 0.0)
