"""The delivery loop: every webhook that is due is tried, by whichever process takes it first.

tick: look at the models that have something due → take leases → post, many at once → write down what came of it.
Woken by the script that ends a job; looks at every model now and then, in case a word was lost.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from results import channels, deliveries, errors, keys, link, protocol, records, schedule, sending, settings, views
from wire import ids, specs, webhooks

log = logging.getLogger(__name__)

LOOK: Final = 5.0
"""Seconds between looks at every model."""

LEASE: Final = 30.0
"""Seconds beyond a try's own time after which another process may take the delivery."""

HOST_PAUSE: Final = 1.0
"""Seconds that a delivery waits whose host has its share of tries in flight already."""

Name = tuple[str, str]
"""Account and model."""


class Deliverer:
    """Delivers webhooks from `run()` on."""

    def __init__(
        self,
        over: link.Link,
        store: protocol.Store,
        *,
        endpoints: Callable[[], Iterable[specs.Endpoint]],
        secrets: webhooks.Secrets,
        signer: ids.Signer,
        sender: sending.Sender,
        options: settings.Push,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        chance: random.Random | None = None,
    ) -> None:
        self._outbox = deliveries.Outbox(over)
        self._store = store
        self._endpoints = endpoints
        self._secrets = secrets
        self._signer = signer
        self._sender = sender
        self._options = options
        self._clock_ms = clock_ms
        self._chance = chance or random.Random()  # noqa: S311  jitter
        self._woken = asyncio.Event()
        self._next: dict[Name, int] = {}
        self._flying: set[asyncio.Task[None]] = set()
        self._hosts: Counter[str] = Counter()
        self._listener = channels.Listener(over, keys.DUE, on_message=self._wake, on_subscribed=self._woken.set)

    async def run(self) -> None:
        """Deliver; cancel to stop. What is being tried then is tried again by another process, or later."""
        listening = asyncio.create_task(self._listener.run())
        looked = 0.0
        try:
            while True:
                everything = time.monotonic() - looked >= LOOK
                if everything:
                    looked = time.monotonic()
                try:
                    await self.tick(everything=everything)
                except errors.ResultsError as error:
                    log.warning("no webhooks are delivered for the moment: %s", error)
                    await asyncio.sleep(1.0)
                await self._pause(looked + LOOK)
        finally:
            listening.cancel()
            for task in self._flying:
                task.cancel()
            await asyncio.gather(listening, *self._flying, return_exceptions=True)

    async def tick(self, *, everything: bool = True) -> None:
        """Start every try that is due; at all models, or only where something is known to be due."""
        known = {(one.account, one.model): one for one in self._endpoints()}
        now_ms = self._clock_ms()
        for name in [*known] if everything else [name for name, due in self._next.items() if due <= now_ms]:
            if name not in known:
                self._next.pop(name, None)
                continue
            await self._take(known[name])

    async def settled(self) -> None:
        """Return when no try is in flight."""
        while self._flying:
            await asyncio.wait(self._flying)

    async def _take(self, endpoint: specs.Endpoint) -> None:
        """Take leases of one model until nothing is due, never more than may be in flight."""
        name = (endpoint.account, endpoint.model)
        while True:
            free = self._options.webhook_in_flight - len(self._flying)
            if free <= 0:
                await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
                continue
            now_ms = self._clock_ms()
            lease_ms = int((self._options.webhook_timeout + LEASE) * 1000)
            taken, next_at = await self._outbox.take(*name, now_ms=now_ms, lease_ms=lease_ms, limit=free)
            for one in taken:
                self._start(endpoint, one)
            if next_at is None:
                self._next.pop(name, None)
            else:
                self._next[name] = next_at
            if len(taken) < free:
                return

    def _start(self, endpoint: specs.Endpoint, taken: deliveries.Taken) -> None:
        task = asyncio.create_task(self._deliver(endpoint, taken))
        self._flying.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, errors.StoreUnavailable):
                log.warning("what a webhook came to is not written down, it is tried again: %s", error)
            else:
                log.error("a delivery ended with an error of ours; it is tried again", exc_info=error)

    async def _deliver(self, endpoint: specs.Endpoint, taken: deliveries.Taken) -> None:
        host = urlsplit(taken.url).netloc
        if self._hosts[host] >= self._options.webhook_in_flight_host:
            # one slow receiver must not keep the others waiting
            await self._put_back(taken)
            return
        self._hosts[host] += 1
        try:
            await self._try(endpoint, taken)
        finally:
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]

    async def _put_back(self, taken: deliveries.Taken) -> None:
        now_ms = self._clock_ms()
        at = now_ms + int(HOST_PAUSE * 1000)
        pending = deliveries.State.PENDING
        await self._outbox.settle(taken, pending, now_ms=now_ms, step=taken.step, next_at=at, tried=None)
        self._again(taken, at)

    async def _try(self, endpoint: specs.Endpoint, taken: deliveries.Taken) -> None:
        at, began = self._clock_ms(), time.monotonic()
        reply, why = None, None
        try:
            reply = await self._post(endpoint, taken, at)
        except errors.SendFailed as error:
            why = str(error)
        if reply is not None and not 200 <= reply.status < 300:
            why = f"the receiver answered {reply.status}"
            why += ": redirects are not followed" if 300 <= reply.status < 400 else ""
        tried = deliveries.Try(
            at=at,
            duration_ms=round((time.monotonic() - began) * 1000),
            status=None if reply is None else reply.status,
            error=why,
            reply="" if reply is None else reply.body,
        )
        await self._settle(taken, tried, None if reply is None else reply.retry_after)

    async def _post(self, endpoint: specs.Endpoint, taken: deliveries.Taken, at: int) -> sending.Reply:
        """One try. Raises SendFailed, StoreUnavailable."""
        if taken.off:
            raise errors.SendFailed("its receiver answered 410 to an earlier one; redeliver to try it all the same")
        record = await self._store.fetch(endpoint.account, endpoint.model, taken.id)
        if record is None or record.cut:
            raise errors.SendFailed("the job's result is gone")
        try:
            webhooks.check_url(taken.url)
        except ValueError as error:
            raise errors.SendFailed(str(error)) from error
        headers, body = self._message(endpoint, taken.id, record, at)
        return await self._sender.post(taken.url, headers, body)

    async def _settle(self, taken: deliveries.Taken, tried: deliveries.Try, retry_after: float | None) -> None:
        step, now_ms, next_at = taken.step + 1, self._clock_ms(), None
        if tried.error is None:
            state = deliveries.State.DELIVERED
        elif taken.off or tried.status == 410:
            state = deliveries.State.DISABLED
        else:
            delay = schedule.after(step, retry_after=retry_after, chance=self._chance)
            state = deliveries.State.FAILED if delay is None else deliveries.State.PENDING
            next_at = None if delay is None else now_ms + int(delay * 1000)
        await self._outbox.settle(taken, state, now_ms=now_ms, step=step, next_at=next_at, tried=tried)
        if next_at is not None:
            self._again(taken, next_at)

    def _message(
        self, endpoint: specs.Endpoint, job_id: str, record: records.Record, at: int
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of a try: the body never changes, the signature is of this moment."""
        parsed = ids.parse(job_id)
        ours = parsed is not None and self._signer.verify(parsed, account_uid=endpoint.account_uid)
        job = views.job(job_id, endpoint.model, record, ours=ours)
        body = b'{"type":"job.%b","timestamp":"%b","data":%b}' % (
            record.status.encode(),
            views.iso(record.completed_at or 0).encode(),
            job,
        )
        message_id, timestamp = webhooks.message_id(endpoint.model_uid, job_id), at // 1000
        secrets = self._secrets.valid(endpoint.model_uid, endpoint.webhook_rotation, endpoint.webhook_rotated_at, at)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Panini-Webhooks",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": webhooks.signature(secrets, message_id, timestamp, body),
        }
        if record.details.traceparent:
            headers["traceparent"] = record.details.traceparent
        return headers, body

    def _again(self, taken: deliveries.Taken, at: int) -> None:
        name = (taken.account, taken.model)
        self._next[name] = min(self._next.get(name, at), at)
        self._woken.set()

    def _wake(self, message: str) -> None:
        account, _, model = message.partition(":")
        self._next[account, model] = 0
        self._woken.set()

    async def _pause(self, until: float) -> None:
        """Until something is due, somebody says so, or it is time to look everywhere."""
        wait = until - time.monotonic()
        if self._next:
            wait = min(wait, (min(self._next.values()) - self._clock_ms()) / 1000)
        self._woken.clear()
        if any(due <= self._clock_ms() for due in self._next.values()):
            return
        try:
            async with asyncio.timeout(max(wait, 0.0)):
                await self._woken.wait()
        except TimeoutError:
            return
