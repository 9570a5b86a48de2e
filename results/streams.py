"""A job's events as Server-Sent Events: one numbered log, out of its record and of what it said while it ran.

    1 queued · 2 started · 3 … progress and output · last: ended

Numbers never change, so that a client goes on after the last one it has; the place in the queue, which passes, has the
number of `queued`. Being queued, started and ended is read from
the record and costs nothing to write; only a change from queued to running is nobody's word, and is looked for.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from results import answers, errors, pace, records, refusals, views, words
from wire import directory, ids, jobs, specs

HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment is sent, so that proxies keep the connection."""

LOOK: Final = 0.5
"""Seconds between looks at a job that has not started."""

QUEUED: Final = 1
STARTED: Final = 2

_encode = msgspec.json.Encoder().encode
_State = tuple[records.Record | None, list[words.Heard]]


class Streams:
    """For the routes; made by the entry point."""

    def __init__(self, results: answers.Results, said: words.Words) -> None:
        self._results = results
        self._words = said
        self._released: asyncio.Event = asyncio.Event()

    def release(self) -> None:
        """End every stream: the process is about to stop. Clients go on with another."""
        self._released.set()

    async def open(
        self, known: directory.Directory, key: specs.Key, model: str | None, job_id: str, after: int
    ) -> answers.Answer | AsyncIterator[bytes]:
        """The stream after event number `after`, or the refusal. `model` none: of a job that Panini named."""
        stream: list[AsyncIterator[bytes]] = []

        async def work() -> answers.Answer:
            parsed, endpoint = await self._results.found(known, key, model, job_id)
            found = await self._results.store.fetch(endpoint.account, endpoint.model, job_id)
            now_ms = answers.clock()
            if found is None and parsed is None:
                raise refusals.unread(job_id)
            if found is None and parsed is not None and now_ms - parsed.issued_ms >= endpoint.max_age * 1000:
                raise refusals.too_old(job_id, parsed.issued_ms)
            if found is not None and found.gone(now_ms):
                raise refusals.gone(job_id, found)
            stream.append(self._follow(endpoint, job_id, parsed, after))
            return answers.Answer(200, {}, b"")

        answer = await answers.answered(work)
        return stream[0] if stream else answer

    async def _follow(
        self, endpoint: specs.Endpoint, job_id: str, parsed: ids.JobId | None, after: int
    ) -> AsyncIterator[bytes]:
        sent, silent, place = after, time.monotonic(), None
        if sent < QUEUED:
            created = parsed.issued_ms if parsed is not None else None
            yield _event(QUEUED, "queued", _queued(job_id, endpoint.model, created))
            sent = QUEUED
        while True:
            state = await self._next(endpoint, job_id, sent)
            if state is None:
                return
            for number, name, data in self._told(job_id, state, sent):
                yield _event(number, name, data)
                sent, silent = number, time.monotonic()
            record, _ = state
            found = await self._place(endpoint, job_id, record)
            if found is not None and found.position != place:
                place = found.position
                # numbered as `queued`: a client that comes again is told its place anew
                yield _event(QUEUED, "position", _placed(found))
                silent = time.monotonic()
            if record is not None and record.terminal:
                async for event in self._rest(endpoint, job_id, parsed, record, sent):
                    yield event
                return
            if time.monotonic() - silent >= HEARTBEAT:
                yield b": still here\n\n"
                silent = time.monotonic()

    async def _next(self, endpoint: specs.Endpoint, job_id: str, sent: int) -> _State | None:
        """What there is to tell, as soon as there is something; none: the stream must end."""

        async def read() -> tuple[bool, _State]:
            record = await self._results.store.fetch(endpoint.account, endpoint.model, job_id)
            heard: list[words.Heard] = []
            if record is not None and record.status is not jobs.Status.QUEUED:
                heard = await self._words.read(endpoint.account, endpoint.model, job_id, after=sent)
            news = bool(heard) or (record is not None and (record.terminal or _started(record, sent)))
            return news, (record, heard)

        seconds = HEARTBEAT if sent >= STARTED else LOOK
        waiters = self._results.waiters
        looking = asyncio.ensure_future(waiters.until(endpoint.account, endpoint.model, job_id, seconds, read))
        released = asyncio.ensure_future(self._released.wait())
        try:
            await asyncio.wait({looking, released}, return_when=asyncio.FIRST_COMPLETED)
            return await looking if looking.done() else None
        except errors.StoreUnavailable:
            return None  # the client comes again, with the number of its last event
        finally:
            looking.cancel()
            released.cancel()

    async def _place(self, endpoint: specs.Endpoint, job_id: str, record: records.Record | None) -> pace.Place | None:
        if record is None:
            return None
        try:
            return await self._results.place(endpoint, job_id, record)
        except errors.StoreUnavailable:
            return None

    def _told(self, job_id: str, state: _State, sent: int) -> list[tuple[int, str, bytes]]:
        record, heard = state
        told = []
        if record is not None and _started(record, sent):
            told.append((STARTED, "started", _running(job_id, record)))
        return told + [(one.number, one.name, one.data) for one in heard]

    async def _rest(
        self, endpoint: specs.Endpoint, job_id: str, parsed: ids.JobId | None, record: records.Record, sent: int
    ) -> AsyncIterator[bytes]:
        """The words that came since, and the end; the end is told even to those who had a higher number by mistake."""
        account, model = endpoint.account, endpoint.model
        try:
            while heard := await self._words.read(account, model, job_id, after=sent):
                for one in heard:
                    yield _event(one.number, one.name, one.data)
                    sent = one.number
            number = await self._words.last(account, model, job_id) + 1
        except errors.StoreUnavailable:
            return
        if sent != number:
            yield _event(number, "ended", views.job(job_id, model, record, ours=parsed is not None))


def place(last_event_id: str | None) -> int:
    """The number that a client has; 0 where it has none, or no number of ours."""
    return int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 10 else 0


def _started(record: records.Record, sent: int) -> bool:
    return sent < STARTED and record.details.started_at is not None and record.status is not jobs.Status.QUEUED


def _queued(job_id: str, model: str, created: int | None) -> bytes:
    told = {"id": job_id, "model": model, "status": "queued"}
    return _encode(told if created is None else told | {"created_at": views.iso(created)})


def _placed(found: pace.Place) -> bytes:
    told = {"queue_position": found.position}
    return _encode(told if found.eta is None else told | {"eta_seconds": found.eta})


def _running(job_id: str, record: records.Record) -> bytes:
    started = record.details.started_at
    return _encode(
        {
            "id": job_id,
            "status": "running",
            "version": record.version,
            "attempt": record.starts + record.details.retries,
            "started_at": None if started is None else views.iso(started),
        }
    )


def _event(number: int, name: str, data: bytes) -> bytes:
    """One event; JSON text of a model may hold line ends between its values."""
    lines = b"".join(b"data: %b\n" % line for line in data.splitlines())
    return b"id: %d\nevent: %b\n%b\n" % (number, name.encode(), lines)
