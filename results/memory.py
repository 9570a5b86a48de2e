"""A store of results in memory, for tests of what stands on it. It keeps the contract of protocol.Store, and dies with
its process."""

import asyncio

from results import protocol, records
from wire import jobs

_Key = tuple[str, str, str]


class Store:
    """Implements protocol.Store. Time is what the caller says it is."""

    def __init__(self) -> None:
        self.now_ms = 0
        """The newest moment that a call named."""
        self.told: list[tuple[str, str]] = []
        """(notify channel, id) of every end that somebody waited for."""
        self._values: dict[_Key, tuple[records.Record, int]] = {}
        self.pushed: list[tuple[str, str]] = []
        """(URL, id) of every queued job with a webhook that ended without a worker."""
        self._queue: set[_Key] = set()
        """Noted, and not claimed since."""
        self._waits: dict[_Key, tuple[int, protocol.Waits]] = {}
        """Of every queued job: when it expires, and who is told."""
        self._places: dict[tuple[str, str, int, int], dict[int, str]] = {}

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
        self._pass(now_ms)
        return [self._claim((account, model, request.id), request, keep_ms) for request in requests]

    async def finish(self, account: str, model: str, ends: list[protocol.End]) -> list[bool]:
        """See protocol.Store."""
        return [self._finish((account, model, end.id), end) for end in ends]

    async def release(self, account: str, model: str, claims: list[protocol.Release], *, now_ms: int) -> list[bool]:
        """See protocol.Store."""
        self._pass(now_ms)
        done = []
        for job in claims:
            key = (account, model, job.id)
            was = self._get(key)
            mine = was is not None and was.token == job.token
            if was is not None and mine and was.status is jobs.Status.RUNNING:
                self._change(key, was, status=jobs.Status.QUEUED, starts=was.starts - 1)
                self._wait(key, job.expires_at, job.waits)
            done.append(mine and was is not None and was.status in {jobs.Status.RUNNING, jobs.Status.QUEUED})
        return done

    async def postpone(self, account: str, model: str, waiting: list[protocol.Postponed], *, now_ms: int) -> list[bool]:
        """See protocol.Store."""
        self._pass(now_ms)
        return [self._postpone((account, model, job.id), job) for job in waiting]

    async def note(
        self, account: str, model: str, notes: list[protocol.Note], *, now_ms: int, most: int = 100_000
    ) -> int:
        """See protocol.Store."""
        self._pass(now_ms)
        noted = 0
        for note in notes:
            key, waits = (account, model, note.id), note.waits
            was = self._get(key)
            if was is not None:
                if was.status is jobs.Status.CANCELED and not was.starts:
                    self._tell(key, waits)
            elif sum(one[:2] == key[:2] for one in self._queue) < most or waits != protocol.Waits():
                self._values[key] = (
                    records.Record(
                        status=jobs.Status.QUEUED, starts=0, token="0" * 16, cancel_asked=False, version=None,
                        created_at=note.created_at, completed_at=None, expires_at=None, details=note.details,
                        output=None,
                    ),
                    now_ms + note.ttl_ms + protocol.LINGER_MS,
                )  # fmt: skip
                self._queue.add(key)
                self._waits[key] = (waits.deadline or protocol.FOREVER, waits)
                noted += 1
        return noted

    async def position(self, account: str, model: str, job_id: str) -> int | None:
        """See protocol.Store."""
        if (account, model, job_id) not in self._queue:
            return None
        mine = self._values[account, model, job_id][0].created_at, job_id
        queued = [key for key in self._queue if key[:2] == (account, model)]
        return sum((self._values[key][0].created_at, key[2]) <= mine for key in queued)

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
        self._pass(now_ms)
        when = {
            key: min(at, self._values[key][0].created_at + max_age_ms if key in self._queue else protocol.FOREVER)
            for key, (at, _) in self._waits.items()
            if key[:2] == (account, model)
        }
        over = sorted((at, key) for key, at in when.items() if at < now_ms)[:limit]
        for _, key in over:
            was = self._values[key][0]
            self._change(key, was, status=jobs.Status.EXPIRED, completed_at=now_ms, expires_at=now_ms + keep_ms)
            self._end_queued(key)
        ahead = [at for key, at in when.items() if key in self._waits and at < protocol.FOREVER]
        return protocol.Expired(seen=len(over), ended=len(over), next_at=min(ahead, default=None))

    async def cancel(
        self, account: str, model: str, job_id: str, *, created_at: int, now_ms: int, keep_ms: int = protocol.DAY_MS,
        ttl_ms: int,
    ) -> records.Record:  # fmt: skip
        """See protocol.Store."""
        self._pass(now_ms)
        key = (account, model, job_id)
        was = self._get(key)
        if was is None:
            was = records.Record(
                status=jobs.Status.QUEUED, starts=0, token="0" * 16, cancel_asked=False, version=None,
                created_at=created_at, completed_at=None, expires_at=None, details=records.Details(), output=None,
            )  # fmt: skip
            self._values[key] = (was, now_ms + max(ttl_ms, keep_ms))
        if was.status is jobs.Status.QUEUED:
            self._change(key, was, status=jobs.Status.CANCELED, completed_at=now_ms, expires_at=now_ms + keep_ms)
            self._end_queued(key)
        elif was.status is jobs.Status.RUNNING:
            self._change(key, was, cancel_asked=True)
        return self._values[key][0]

    async def delete(self, account: str, model: str, job_id: str, *, now_ms: int) -> records.Record | None:
        """See protocol.Store."""
        self._pass(now_ms)
        key = (account, model, job_id)
        was = self._get(key)
        if was is not None and was.terminal:
            head = records.decode(
                records.encode(_with(was, expires_at=min(was.expires_at or now_ms, now_ms)))[: records.HEAD]
            )
            self._values[key] = (head, self._values[key][1])
        return was

    async def fetch(self, account: str, model: str, job_id: str) -> records.Record | None:
        """See protocol.Store."""
        return self._get((account, model, job_id))

    def peek(self, account: str, model: str, job_id: str) -> "asyncio.Future[bytes | None]":
        """See protocol.Store."""
        found = self._get((account, model, job_id))
        done: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        done.set_result(None if found is None else records.encode(found))
        return done

    async def fetch_many(self, account: str, model: str, job_ids: list[str]) -> list[records.Record | None]:
        """See protocol.Store."""
        return [self._get((account, model, job_id)) for job_id in job_ids]

    async def unfinished(self, account: str, model: str, job_ids: list[str]) -> list[str]:
        """See protocol.Store."""
        found = {job_id: self._get((account, model, job_id)) for job_id in job_ids}
        return [job_id for job_id, was in found.items() if was is None or not was.terminal]

    async def values(self, account: str, model: str, job_ids: list[str]) -> list[bytes | None]:
        """See protocol.Store."""
        found = await self.fetch_many(account, model, job_ids)
        return [None if record is None else records.encode(record) for record in found]

    async def ids_of_record(self, account: str, model: str, partition: int, offset: int) -> list[str]:
        """See protocol.Store."""
        return [job_id for _, job_id in sorted(self._places.get((account, model, partition, offset), {}).items())]

    async def page(
        self, account: str, model: str, *, status: jobs.Status | None = None, cursor: str | None = None, limit: int = 50
    ) -> protocol.Page:
        """See protocol.Store."""
        score, after = protocol.parse_cursor(cursor)
        newest = sorted(
            (
                (record.created_at, job_id)
                for (of, named, job_id), (record, _) in self._values.items()
                if (of, named) == (account, model) and not record.cut
            ),
            reverse=True,
        )
        rest = [(at, job_id) for at, job_id in newest if not after or (at, job_id) < (int(score), after)]
        found: list[tuple[str, records.Record]] = []
        for at, job_id in rest:
            record = self._values[account, model, job_id][0]
            if status is None or record.status is status:
                found.append((job_id, _with(record, output=None)))
            if len(found) >= limit:
                return protocol.Page(found, protocol.cursor(at, job_id))
        return protocol.Page(found, None)

    async def shrink(
        self, account: str, model: str, *, now_ms: int, keep_ms: int = protocol.DAY_MS, skip: int = 0, limit: int = 500
    ) -> protocol.Shrunk:
        """See protocol.Store."""
        self._pass(now_ms)
        old = sorted(
            (record.created_at, key)
            for key, (record, _) in self._values.items()
            if key[:2] == (account, model) and record.created_at <= now_ms - keep_ms and not record.cut
        )[skip : skip + limit]
        removed = 0
        for _, key in old:
            record, until = self._values[key]
            if record.expires_at is not None and record.expires_at <= now_ms:
                self._values[key] = (records.decode(records.encode(record)[: records.HEAD]), until)
                removed += 1
        return protocol.Shrunk(len(old), removed)

    async def purge(self, account: str, model: str) -> int:
        """See protocol.Store."""
        gone = [key for key in self._values if key[:2] == (account, model)]
        for key in gone:
            del self._values[key]
            self._queue.discard(key)
            self._waits.pop(key, None)
        self._places = {key: ids for key, ids in self._places.items() if key[:2] != (account, model)}
        return len(gone)

    def put(self, key: _Key, record: records.Record, *, now_ms: int, ttl_ms: int) -> bool:
        """Write a record where there is none. False: there is."""
        self._pass(now_ms)
        if key in self._values:
            return False
        self._values[key] = (record, now_ms + max(ttl_ms, (record.expires_at or now_ms) - now_ms))
        return True

    def _claim(self, key: _Key, request: protocol.ClaimRequest, keep_ms: int) -> protocol.Claimed:
        if request.record is not None:
            partition, offset, place = request.record
            self._places.setdefault((*key[:2], partition, offset), {})[place] = request.id
        was = self._get(key)
        self._leave(key)
        fresh = records.Record(
            status=jobs.Status.RUNNING, starts=1, token=request.token, cancel_asked=False,
            version=records.number(request.version), created_at=records.moment(request.created_at), completed_at=None,
            expires_at=None, details=request.details, output=None,
        )  # fmt: skip
        stands = fresh if was is None else was
        deadline = min(self.now_ms + request.ttl_ms, request.deadline or self.now_ms + request.ttl_ms)
        if stands.terminal:
            verdict = protocol.Verdict.DONE
        elif was is not None and was.status is jobs.Status.RUNNING and was.token == request.token:
            verdict = protocol.Verdict.RUN
        elif stands.cancel_asked:
            verdict, stands = protocol.Verdict.CANCELED, self._closed(stands, jobs.Status.CANCELED, keep_ms)
        elif deadline < self.now_ms:
            stands = _with(fresh, starts=0) if was is None else was
            verdict, stands = protocol.Verdict.EXPIRED, self._closed(stands, jobs.Status.EXPIRED, keep_ms)
        elif was is not None and was.starts >= records.MAX_STARTS:
            verdict, stands = protocol.Verdict.EXHAUSTED, self._closed(stands, jobs.Status.FAILED, keep_ms)
        else:
            verdict = protocol.Verdict.RUN
            if was is not None:
                stands = _with(
                    fresh, starts=was.starts + 1, version=was.version or request.version, created_at=was.created_at
                )
        if verdict is not protocol.Verdict.DONE:
            life = keep_ms if stands.terminal else protocol.RUN_MS
            self._values[key] = (stands, self.now_ms + max(request.ttl_ms, life))
        if stands.terminal and request.notify:
            self.told.append((request.notify, request.id))
        return protocol.Claimed(
            id=request.id,
            verdict=verdict,
            token=request.token,
            starts=stands.starts,
            version=stands.version or request.version,
        )

    def _finish(self, key: _Key, end: protocol.End) -> bool:
        was = self._get(key)
        if was is None or was.token != end.token:
            return False
        value = _with(
            was, status=end.status, completed_at=end.completed_at, expires_at=end.completed_at + end.keep_ms,
            details=end.details, output=end.output,
        )  # fmt: skip
        if was.status is not jobs.Status.RUNNING:
            return was == value
        self._pass(end.completed_at)
        self._values[key] = (value, self.now_ms + max(end.keep_ms, end.ttl_ms))
        if end.notify:
            self.told.append((end.notify, end.id))
        return True

    def _postpone(self, key: _Key, job: protocol.Postponed) -> bool:
        was = self._get(key)
        if was is None or was.token != job.token:
            return False
        if was.status is jobs.Status.RUNNING:
            starts, version = was.starts - (not job.charged), None if job.anew else was.version
            self._change(
                key, was, status=jobs.Status.QUEUED, starts=starts, version=version, details=job.details, output=None
            )
            self._wait(key, job.expires_at, job.waits)
        return was.status in {jobs.Status.RUNNING, jobs.Status.QUEUED}

    def _wait(self, key: _Key, expires_at: int, waits: protocol.Waits) -> None:
        record, until = self._values[key]
        self._values[key] = (record, max(until, min(expires_at, protocol.FOREVER) + protocol.LINGER_MS))
        self._waits[key] = (expires_at, waits)

    def _leave(self, key: _Key) -> protocol.Waits:
        self._queue.discard(key)
        return self._waits.pop(key, (0, protocol.Waits()))[1]

    def _end_queued(self, key: _Key) -> None:
        self._tell(key, self._leave(key))

    def _tell(self, key: _Key, waits: protocol.Waits) -> None:
        if waits.notify:
            self.told.append((waits.notify, key[2]))
        hook, status = waits.hook, self._values[key][0].status
        told = hook is not None and (hook.url, key[2]) in self.pushed
        if hook is not None and not told and (hook.statuses is None or status in hook.statuses):
            self.pushed.append((hook.url, key[2]))

    def _closed(self, record: records.Record, status: jobs.Status, keep_ms: int) -> records.Record:
        return _with(record, status=status, completed_at=self.now_ms, expires_at=self.now_ms + keep_ms)

    def _get(self, key: _Key) -> records.Record | None:
        found = self._values.get(key)
        return None if found is None else found[0]

    def _change(self, key: _Key, record: records.Record, **changes: object) -> None:
        self._values[key] = (_with(record, **changes), self._values[key][1])

    def _pass(self, now_ms: int) -> None:
        """Time goes on, and takes with it what has lived out its time."""
        self.now_ms = max(self.now_ms, now_ms)
        for key in [key for key, (_, until) in self._values.items() if until <= self.now_ms]:
            del self._values[key]
            self._leave(key)


