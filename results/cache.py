"""The cache of answers: which jobs are identical, and when the answer of one is another's too.

An answer is never stored a second time for the cache: what is remembered is that a digest was answered by a job, and
the answer is that job's own record, read anew at every hit. So a result that was deleted, has passed its time or is of
another version is no answer, whatever anybody remembers.
"""

import hashlib
from typing import Final, Protocol

from results import records
from wire import jobs

GENERATION: Final = 8192
"""Digests that are remembered before the older half is forgotten: with their jobs' ids about 4 MB in all."""


def digest(model_uid: int, version: int, kind: jobs.InputType, content: bytes) -> bytes:
    """What identical jobs have in common: 16 bytes. `content` is the input as its envelope holds it, undecoded.

    The options of a run (timeout, retries, batches) are the version's own. What one job brings beside its input
    (metadata, deadline, webhook) changes no answer.
    """
    said = b"model %d version %d %b %b" % (model_uid, version, kind.encode(), content)
    return hashlib.blake2b(said, digest_size=16).digest()


def answers(record: records.Record | None, *, version: int, now_ms: int, seconds: float) -> bool:
    """Whether an identical job may be answered with this one's output: it is of that version, succeeded, is still
    readable, and was answered by a run at most `seconds` ago: being given again does not prolong that."""
    return (
        record is not None
        and record.status is jobs.Status.SUCCEEDED
        and record.version == version
        and answered_at(record) >= now_ms - seconds * 1000
        and not record.gone(now_ms)
        and not record.details.streamed
    )


def answered_at(record: records.Record) -> int:
    """Unix milliseconds at which a run gave this output."""
    return record.details.answered_at or record.completed_at or 0


class Cache(Protocol):
    """What all processes of a model remember. `caching` does it on Redis, `memory` in tests.

    Every method raises errors.StoreUnavailable when the store is away.
    """

    async def remember(self, account: str, model: str, answered: list[tuple[bytes, str]], *, seconds: float) -> None:
        """Tell all workers of a model which jobs answered these digests; `seconds`: how long that counts.

        A place for each of 65,536 beginnings of a digest: a later answer takes the place of an earlier one.
        """
        ...

    async def recall(self, account: str, model: str, digests: list[bytes]) -> list[str | None]:
        """The ids of the jobs that answered these digests, as far as they are remembered."""
        ...

    async def answer(
        self, account: str, model: str, job_id: str, record: records.Record, *, now_ms: int, ttl_ms: int
    ) -> bool:
        """Write a job that nobody has heard of as ended. False: it was known already, nothing was written."""
        ...


class Lately:
    """Which job had a digest, of the latest 8,192 to 16,384 digests. Costs two looks into a dict."""

    def __init__(self, most: int = GENERATION) -> None:
        self._most = most
        self._young: dict[bytes, str] = {}
        self._old: dict[bytes, str] = {}

    def get(self, of: bytes) -> str | None:
        """The id of the job."""
        return self._young.get(of) or self._old.get(of)

    def drop(self, of: bytes) -> None:
        """Forget the job."""
        self._young.pop(of, None)
        self._old.pop(of, None)

    def put(self, of: bytes, job_id: str) -> None:
        """Remember a job."""
        self._young[of] = job_id
        if len(self._young) >= self._most:
            self._young, self._old = {}, self._young
