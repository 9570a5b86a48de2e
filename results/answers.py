"""What GET answers, free of any web framework: ids and headers in; status, headers and body out.

The routes are thin around it, and a small ASGI function may stand in front of them.
"""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from results import errors, pace, protocol, records, refusals, views, waiting, waits
from wire import access, directory, ids, jobs, names, problems, specs

MAX_WAIT: Final = 60.0
"""Seconds a GET waits at most: below the idle timeouts of common proxies."""

MAX_LIMIT: Final = 200
"""Jobs of one page at most."""

JSON: Final = "application/json"


class Answer(msgspec.Struct, frozen=True):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request brings beside the path, undecoded."""

    wait: str | None = None
    """The query's `wait`."""
    prefer: str | None = None
    """Header `Prefer`."""
    if_none_match: str | None = None


class Results:
    """All that the routes need, made by the entry point."""

    def __init__(self, store: protocol.Store, waiters: waiting.Waiters, signer: ids.Signer) -> None:
        self.store = store
        self.waiters = waiters
        self.signer = signer
        self._paces = pace.Paces()
        self.on_found: Callable[[str], None] | None = None
        """Told of every job that was read and has a record."""

    async def job(self, known: directory.Directory, key: specs.Key, job_id: str, asked: Asked) -> Answer:
        """GET of a job that Panini named."""
        return await answered(lambda: self._job(known, key, job_id, asked))

    async def job_of_model(
        self, known: directory.Directory, key: specs.Key, model: str, job_id: str, asked: Asked
    ) -> Answer:
        """GET of a job by any id, its client's own included."""
        return await answered(lambda: self._job_of_model(known, key, model, job_id, asked))

    async def output(self, known: directory.Directory, key: specs.Key, job_id: str, asked: Asked) -> Answer:
        """GET of a job's output as a file."""
        return await answered(lambda: self._file(known, key, job_id, asked))

    async def record(
        self, known: directory.Directory, key: specs.Key, model: str, place: tuple[str, str], asked: Asked
    ) -> Answer:
        """GET of the jobs of a Kafka record at (partition, offset)."""
        return await answered(lambda: self._record(known, key, model, place, asked))

    async def page(
        self,
        known: directory.Directory,
        key: specs.Key,
        model: str,
        *,
        status: str | None,
        cursor: str | None,
        limit: str | None,
    ) -> Answer:
        """GET of a model's jobs, newest first."""
        return await answered(lambda: self._page(known, key, model, status=status, cursor=cursor, limit=limit))

    async def _job(self, known: directory.Directory, key: specs.Key, job_id: str, asked: Asked) -> Answer:
        parsed, endpoint = await self.ours(known, key, job_id)
        return await self._state(endpoint, job_id, parsed, asked)

    async def _job_of_model(
        self, known: directory.Directory, key: specs.Key, model: str, job_id: str, asked: Asked
    ) -> Answer:
        parsed, endpoint = await self.of_model(known, key, model, job_id)
        return await self._state(endpoint, job_id, parsed, asked)

    async def _state(self, endpoint: specs.Endpoint, job_id: str, parsed: ids.JobId | None, asked: Asked) -> Answer:
        seconds, headers = waited(asked)
        found = await self.waiters.wait(endpoint.account, endpoint.model, job_id, seconds)
        place = None if found is None or found.terminal else await self.place(endpoint, job_id, found)
        return self.told(endpoint, job_id, parsed, found, headers, place=place, if_none_match=asked.if_none_match)

    def told(
        self,
        endpoint: specs.Endpoint,
        job_id: str,
        parsed: ids.JobId | None,
        found: records.Record | None,
        headers: dict[str, str],
        *,
        place: pace.Place | None = None,
        if_none_match: str | None = None,
    ) -> Answer:
        """What is said of a job with this record, `headers` to begin with. Raises Problem 404, 410."""
        now_ms = clock()
        if found is None:
            if parsed is None:
                raise refusals.unread(job_id)
            if now_ms - parsed.issued_ms >= endpoint.max_age * 1000:
                raise refusals.too_old(job_id, parsed.issued_ms)
            body = views.queued(job_id, endpoint.model, parsed.issued_ms)
            return Answer(200, headers | _POLL, body)
        if self.on_found is not None:
            self.on_found(job_id)
        if found.gone(now_ms):
            raise refusals.gone(job_id, found)
        if not found.terminal:
            body = views.job(job_id, endpoint.model, found, ours=parsed is not None, place=place)
            return Answer(200, headers | _POLL, body)
        headers |= _ended(job_id)
        if if_none_match is not None and headers["ETag"] in if_none_match:
            return Answer(304, headers, b"")
        return Answer(200, headers, views.job(job_id, endpoint.model, found, ours=parsed is not None))

    async def _file(self, known: directory.Directory, key: specs.Key, job_id: str, asked: Asked) -> Answer:
        parsed, endpoint = await self.ours(known, key, job_id)
        seconds, headers = waited(asked)
        found = await self.waiters.wait(endpoint.account, endpoint.model, job_id, seconds)
        now_ms = clock()
        if found is None and now_ms - parsed.issued_ms >= endpoint.max_age * 1000:
            raise refusals.too_old(job_id, parsed.issued_ms)
        if found is not None and found.gone(now_ms):
            raise refusals.gone(job_id, found)
        if found is None or found.status is not jobs.Status.SUCCEEDED:
            raise refusals.no_output(job_id, found)
        headers |= _ended(job_id) | _FILE
        headers["Content-Type"] = found.details.media or JSON
        if asked.if_none_match is not None and headers["ETag"] in asked.if_none_match:
            return Answer(304, headers, b"")
        return Answer(200, headers, b"null" if found.output is None else found.output)

    async def _record(
        self, known: directory.Directory, key: specs.Key, model: str, place: tuple[str, str], asked: Asked
    ) -> Answer:
        endpoint = await found_endpoint(known, key, model)
        seconds, headers = waited(asked)
        if not all(re.fullmatch(r"[0-9]{1,19}", number) for number in place):
            raise problems.Problem(404, "No such record", "partition and offset are numbers, as the producer got them")
        partition, offset = int(place[0]), int(place[1])
        account = endpoint.account

        async def read() -> tuple[bool, list[tuple[str, records.Record]]]:
            listed = await self.store.ids_of_record(account, model, partition, offset)
            stored = await self.store.fetch_many(account, model, listed)
            some = [(job_id, job) for job_id, job in zip(listed, stored, strict=True) if job is not None]
            return bool(some) and all(job.terminal for _, job in some), some

        found = await self.waiters.until(account, model, waiting.ANY, seconds, read)
        if not found:
            raise refusals.unread(f"{partition}/{offset}")
        now_ms = clock()
        kept = [(job_id, job) for job_id, job in found if not job.gone(now_ms)]
        if not kept:
            raise refusals.gone(*found[0])
        if not all(job.terminal for _, job in kept):
            headers |= _POLL
        return Answer(200, headers, views.several([views.job(job_id, model, job, ours=False) for job_id, job in kept]))

    async def _page(
        self,
        known: directory.Directory,
        key: specs.Key,
        model: str,
        *,
        status: str | None,
        cursor: str | None,
        limit: str | None,
    ) -> Answer:
        endpoint = await found_endpoint(known, key, model)
        if status and status not in list(jobs.Status):
            raise problems.Problem(422, "No such status", f"status is one of {', '.join(jobs.Status)}")
        if limit and not (re.fullmatch(r"[0-9]{1,4}", limit) and 1 <= int(limit) <= MAX_LIMIT):
            raise problems.Problem(422, "Limit out of range", f"limit is a whole number from 1 to {MAX_LIMIT}")
        try:
            page = await self.store.page(
                endpoint.account,
                model,
                status=jobs.Status(status) if status else None,
                cursor=cursor,
                limit=int(limit or 50),
            )
        except ValueError as error:
            raise problems.Problem(422, "Unreadable cursor", f"{error}; leave it out to begin anew") from error
        now_ms = clock()
        found = [
            views.job(job_id, model, job, ours=self._is_ours(key, job_id), output=False)
            for job_id, job in page.jobs
            if not job.gone(now_ms)
        ]
        return Answer(
            200, {"Content-Type": JSON, "Cache-Control": "no-store"}, views.several(found, cursor=page.cursor)
        )

    async def place(self, endpoint: specs.Endpoint, job_id: str, found: records.Record) -> pace.Place | None:
        """Where a queued job stands; none where that is not known."""
        if found.status is not jobs.Status.QUEUED:
            return None
        position = await self.store.position(endpoint.account, endpoint.model, job_id)
        return None if position is None else self._paces.place(job_id, position, time.monotonic())

    async def found(
        self, known: directory.Directory, key: specs.Key, model: str | None, job_id: str
    ) -> tuple[ids.JobId | None, specs.Endpoint]:
        """As `ours` where no model is named, else as `of_model`."""
        return await (self.ours(known, key, job_id) if model is None else self.of_model(known, key, model, job_id))

    async def of_model(
        self, known: directory.Directory, key: specs.Key, model: str, job_id: str
    ) -> tuple[ids.JobId | None, specs.Endpoint]:
        """The claims of an id, none where its client chose it, and its model. Raises Problem 404."""
        endpoint = await found_endpoint(known, key, model)
        if not names.is_job_id(job_id):
            raise refusals.no_job(job_id)
        parsed = ids.parse(job_id)
        if parsed is not None and not self.signer.verify(parsed, account_uid=key.account_uid):
            parsed = None
        if parsed is not None and parsed.model_uid != endpoint.model_uid:
            raise refusals.no_job(job_id)
        return parsed, endpoint

    def _is_ours(self, key: specs.Key, job_id: str) -> bool:
        parsed = ids.parse(job_id)
        return parsed is not None and self.signer.verify(parsed, account_uid=key.account_uid)

    async def ours(self, known: directory.Directory, key: specs.Key, job_id: str) -> tuple[ids.JobId, specs.Endpoint]:
        """The claims of an id and its model. Raises Problem 404: not ours, not the caller's, or its model is gone."""
        found = self.here(known, key, job_id)
        if found is None:
            await known.fresh()
            found = self.here(known, key, job_id)
        if found is None:
            raise problems.Problem(404, "No such job", f"the model of job {job_id} was removed, and its jobs with it")
        return found

    def here(self, known: directory.Directory, key: specs.Key, job_id: str) -> tuple[ids.JobId, specs.Endpoint] | None:
        """As `ours`, of what this process knows; none: not the model. Raises Problem 404."""
        parsed = ids.parse(job_id)
        if parsed is None or not self.signer.verify(parsed, account_uid=key.account_uid):
            raise refusals.no_job(job_id)
        endpoint = known.endpoint_by_uid(parsed.model_uid)
        return (parsed, endpoint) if endpoint is not None and endpoint.account == key.account else None


