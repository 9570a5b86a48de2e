"""What a store of results does, and the values that go in and out. `store` does it on Redis, `memory` in tests."""

import asyncio
from enum import Enum
from typing import Final, Protocol

import msgspec

from results import records
from wire import envelope, jobs, names

DAY_MS: Final = 24 * 3600 * 1000

RUN_MS: Final = DAY_MS
"""A claimed job's record lives at least this long, whatever its age: it must be there when the run ends."""


FOREVER: Final = 9_999_999_999_999
"""Unix milliseconds that never come: the most that a record has digits for."""

LINGER_MS: Final = 3600 * 1000
"""A queued job's record outlives its maximum age by so much, so that it can be expired rather than forgotten."""


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job's end is pushed to."""

    url: str
    statuses: frozenset[jobs.Status] | None = None
    """The ends that are delivered; none: all."""


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """What a queued job leaves with the store, so that it can end while no worker holds it."""

    deadline: int | None = None
    """Unix milliseconds after which it is expired."""
    notify: str | None = None
    """The envelope's `notify`."""
    hook: Hook | None = None
    """Its webhook."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A job that Kafka has and that no worker may have read yet."""

    id: str
    created_at: int
    """Unix milliseconds at which it was accepted."""
    ttl_ms: int
    """Milliseconds until its maximum age is over."""
    details: records.Details
    waits: Waits = Waits()


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of expiring did."""

    seen: int
    """Jobs looked at; as many as the limit: there may be more."""
    ended: int
    next_at: int | None
    """Unix milliseconds at which the next one expires, of those that are left."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed job that is given back."""

    id: str
    token: str
    """Of the claim."""
    expires_at: int = FOREVER
    """Unix milliseconds at which it expires: its deadline or maximum age."""
    waits: Waits = Waits()


class ClaimRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker is about to start."""

    id: str
    token: str
    """16 hex digits, fresh for every claim: whoever holds the newest one may end the job."""
    version: int
    """The job's pin, else the version that is live now. A job claimed before keeps the version of then."""
    created_at: int
    """Unix milliseconds at which it was accepted."""
    ttl_ms: int = 3 * DAY_MS
    """Milliseconds until its maximum age is over (created_at + max_age - now). Past it the job expires."""
    deadline: int | None = None
    """Unix milliseconds after which it is not started."""
    details: records.Details = records.Details()
    """Stored while it runs."""
    record: tuple[int, int, int] | None = None
    """Partition, offset, place, for ids that Panini did not make: so the jobs of a Kafka record can be listed."""
    notify: str | None = None
    """The envelope's `notify`: told if the claim finds or makes the job ended."""
    hook: Hook | None = None
    """Its webhook: called, once, if the claim finds or makes the job ended."""


class Verdict(Enum):
    """What a worker does with a job it claimed."""

    RUN = "run"
    DONE = "done"
    """It had ended before, however that was."""
    CANCELED = "canceled"
    """Cancel was asked while its worker was lost: ended now."""
    EXPIRED = "expired"
    """Its deadline or maximum age has passed: ended now."""
    EXHAUSTED = "exhausted"
    """All its starts are used: ended now as failed, attempts_exhausted."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one ClaimRequest."""

    id: str
    verdict: Verdict
    token: str
    """To be given with the end."""
    starts: int
    """Charged starts, this one included."""
    version: int
    """The version to run: the one recorded at the first claim."""

    @property
    def alone(self) -> bool:
        """Whether it must run in a batch of its own: an earlier start was lost with its worker."""
        return self.starts > 1


