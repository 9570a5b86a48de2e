"""Claiming jobs: a plain command for each that nobody knows, half of what claim.lua costs, which judges the others."""

from collections.abc import Iterator
from typing import Final

import msgspec

from results import keys, link, lua, outbox, protocol, records, schedule

_pack: Final = msgspec.msgpack.Encoder().encode

_Command = tuple[link.Argument, ...]


class Claiming:
    """The claims of a store."""

    def __init__(self, over: link.Link, scripts: lua.Scripts) -> None:
        self._link = over
        self._scripts = scripts
        self._met = False
        """Whether most of the last batch were known, as noted ones are: then the script is asked about all at once."""

    async def claim(
        self, account: str, model: str, requests: list[protocol.ClaimRequest], *, now_ms: int, keep_ms: int
    ) -> list[protocol.Claimed]:
        """See protocol.Store; of one batch."""
        commands = [*_listings(account, model, requests, keep_ms)]
        asked = self._met or any(_late(request, now_ms) for request in requests)
        if not asked:
            commands += _starts(account, model, requests)
        replies = await self._link.calls(*commands) if commands else []
        known = requests
        if not asked:
            started = replies[-len(requests) :]
            known = [request for request, ok in zip(requests, started, strict=True) if ok is None]
            self._met = 2 * len(known) > len(requests)
        claimed = [
            protocol.Claimed(id=r.id, verdict=protocol.Verdict.RUN, token=r.token, starts=1, version=r.version)
            for r in requests
        ]
        if known:
            count, judged = await self._judged(account, model, known, now_ms, keep_ms)
            if asked:
                self._met = 2 * count > len(requests)
            return [judged.get(one.id, one) for one in claimed]
        return claimed

    async def _judged(
        self, account: str, model: str, requests: list[protocol.ClaimRequest], now_ms: int, keep_ms: int
    ) -> tuple[int, dict[str, protocol.Claimed]]:
        """How many were known, and those that are not plain first starts, by id; who waits for one that is over is
        told."""
        prefix = keys.job_prefix(account, model)
        names = [keys.index(account, model), *[prefix + request.id for request in requests]]
        arguments: list[link.Argument] = [f"{now_ms:013d}", keep_ms, len(prefix), keys.ended(account, model)]
        arguments.append(len(requests))
        for request in requests:
            arguments += [_running(request), _life(request), int(_late(request, now_ms))]
        hooks = [(one.id, one.hook, number) for number, one in enumerate(requests, 1) if one.hook is not None]
        outbox.add(account, model, hooks, names, arguments)
        count, *odd = await self._scripts.run("claim", names, arguments)
        judged: dict[str, protocol.Claimed] = {}
        over: dict[str, list[str]] = {}
        for i in range(0, len(odd), 3):
            request, word, head = requests[odd[i] - 1], odd[i + 1], records.decode(odd[i + 2])
            judged[request.id] = protocol.Claimed(
                id=request.id,
                verdict=protocol.Verdict(word.decode()),
                token=request.token,
                starts=head.starts,
                version=head.version or request.version,
            )
            if head.terminal and request.notify and keys.is_notify(request.notify):
                over.setdefault(request.notify, []).append(prefix + request.id)
        for channel, ended in over.items():
            await self._link.call("PUBLISH", channel, _pack([(key, False) for key in ended]))
        return count, judged


def _starts(account: str, model: str, requests: list[protocol.ClaimRequest]) -> Iterator[_Command]:
    """First starts; the reply is none where the job is known. Before them the index: an id too many is soon swept from
    it, one too few would never be listed."""
    index: list[link.Argument] = ["ZADD", keys.index(account, model), "NX"]
    for request in requests:
        index += [records.moment(request.created_at), request.id]
    yield tuple(index)
    prefix = keys.job_prefix(account, model)
    for request in requests:
        yield "SET", prefix + request.id, _running(request), "PX", _life(request), "NX"


def _listings(account: str, model: str, requests: list[protocol.ClaimRequest], keep_ms: int) -> Iterator[_Command]:
    """The jobs of Kafka records listed. One that is tried again was listed before."""
    lists: dict[tuple[int, int], list[str]] = {}
    for request in requests:
        if request.record is not None and not request.details.retries:
            partition, offset, place = request.record
            lines = lists.setdefault((partition, offset // keys.LISTED), [])
            lines.append(f"{offset} {place} {request.id}\n")
    if lists:
        life = max(_life(request) for request in requests) + keep_ms
        for (partition, block), lines in lists.items():
            key = keys.listing(account, model, partition, block)
            yield "APPEND", key, "".join(lines)
            yield "PEXPIRE", key, life, "NX"
            yield "PEXPIRE", key, life, "GT"


def _running(request: protocol.ClaimRequest) -> bytes:
    """The value of a first start: records.head and body in one, as this is the hot path."""
    packed = records.pack(request.details)
    version, created_at = records.number(request.version), records.moment(request.created_at)
    return b"R10%b%08d%013d%026d%08d%b" % (request.token.encode(), version, created_at, 0, len(packed), packed)


def _life(request: protocol.ClaimRequest) -> int:
    """Milliseconds that its record lives at least."""
    return max(request.ttl_ms, protocol.RUN_MS if request.hook is None else schedule.SPAN_MS)


def _late(request: protocol.ClaimRequest, now_ms: int) -> bool:
    """Whether its deadline or its maximum age has passed."""
    return request.ttl_ms < 0 or (request.deadline is not None and request.deadline < now_ms)