_POLL: Final = {"Retry-After": "1", "Cache-Control": "no-store"}

_FILE: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
"""An output is a model's word: never a page or script of this origin."""


async def answered(work: Callable[[], Awaitable[Answer]]) -> Answer:
    """The work's answer, its problem, or 503 while the store is away."""
    try:
        return await work()
    except (problems.Problem, errors.StoreUnavailable) as error:
        return refused(error)


def clock() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def waited(asked: Asked) -> tuple[float, dict[str, str]]:
    """Seconds to wait, and the headers to begin with. Raises Problem 422."""
    headers = {"Content-Type": JSON}
    if asked.wait is not None:
        return waits.asked(asked.wait, most=MAX_WAIT), headers
    seconds = None if asked.prefer is None else waits.preferred(asked.prefer, most=MAX_WAIT)
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds:g}"
        return seconds, headers
    return 0.0, headers


async def found_endpoint(known: directory.Directory, key: specs.Key, model: str) -> specs.Endpoint:
    """The caller's model. Raises Problem 404."""
    endpoint = known.endpoint(key.account, model)
    if endpoint is None:
        await known.fresh()
        endpoint = known.endpoint(key.account, model)
    if endpoint is None:
        raise access.unknown_model(model)
    return endpoint


def _ended(job_id: str) -> dict[str, str]:
    """Headers of what never changes again: the id is its own entity tag."""
    return {"Cache-Control": "private", "ETag": f'"{job_id}"'}


def refused(error: problems.Problem | errors.StoreUnavailable) -> Answer:
    """The answer of a problem; of a store that is away, 503."""
    problem = error if isinstance(error, problems.Problem) else refusals.away()
    return Answer(problem.status, {"Content-Type": problems.MEDIA_TYPE} | problem.headers, problem.body())