class Postponed(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed job that is to be tried again later."""

    id: str
    token: str
    """Of the claim."""
    details: records.Details
    """Kept while it waits."""
    charged: bool = False
    """Whether its start stays charged: it ran alone and its runner ended."""
    anew: bool = False
    """Whether its version is chosen anew, as it never ran on the one of its claim."""
    expires_at: int = FOREVER
    """Unix milliseconds at which it expires: its deadline or maximum age."""
    waits: Waits = Waits()


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a claimed job ended."""

    id: str
    token: str
    """Of the claim."""
    status: jobs.Status
    """A terminal one."""
    completed_at: int
    """Unix milliseconds."""
    details: records.Details
    output: bytes | None = None
    """JSON text as it will be spliced into the job; raw bytes where details.media names their type."""
    keep_ms: int = DAY_MS
    """Milliseconds the result can be read."""
    ttl_ms: int = 3 * DAY_MS
    """As in ClaimRequest: the record stays at least so long, so that an ended job is never taken for a new one."""
    notify: str | None = None
    """The envelope's `notify`: the channel of the process whose client waits."""
    hook: Hook | None = None
    """Its webhook: put into the outbox together with the end."""


class Page(msgspec.Struct, frozen=True):
    """Some jobs, newest first."""

    jobs: list[tuple[str, records.Record]]
    """Ids and records; the records lack their outputs."""
    cursor: str | None
    """For the next page; none: this was the last."""


class Shrunk(msgspec.Struct, frozen=True):
    """What one step of the sweep did."""

    seen: int
    removed: int
    """Records cut to their heads or found gone, and taken out of the index."""


def hook(webhook: envelope.Webhook | None, *, default: str | None) -> Hook | None:
    """A job's webhook: the envelope's own, else its model's default."""
    if webhook is None:
        return None if default is None else Hook(url=default)
    if webhook.events is None:
        return Hook(url=webhook.url)
    return Hook(url=webhook.url, statuses=frozenset(end for end in jobs.TERMINAL if end in webhook.events))


def cursor(score: float, job_id: str) -> str:
    """The place in the list behind a job."""
    return f"{int(score)}~{job_id}"


def parse_cursor(text: str | None) -> tuple[str, str]:
    """Score and id behind which a page begins; two empty strings for the first. ValueError: it is none of ours."""
    if not text:
        return "", ""
    score, _, job_id = text.partition("~")
    if not score.isdigit() or not names.is_job_id(job_id):
        raise ValueError("a cursor is taken from the answer before, unchanged")
    return score, job_id


class Store(Protocol):
    """What became of jobs. Every method raises errors.StoreUnavailable when the store is away."""

    async def claim(
        self, account: str, model: str, requests: list[ClaimRequest], *, now_ms: int, keep_ms: int = DAY_MS
    ) -> list[Claimed]:
        """Start jobs, in one atomic step; ids must differ. Repeating a call whose answer was lost changes nothing.

        A job that runs elsewhere is taken over: only claim what Kafka gave to this worker and it does not hold already.
        """
        ...

    async def finish(self, account: str, model: str, ends: list[End]) -> list[bool]:
        """End jobs, in one atomic step. False: fenced, someone else claimed or ended it; its result was not stored."""
        ...

    async def release(self, account: str, model: str, claims: list[Release], *, now_ms: int) -> list[bool]:
        """Give claimed jobs back as queued, uncharged. False: fenced."""
        ...

    async def postpone(self, account: str, model: str, waiting: list[Postponed], *, now_ms: int) -> list[bool]:
        """Give claimed jobs back as queued, to be tried again later. False: fenced."""
        ...

    async def note(self, account: str, model: str, notes: list[Note], *, now_ms: int, most: int = 100_000) -> int:
        """Write down accepted jobs as queued, where nothing is known of them yet; how many were.

        Where `most` of the model's are noted already, only those that wait for something are.
        """
        ...

    async def position(self, account: str, model: str, job_id: str) -> int | None:
        """How many noted jobs of the model are queued up to this one, by the time of their acceptance; none: it is not
        noted, or no longer queued."""
        ...

    async def expire(
        self, account: str, model: str, *, now_ms: int, max_age_ms: int, keep_ms: int = DAY_MS, limit: int = 500
    ) -> Expired:
        """End up to `limit` queued jobs whose deadline, and as many whose maximum age has passed, as expired."""
        ...

    async def cancel(
        self, account: str, model: str, job_id: str, *, created_at: int, now_ms: int, keep_ms: int = DAY_MS, ttl_ms: int
    ) -> records.Record:
        """Cancel a job: at once where it does not run, else its worker is asked. The record as it stands then."""
        ...

    async def delete(self, account: str, model: str, job_id: str, *, now_ms: int) -> records.Record | None:
        """Drop the result of a job that ended; the record as it was, none where there is none. Of one that has not
        ended nothing is dropped."""
        ...

    async def fetch(self, account: str, model: str, job_id: str) -> records.Record | None:
        """A job's record; none: no worker has read it yet."""
        ...

    def peek(self, account: str, model: str, job_id: str) -> "asyncio.Future[bytes | None]":
        """As fetch, undecoded, for who has callbacks and no task. Cancel it freely."""
        ...

    async def fetch_many(self, account: str, model: str, job_ids: list[str]) -> list[records.Record | None]:
        """The records of several jobs, in order."""
        ...

    async def unfinished(self, account: str, model: str, job_ids: list[str]) -> list[str]:
        """Those of the jobs that have not ended, in their order; one that no worker has read yet has not."""
        ...

    async def values(self, account: str, model: str, job_ids: list[str]) -> list[bytes | None]:
        """As fetch_many, undecoded."""
        ...

    async def ids_of_record(self, account: str, model: str, partition: int, offset: int) -> list[str]:
        """Ids of a Kafka record's jobs by place: those that workers have read and Panini did not name."""
        ...

    async def page(
        self, account: str, model: str, *, status: jobs.Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Jobs newest first. ValueError: the cursor is none of ours. A page may be short and still have a next one."""
        ...

    async def shrink(
        self, account: str, model: str, *, now_ms: int, keep_ms: int = DAY_MS, skip: int = 0, limit: int = 500
    ) -> Shrunk:
        """One step of freeing the memory of results past their time, oldest first, after `skip` of the index."""
        ...

    async def purge(self, account: str, model: str) -> int:
        """Drop everything of a model that was removed; how many keys. Only when nobody works on its jobs any more."""
        ...
