"""The store of results on Redis or Valkey (7.0 or newer)."""

from typing import Any, Final

import msgspec

from results import keys, link, lua, protocol, reading, records, schedule
from wire import jobs, webhooks

BATCH: Final = 1000
"""Jobs in one script call: more would hold up Redis, and Lua's stack ends at 8,000."""

_NEVER: Final = 9_999_999_999_999

_pack = msgspec.msgpack.Encoder().encode


class Store:
    """Implements protocol.Store: each method one atomic script, or one read shared with others of its tick."""

    def __init__(self, over: link.Link) -> None:
        self._link = over
        self._scripts = lua.Scripts(over)
        self._reading = reading.Reading(over)

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
        prefix = keys.job_prefix(account, model)
        names = [keys.index(account, model)]
        arguments: list[link.Argument] = [f"{now_ms:013d}", keep_ms, len(prefix), keys.ended(account, model)]
        arguments += [len(requests), 0]
        hooks: list[tuple[str, protocol.Hook, int]] = []
        foreign: dict[tuple[int, int], list[int | str]] = {}
        longest = protocol.RUN_MS
        for number, request in enumerate(requests, 1):
            names.append(prefix + request.id)
            arguments += [_running(request), _deadline(request, now_ms), max(request.ttl_ms, protocol.RUN_MS)]
            if request.hook is not None:
                arguments[-1] = max(request.ttl_ms, schedule.SPAN_MS)
                hooks.append((request.id, request.hook, number))
            if request.record is not None:
                partition, offset, place = request.record
                foreign.setdefault((partition, offset), []).extend((place, request.id))
                longest = max(longest, request.ttl_ms)
        for (partition, offset), flat in foreign.items():
            names.append(keys.record(account, model, partition, offset))
            arguments += [longest + keep_ms, _pack(flat)]
        arguments[5] = len(foreign)
        _add_hooks(account, model, hooks, names, arguments)
        odd = await self._scripts.run("claim", names, arguments)
        claimed = [
            protocol.Claimed(id=r.id, verdict=protocol.Verdict.RUN, token=r.token, starts=1, version=r.version)
            for r in requests
        ]
        if odd:
            await self._take_in(account, model, requests, claimed, odd)
        return claimed

    async def finish(self, account: str, model: str, ends: list[protocol.End]) -> list[bool]:
        """See protocol.Store."""
        if len(ends) > BATCH:
            return await self.finish(account, model, ends[:BATCH]) + await self.finish(account, model, ends[BATCH:])
        if not ends:
            return []
        prefix = keys.job_prefix(account, model)
        arguments: list[link.Argument] = [len(prefix), keys.ended(account, model), len(ends)]
        hooks: list[tuple[str, protocol.Hook, int]] = []
        for number, end in enumerate(ends, 1):
            expires_at = end.completed_at + end.keep_ms
            arguments += [
                records.CODES[end.status] + b"%b%013d%013d" % (end.token.encode(), end.completed_at, expires_at),
                records.body(end.details, end.output),
                max(end.keep_ms, end.ttl_ms),
                end.notify if end.notify and keys.is_notify(end.notify) else "",
            ]
            if end.hook is not None:
                arguments[-2] = max(end.keep_ms, end.ttl_ms, schedule.SPAN_MS)
                hooks.append((end.id, end.hook, number))
        names = [prefix + end.id for end in ends]
        _add_hooks(account, model, hooks, names, arguments)
        return _unfenced(len(ends), await self._scripts.run("finish", names, arguments))

    async def release(self, account: str, model: str, claims: list[tuple[str, str]]) -> list[bool]:
        """See protocol.Store."""
        prefix = keys.job_prefix(account, model)
        names = [prefix + job_id for job_id, _ in claims]
        if not names:
            return []
        return _unfenced(len(claims), await self._scripts.run("release", names, [token for _, token in claims]))

    async def postpone(self, account: str, model: str, waiting: list[protocol.Postponed]) -> list[bool]:
        """See protocol.Store."""
        prefix = keys.job_prefix(account, model)
        if not waiting:
            return []
        arguments: list[link.Argument] = []
        for job in waiting:
            arguments += [job.token, int(job.charged), int(job.anew), records.body(job.details)]
        names = [prefix + job.id for job in waiting]
        return _unfenced(len(waiting), await self._scripts.run("postpone", names, arguments))

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
        stands = await self._scripts.run("cancel", names, [value, max(ttl_ms, keep_ms), job_id, *channels])
        return records.decode(stands)

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
        tag = keys.tag(account, model)
        value = await self._reading.read(tag, f"{tag}:j:{job_id}")
        return None if value is None else records.decode(value)

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
        flat = await self._link.call("HGETALL", keys.record(account, model, partition, offset))
        by_place = sorted(zip(map(int, flat[::2]), flat[1::2], strict=True))
        return [job_id.decode() for _, job_id in by_place]

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

    async def _take_in(
        self,
        account: str,
        model: str,
        requests: list[protocol.ClaimRequest],
        claimed: list[protocol.Claimed],
        odd: list[Any],
    ) -> None:
        """Put in the claims that are not plain first starts, and tell those who wait for a job that is over."""
        over: dict[str, list[str]] = {}
        for i in range(0, len(odd), 3):
            place, word, head = odd[i] - 1, odd[i + 1], records.decode(odd[i + 2])
            request = requests[place]
            claimed[place] = protocol.Claimed(
                id=request.id,
                verdict=protocol.Verdict(word.decode()),
                token=request.token,
                starts=head.starts,
                version=head.version or request.version,
            )
            if head.terminal and request.notify and keys.is_notify(request.notify):
                over.setdefault(request.notify, []).append(request.id)
        prefix = keys.job_prefix(account, model)
        for channel, job_ids in over.items():
            message = _pack([(prefix + job_id, False) for job_id in job_ids])
            await self._link.call("PUBLISH", channel, message)


def _add_hooks(
    account: str,
    model: str,
    hooks: list[tuple[str, protocol.Hook, int]],
    names: list[str],
    arguments: list[link.Argument],
) -> None:
    """What outbox.lua needs, where there is anything to push."""
    if not hooks:
        return
    names.append(keys.due(account, model))
    arguments += [keys.DUE, f"{account}:{model}"]
    for job_id, hook, number in hooks:
        names.append(keys.delivery(account, model, job_id))
        codes = b"" if hook.statuses is None else b"".join(records.CODES[one] for one in hook.statuses)
        arguments += [number, codes, hook.url[: webhooks.MAX_URL]]


def _running(request: protocol.ClaimRequest) -> bytes:
    """The value of a first start: records.head and body in one, as this is the hot path."""
    packed = records.pack(request.details)
    version, created_at = records.number(request.version), records.moment(request.created_at)
    return b"R10%b%08d%013d%026d%08d%b" % (request.token.encode(), version, created_at, 0, len(packed), packed)


def _deadline(request: protocol.ClaimRequest, now_ms: int) -> int:
    """Unix ms after which the job does not start: its own deadline or its maximum age."""
    oldest = now_ms + request.ttl_ms
    return oldest if request.deadline is None or request.deadline > oldest else request.deadline


def _unfenced(count: int, fenced: list[int]) -> list[bool]:
    kept = [True] * count
    for number in fenced:
        kept[number - 1] = False
    return kept
