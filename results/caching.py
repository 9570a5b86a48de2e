"""The cache of answers on Redis."""

from typing import Final

from results import keys, link, records

PLACE: Final = 2
"""Bytes of a digest that say where its answer is remembered."""


class Cache:
    """Implements cache.Cache with plain commands: whatever two of them leave undone is only not remembered."""

    def __init__(self, over: link.Link) -> None:
        self._link = over

    async def remember(self, account: str, model: str, answered: list[tuple[bytes, str]], *, seconds: float) -> None:
        """See cache.Cache."""
        key = keys.cache(account, model)
        pairs: list[bytes] = []
        for digest, job_id in answered:
            pairs += [digest[:PLACE], digest[PLACE:] + job_id.encode()]
        if pairs:
            await self._link.calls(("HSET", key, *pairs), ("PEXPIRE", key, max(int(seconds * 1000), 1)))

    async def recall(self, account: str, model: str, digests: list[bytes]) -> list[str | None]:
        """See cache.Cache."""
        if not digests:
            return []
        found = await self._link.call("HMGET", keys.cache(account, model), *[digest[:PLACE] for digest in digests])
        return [_id_of(entry, digest[PLACE:]) for entry, digest in zip(found, digests, strict=True)]

    async def answer(
        self, account: str, model: str, job_id: str, record: records.Record, *, now_ms: int, ttl_ms: int
    ) -> bool:
        """See cache.Cache."""
        life = max(ttl_ms, (record.expires_at or now_ms) - now_ms)
        written, _ = await self._link.calls(
            ("SET", keys.job(account, model, job_id), records.encode(record), "PX", life, "NX"),
            ("ZADD", keys.index(account, model), "NX", record.created_at, job_id),
        )
        return written is not None


def _id_of(entry: bytes | None, rest: bytes) -> str | None:
    """The job of an entry, if that is of the digest which ends with `rest`."""
    return entry[len(rest) :].decode() if entry is not None and entry.startswith(rest) else None
