"""`Idempotency-Key`: the same key and body are the same job, however often they are sent.

The key reserves the job's id before anything is produced. A request that finds its key reserved, but not known to be in
Kafka (the first one is still under way, or ended in a 503), produces under the same id: a job runs once whatever number
of records carry it. Only requests with the header ask Redis, and while it is away they are refused.
"""

import hashlib
import logging
import re
from typing import Final

import msgspec

from results import errors as store_errors
from results import records, refusals, reservations, waiting
from wire import problems, specs

log = logging.getLogger(__name__)

NAME: Final = re.compile(r"[\x21-\x7e]{1,255}")


class Idempotency:
    """Keys and the jobs they stand for."""

    def __init__(self, reserved: reservations.Reservations, waiters: waiting.Waiters) -> None:
        self._reserved = reserved
        self._waiters = waiters

    async def hold(self, endpoint: specs.Endpoint, name: str, raw: bytes, job_id: str) -> reservations.Reserved:
        """The job that the key stands for: `job_id` where it is new. Raises Problem 422, 503."""
        if not NAME.fullmatch(name):
            raise problems.Problem(
                422, "Not an Idempotency-Key", "a key is 1 to 255 printable ASCII characters without spaces"
            )
        asked = digest(raw)
        try:
            held = await self._reserved.reserve(endpoint.account, endpoint.model, name, job_id=job_id, digest=asked)
        except store_errors.StoreUnavailable as error:
            raise _away() from error
        if held.digest != asked:
            raise problems.Problem(
                422,
                "Idempotency-Key used before",
                f"this key stands for job {held.job_id}, whose body was another; use a new key for a new job",
                job=f"/v1/jobs/{held.job_id}",
            )
        return held

    async def accepted(self, endpoint: specs.Endpoint, name: str, held: reservations.Reserved) -> None:
        """Kafka has the job. Where that cannot be written down, a repetition produces it again, and it runs once."""
        try:
            await self._reserved.accept(endpoint.account, endpoint.model, name, held)
        except store_errors.StoreUnavailable as error:
            log.warning("job %s is accepted, its key does not say so: %s", held.job_id, error)

    async def ended(
        self, endpoint: specs.Endpoint, held: reservations.Reserved, wait: float | None
    ) -> records.Record | None:
        """The record of a job accepted before, if it ended within `wait` seconds. Raises Problem 410, 503."""
        try:
            found = await self._waiters.wait(endpoint.account, endpoint.model, held.job_id, wait or 0.0)
        except store_errors.StoreUnavailable as error:
            raise _away() from error
        if found is None or not found.terminal:
            return None
        if found.cut:
            raise refusals.gone(held.job_id, found)
        return found


def digest(raw: bytes) -> str:
    """32 hex digits of a job's body, whatever the order of its members; the id that a 503 named is no part of it."""
    members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    members.pop("id", None)
    return hashlib.blake2s(
        b"\0".join(name.encode() + b"\0" + bytes(members[name]) for name in sorted(members)), digest_size=16
    ).hexdigest()


def _away() -> problems.Problem:
    return problems.Problem(
        503,
        "Idempotency-Keys cannot be kept now",
        "the store of results is away; send it again, or without the key, which needs no store",
        headers={"Retry-After": "2"},
    )
