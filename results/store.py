"""The store of results on Redis or Valkey (7.0 or newer)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from results import claiming, keys, link, lua, outbox, protocol, reading, records, schedule
from wire import jobs

BATCH: Final = 1000
"""Jobs in one script call: more would hold up Redis, and Lua's stack ends at 8,000."""

SPREAD: Final = 3600 * 1000
"""Milliseconds that a record may live longer than it must: the records of a batch then share their time to live."""

_pack = msgspec.msgpack.Encoder().encode


class Store:
    """Implements protocol.Store: each method one atomic script, or one read shared with others of its tick."""

    def __init__(self, over: link.Link) -> None:
        self._link = over
        self._scripts = lua.Scripts(over)
        self._reading = reading.Reading(over)
        self._claiming = claiming.Claiming(over, self._scripts)

    async def claim(
        self,
        account: str,
        model: str,
        requests: list[protocol.ClaimRequest],
        *,
        now_ms: int,
        keep_ms: int = protocol.DAY_MS,
    ) -> list[protocol.Claimed]:
        """See protocol.Store."""
        if len(requests) > BATCH:
            first = await self.claim(account, model, requests[:BATCH], now_ms=now_ms, keep_ms=keep_ms)
            return first + await self.claim(account, model, requests[BATCH:], now_ms=now_ms, keep_ms=keep_ms)
        if not requests:
            return []
        return await self._claiming.claim(account, model, requests, now_ms=now_ms, keep_ms=keep_ms)

    async def finish(self, account: str, model: str, ends: list[protocol.End]) -> list[bool]:
        """See protocol.Store."""
        if len(ends) > BATCH:
            return await self.finish(account, model, ends[:BATCH]) + await self.finish(account, model, ends[BATCH:])
        if not ends:
            return []
        prefix = keys.job_prefix(account, model)
        lives = [max(end.keep_ms, end.ttl_ms, 0 if end.hook is None else schedule.SPAN_MS) for end in ends]
        longest = max(lives)
        arguments: list[link.Argument] = [len(prefix), keys.ended(account, model), len(ends)]
        arguments += [" ".join([end.id for end in ends]), longest, ""]
        hooks: list[tuple[str, protocol.Hook, int]] = []
        apart: list[str] = []
        for number, (end, life) in enumerate(zip(ends, lives, strict=True), 1):
            packed = records.pack(end.details)
            expires_at = end.completed_at + end.keep_ms
            arguments += [
                b"%b%b%013d%013d%08d%b%b" % (
                    records.CODES[end.status], end.token.encode(), end.completed_at, expires_at, len(packed), packed,
                    end.output or b"",
                ),
                end.notify if end.notify and keys.is_notify(end.notify) else "",
            ]  # fmt: skip
            if life < longest - SPREAD:
                apart.append(f"{number}:{life}")
            if end.hook is not None:
                hooks.append((end.id, end.hook, number))
        arguments[5] = " ".join(apart)
        names = [prefix + end.id for end in ends]
        outbox.add(account, model, hooks, names, arguments)
        return _unfenced(len(ends), await self._scripts.run("finish", names, arguments))

    async def release(self, account: str, model: str, claims: list[protocol.Release], *, now_ms: int) -> list[bool]:
        """See protocol.Store."""
        if not claims:
            return []
        prefix = keys.job_prefix(account, model)
        names = [keys.deadlines(account, model), keys.hooks(account, model), *[prefix + job.id for job in claims]]
        arguments: list[link.Argument] = [len(prefix)]
        for job in claims:
            arguments += [job.token, *_waiting_until(job.expires_at, now_ms), _hook(job.waits)]
        async with self._hinted(account, model, min(job.expires_at for job in claims)):
            fenced = await self._scripts.run("release", names, arguments)
        return _unfenced(len(claims), fenced)

    async def postpone(self, account: str, model: str, waiting: list[protocol.Postponed], *, now_ms: int) -> list[bool]:
        """See protocol.Store."""
        if not waiting:
            return []
        prefix = keys.job_prefix(account, model)
        names = [keys.deadlines(account, model), keys.hooks(account, model), *[prefix + job.id for job in waiting]]
        arguments: list[link.Argument] = [len(prefix)]
        for job in waiting:
            arguments += [job.token, int(job.charged), int(job.anew), records.body(job.details)]
            arguments += [*_waiting_until(job.expires_at, now_ms), _hook(job.waits)]
        async with self._hinted(account, model, min(job.expires_at for job in waiting)):
            fenced = await self._scripts.run("postpone", names, arguments)
        return _unfenced(len(waiting), fenced)

    async def note(
        self, account: str, model: str, notes: list[protocol.Note], *, now_ms: int, most: int = 100_000
    ) -> int:
        """See protocol.Store."""
        prefix, noted = keys.job_prefix(account, model), 0
        for start in range(0, len(notes), BATCH):
            some = notes[start : start + BATCH]
            names = [keys.index(account, model), *[prefix + note.id for note in some]]
            arguments: list[link.Argument] = [len(prefix), most, f"{now_ms:013d}", schedule.SPAN_MS]
            arguments += [keys.DUE, f"{account}:{model}"]
            soonest = protocol.FOREVER
            for note in some:
                deadline, ttl = note.waits.deadline, max(note.ttl_ms, 0)
                soonest = min(soonest, deadline or protocol.FOREVER, now_ms + ttl)
                value = records.head(
                    jobs.Status.QUEUED, starts=0, token="0" * 16, version=0, created_at=note.created_at
                ) + records.body(note.details)
                arguments += [value, ttl + protocol.LINGER_MS]
                arguments += ["" if deadline is None else deadline, _hook(note.waits)]
            async with self._hinted(account, model, soonest):
                noted += await self._scripts.run("note", names, arguments)
        return noted

    async def position(self, account: str, model: str, job_id: str) -> int | None:
        """See protocol.Store."""
        rank = await self._link.call("ZRANK", keys.queue(account, model), job_id)
        return None if rank is None else rank + 1

    async def expire(
        self,
        account: str,
        model: str,
        *,
        now_ms: int,
        max_age_ms: int,
        keep_ms: int = protocol.DAY_MS,
        limit: int = 500,
    ) -> protocol.Expired:
        """See protocol.Store."""
        arguments: list[link.Argument] = [f"{now_ms:013d}", now_ms - max_age_ms, f"{now_ms + keep_ms:013d}"]
        arguments += [keep_ms, max(keep_ms, schedule.SPAN_MS), limit, keys.ended(account, model)]
        arguments += [keys.DUE, f"{account}:{model}"]
        seen, ended, deadline, oldest = await self._scripts.run("expire", [keys.index(account, model)], arguments)
        ahead = [int(float(deadline))] if deadline else []
        ahead += [int(float(oldest)) + max_age_ms] if oldest else []
        return protocol.Expired(seen=seen, ended=ended, next_at=min(ahead, default=None))

    async def cancel(
        self, account: str, model: str, job_id: str, *, created_at: int, now_ms: int, keep_ms: int = protocol.DAY_MS,
        ttl_ms: int,
    ) -> records.Record:  # fmt: skip
        """See protocol.Store."""
        value = records.head(
            jobs.Status.CANCELED, starts=0, token="0" * 16, version=0, created_at=created_at, completed_at=now_ms,
            expires_at=now_ms + keep_ms,
        ) + records.body(records.Details())  # fmt: skip
        names = [keys.index(account, model), keys.job(account, model, job_id)]
        channels = [keys.ended(account, model), keys.control(account, model)]
        arguments: list[link.Argument] = [value, max(ttl_ms, keep_ms), job_id, *channels]
        arguments += [max(keep_ms, schedule.SPAN_MS), keys.DUE, f"{account}:{model}"]
        return records.decode(await self._scripts.run("cancel", names, arguments))

    async def delete(self, account: str, model: str, job_id: str, *, now_ms: int) -> records.Record | None:
        """See protocol.Store."""
        names = [
            keys.job(account, model, job_id),
            keys.index(account, model),
            keys.events(account, model, job_id),
            keys.delivery(account, model, job_id),
            keys.due(account, model),
        ]
        head = await self._scripts.run("delete", names, [now_ms, job_id])
        return records.decode(head) if head else None

    async def fetch(self, account: str, model: str, job_id: str) -> records.Record | None:
        """See protocol.Store."""
        value = await self.peek(account, model, job_id)
        return None if value is None else records.decode(value)

    def peek(self, account: str, model: str, job_id: str) -> "asyncio.Future[bytes | None]":
        """See protocol.Store."""
        tag = keys.tag(account, model)
        return self._reading.read(tag, f"{tag}:j:{job_id}")

    async def fetch_many(self, account: str, model: str, job_ids: list[str]) -> list[records.Record | None]:
        """See protocol.Store."""
        return [
            None if value is None else records.decode(value) for value in await self.values(account, model, job_ids)
        ]

    async def unfinished(self, account: str, model: str, job_ids: list[str]) -> list[str]:
        """See protocol.Store."""
        prefix, found = keys.job_prefix(account, model), []
        for start in range(0, len(job_ids), BATCH):
            some = job_ids[start : start + BATCH]
            numbers = await self._scripts.run("unfinished", [prefix + job_id for job_id in some], [])
            found += [some[number - 1] for number in numbers]
        return found

    async def values(self, account: str, model: str, job_ids: list[str]) -> list[bytes | None]:
        """The records' values, undecoded. Raises as fetch."""
        prefix = keys.job_prefix(account, model)
        return await self._link.call("MGET", *[prefix + job_id for job_id in job_ids]) if job_ids else []

    async def ids_of_record(self, account: str, model: str, partition: int, offset: int) -> list[str]:
        """See protocol.Store."""
        block = offset // keys.LISTED
        listing = await self._link.call("GET", keys.listing(account, model, partition, block)) or b""
        lines = [line.split() for line in listing.decode().splitlines()]
        # a job that was claimed again is listed again
        by_place = {int(place): job_id for of, place, job_id in lines if int(of) == offset}
        return [by_place[place] for place in sorted(by_place)]

    async def page(
        self, account: str, model: str, *, status: jobs.Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> protocol.Page:
        """See protocol.Store."""
        score, job_id = protocol.parse_cursor(cursor)
        code = records.CODES[status] if status else b""
        arguments: list[link.Argument] = [keys.job_prefix(account, model), code, limit, score, job_id]
        flat = await self._scripts.run("page", [keys.index(account, model)], arguments)
        found = [(flat[i].decode(), records.decode(flat[i + 1])) for i in range(2, len(flat), 2)]
        return protocol.Page(found, protocol.cursor(float(flat[0]), flat[1].decode()) if flat[1] else None)

    async def shrink(
        self, account: str, model: str, *, now_ms: int, keep_ms: int = protocol.DAY_MS, skip: int = 0, limit: int = 500
    ) -> protocol.Shrunk:
        """See protocol.Store."""
        arguments: list[link.Argument] = [
            keys.job_prefix(account, model),
            f"{now_ms:013d}",
            now_ms - keep_ms,
            skip,
            limit,
        ]
        names = [keys.index(account, model), keys.due(account, model)]
        seen, removed = await self._scripts.run("shrink", names, arguments)
        return protocol.Shrunk(seen, removed)

    async def purge(self, account: str, model: str) -> int:
        """See protocol.Store. The whole of Redis is looked through, in steps of a millisecond."""
        removed, cursor = 0, 0
        while True:
            place, found = await self._link.call(
                "SCAN", cursor, "MATCH", f"{keys.tag(account, model)}:*", "COUNT", BATCH
            )
            if found:
                removed += await self._link.call("UNLINK", *found)
            cursor = int(place)
            if not cursor:
                break
        await self._link.call("ZREM", keys.SWEEP_DUE, f"{account}:{model}")
        return removed

    @contextlib.asynccontextmanager
    async def _hinted(self, account: str, model: str, at: int) -> AsyncIterator[None]:
        """Tell the sweeper that a job of the model, which is written inside, expires then.

        Before it is written, as this process may end in between; and after that, as the sweeper looks once it is told,
        and may have found nothing yet.
        """
        await self._hint(account, model, at)
        yield
        await self._hint(account, model, at)

    async def _hint(self, account: str, model: str, at: int) -> None:
        if at < protocol.FOREVER:
            await self._link.call("ZADD", keys.SWEEP_DUE, "LT", at, f"{account}:{model}")


def _hook(waits: protocol.Waits) -> bytes:
    """What ending.lua tells the end of a queued job to; nothing where nobody is told."""
    notify = waits.notify if waits.notify and keys.is_notify(waits.notify) else ""
    if waits.hook is None:
        return _pack((notify, "", "")) if notify else b""
    return _pack((notify, outbox.codes(waits.hook).decode(), outbox.url(waits.hook)))


def _waiting_until(expires_at: int, now_ms: int) -> tuple[int, int]:
    """When a job that is given back expires, and how long its record lives at least."""
    return expires_at, min(max(expires_at - now_ms, 0), 30 * protocol.DAY_MS) + protocol.LINGER_MS


def _unfenced(count: int, fenced: list[int]) -> list[bool]:
    kept = [True] * count
    for number in fenced:
        kept[number - 1] = False
    return kept
