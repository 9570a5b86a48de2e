"""Waiting for jobs to end, without polling: one subscription per process, from which every wait is woken.

A message can be lost with its connection, so after every (re)connect all that is waited for is read again; the wait's
own timeout bounds the rest.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

import msgpack  # type: ignore[import-untyped]  # ships no stubs

from results import errors, keys, link, protocol, records

log = logging.getLogger(__name__)

_BACKOFF: Final = (0.05, 2.0)
"""Seconds before the first and at most before any later try to connect again."""

_PING: Final = 5.0
"""Seconds between signs of life asked of Redis; without one for two of them the connection counts as lost."""

ANY: Final = "*"
"""In place of an id: any job of the model."""

T = TypeVar("T")

_Key = tuple[str, str, str]


async def within(future: asyncio.Future[T], seconds: float) -> T:
    """What a future of one's own gives; TimeoutError, which ends the future too, where that takes longer.

    A timer alone: a fifth of what asyncio.timeout costs, which has to be right for any task.
    """
    timer = future.get_loop().call_later(seconds, _expire, future)
    try:
        return await future
    finally:
        timer.cancel()


class Waiters:
    """All waits of this process. `run()` must be running; while Redis is away waits last until their timeouts."""

    def __init__(self, over: link.Link, store: protocol.Store) -> None:
        self._link = over
        self._store = store
        self.channel = keys.notify(secrets.token_hex(8))
        """What an envelope's `notify` must say for `expect` to hear of it."""
        self._expected: dict[bytes, tuple[_Key, set[asyncio.Future[bytes]]]] = {}
        """By the job's key, as messages name it."""
        self._waits: dict[tuple[str, str], dict[str, set[asyncio.Event]]] = {}
        self._models: dict[str, tuple[str, str]] = {}
        self._subscribed: dict[str, asyncio.Future[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wire: link.Wire | None = None
        self._heard = False
        self._pause = _BACKOFF[0]
        self._tasks: set[asyncio.Task[None]] = set()

    def expect(self, account: str, model: str, job_id: str) -> asyncio.Future[bytes]:
        """The value (records.decode) of a job that is about to be produced with `notify` set to `channel`.

        Register before producing. The future never fails; give it a timeout, and `forget` it when nobody waits.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # asked each time it costs a system call
        future: asyncio.Future[bytes] = self._loop.create_future()
        key = keys.job(account, model, job_id).encode()
        expected = self._expected.get(key)
        if expected is None:
            self._expected[key] = (account, model, job_id), {future}
        else:
            expected[1].add(future)
        return future

    def forget(self, account: str, model: str, job_id: str, future: asyncio.Future[bytes]) -> None:
        """Nobody waits for what `expect` gave any more."""
        if future.done() and not future.cancelled() and future.exception() is None:
            return  # it was told of the end, and forgotten with that
        key = keys.job(account, model, job_id).encode()
        expected = self._expected.get(key)
        if expected is not None:
            expected[1].discard(future)
            if not expected[1]:
                del self._expected[key]

    async def wait(self, account: str, model: str, job_id: str, timeout: float) -> records.Record | None:
        """The job's record once it ended, or as it is after `timeout` seconds. Raises StoreUnavailable."""
        if timeout <= 0:
            return await self._store.fetch(account, model, job_id)

        async def read() -> tuple[bool, records.Record | None]:
            record = await self._store.fetch(account, model, job_id)
            return record is not None and record.terminal, record

        return await self.until(account, model, job_id, timeout, read)

    async def until(
        self, account: str, model: str, job_id: str, timeout: float, read: Callable[[], Awaitable[tuple[bool, T]]]
    ) -> T:
        """What `read` gave when it said that this is all, or after `timeout` seconds. Raises what `read` raises.

        It is called again when the job ends; with ANY for its id, when any of the model's jobs do.
        """
        enough, found = await read()
        if enough or timeout <= 0:
            return found
        with self._waiting(account, model, job_id) as woken, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                # subscribed first, then read: an end in between is seen by one or the other
                await self._subscription(account, model)
                while True:
                    enough, found = await read()
                    if enough:
                        return found
                    await woken.wait()
                    woken.clear()
        return (await read())[1]

    async def run(self) -> None:
        """Keep the subscription; cancel to stop."""
        try:
            while True:
                try:
                    self._wire = await self._link.dial(self._pushed)
                    await self._listen(self._wire)
                except errors.ResultsError as error:
                    log.warning("no notifications from Redis: %s", error)
                self._wire = None
                await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                self._pause = min(2 * self._pause, _BACKOFF[1])
        finally:
            if self._wire is not None:
                await self._wire.aclose()

    async def _listen(self, wire: link.Wire) -> None:
        """Subscribe, read what was missed, and stay until the connection is lost."""
        wire.push("SUBSCRIBE", self.channel, *self._subscribed)
        while not wire.lost.done():
            self._heard = False
            wire.push("PING")
            await asyncio.wait([wire.lost], timeout=_PING)
            if self._heard:
                self._tidy(wire)
            else:
                await wire.aclose()

    def _pushed(self, message: Any) -> None:
        """Anything that came on the subscribed connection."""
        self._heard = True
        if isinstance(message, Exception) and self._wire is not None:
            log.warning("Redis refuses the subscription: %s", message)
            self._wire.close()
        if not isinstance(message, list) or len(message) < 3:
            return
        kind, channel = message[0], message[1].decode()
        if kind == b"subscribe":
            self._confirmed(channel)
        elif kind == b"message" and channel == self.channel:
            self._notified(message[2])
        elif kind == b"message" and (model := self._models.get(channel)) is not None:
            waits = self._waits.get(model, {})
            for job_id in [*message[2].decode().split(), ANY]:
                for woken in waits.get(job_id, ()):
                    woken.set()

    def _confirmed(self, channel: str) -> None:
        """A subscription holds from here on."""
        if channel == self.channel:
            self._pause = _BACKOFF[0]
            self._start(self._reread())
        elif (confirmed := self._subscribed.get(channel)) is not None and not confirmed.done():
            confirmed.set_result(None)

    def _notified(self, message: bytes) -> None:
        """Jobs that somebody of this process expects have ended; a value too large to push is read."""
        large = []
        for key, value in msgpack.unpackb(message, raw=True):
            if value:
                self._resolve(key, value)
            elif (expected := self._expected.get(key)) is not None:
                large.append(expected[0])
        if large:
            self._start(self._reread_expected(large))

    def _resolve(self, key: bytes, value: bytes) -> None:
        expected = self._expected.pop(key, None)
        for future in expected[1] if expected is not None else ():
            if not future.done():
                future.set_result(value)

    async def _reread(self) -> None:
        """After a connect: whatever ended while nobody listened."""
        for waits in self._waits.values():
            for events in waits.values():
                for woken in events:
                    woken.set()
        await self._reread_expected([key for key, _ in self._expected.values()])

    async def _reread_expected(self, wanted: list[_Key]) -> None:
        by_model: dict[tuple[str, str], list[str]] = {}
        for account, model, job_id in wanted:
            by_model.setdefault((account, model), []).append(job_id)
        try:
            for (account, model), job_ids in by_model.items():
                values = await self._store.values(account, model, job_ids)
                for job_id, value in zip(job_ids, values, strict=True):
                    if value is not None and records.is_terminal(value):
                        self._resolve(keys.job(account, model, job_id).encode(), value)
        except errors.ResultsError as error:
            log.warning("could not read what is waited for, the next connect will: %s", error)

    async def _subscription(self, account: str, model: str) -> None:
        """Until the model's ended channel is subscribed to."""
        channel = keys.ended(account, model)
        confirmed = self._subscribed.get(channel)
        if confirmed is None:
            confirmed = self._subscribed[channel] = asyncio.get_running_loop().create_future()
            self._models[channel] = (account, model)
            if self._wire is not None and not self._wire.lost.done():
                self._wire.push("SUBSCRIBE", channel)
        await asyncio.shield(confirmed)

    def _tidy(self, wire: link.Wire) -> None:
        """Leave the channels of models that nobody waits for; not at once, as the next wait is likely near."""
        for channel, model in [*self._models.items()]:
            if model not in self._waits and self._subscribed[channel].done():
                del self._models[channel], self._subscribed[channel]
                wire.push("UNSUBSCRIBE", channel)

    @contextlib.contextmanager
    def _waiting(self, account: str, model: str, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the job ended, or may have."""
        woken = asyncio.Event()
        waits = self._waits.setdefault((account, model), {})
        events = waits.setdefault(job_id, set())
        events.add(woken)
        try:
            yield woken
        finally:
            events.discard(woken)
            if not events and waits.get(job_id) is events:
                del waits[job_id]
            if not waits and self._waits.get((account, model)) is waits:
                del self._waits[account, model]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