class Cache:
    """Implements cache.Cache beside a store."""

    def __init__(self, beside: Store) -> None:
        self._store = beside
        self._entries: dict[tuple[str, str, bytes], tuple[bytes, str, float]] = {}
        """(account, model, first bytes of a digest) → the digest, the job that answered it, until when (Unix ms)."""

    async def remember(self, account: str, model: str, answered: list[tuple[bytes, str]], *, seconds: float) -> None:
        """See cache.Cache."""
        until = self._store.now_ms + seconds * 1000
        self._entries |= {(account, model, digest[:2]): (digest, job_id, until) for digest, job_id in answered}

    async def recall(self, account: str, model: str, digests: list[bytes]) -> list[str | None]:
        """See cache.Cache."""
        found = [self._entries.get((account, model, digest[:2]), (b"", "", 0)) for digest in digests]
        return [
            job_id if whole == digest and until > self._store.now_ms else None
            for digest, (whole, job_id, until) in zip(digests, found, strict=True)
        ]

    async def answer(
        self, account: str, model: str, job_id: str, record: records.Record, *, now_ms: int, ttl_ms: int
    ) -> bool:
        """See cache.Cache."""
        return self._store.put((account, model, job_id), record, now_ms=now_ms, ttl_ms=ttl_ms)


def _with(record: records.Record, **changes: object) -> records.Record:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return records.Record(**(fields | changes))
