"""Ids that an `Idempotency-Key` reserved, so that the same key means the same job.

One string a key: `P` (reserved, perhaps never produced) or `A` (Kafka acknowledged the job), the digest of the request,
the job's id.
"""

from typing import Final

import msgspec

from results import keys, link

TTL_MS: Final = 24 * 3600 * 1000
"""Milliseconds that a key is remembered after its first use."""

_DIGEST: Final = 32


class Reserved(msgspec.Struct, frozen=True, kw_only=True):
    """What a key stands for."""

    job_id: str
    digest: str
    """Of the request that used it first."""
    accepted: bool
    """Kafka acknowledged that job; else its first request is still under way, or failed."""


class Reservations:
    """The reserved ids. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, over: link.Link) -> None:
        self._link = over

    async def reserve(self, account: str, model: str, name: str, *, job_id: str, digest: str) -> Reserved:
        """What the key `name` stands for: this job and digest (32 hex digits), where it was free."""
        key = keys.reservation(account, model, name)
        was = await self._link.call("SET", key, f"P{digest}{job_id}", "PX", TTL_MS, "NX", "GET")
        if was is None:
            return Reserved(job_id=job_id, digest=digest, accepted=False)
        text: str = was.decode()
        return Reserved(job_id=text[1 + _DIGEST :], digest=text[1 : 1 + _DIGEST], accepted=text[0] == "A")

    async def accept(self, account: str, model: str, name: str, reserved: Reserved) -> None:
        """Write down that Kafka has the job."""
        key = keys.reservation(account, model, name)
        await self._link.call("SET", key, f"A{reserved.digest}{reserved.job_id}", "XX", "KEEPTTL")
