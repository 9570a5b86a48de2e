"""What clients change about jobs: cancel, and delete. As free of any web framework as `answers`."""

from typing import Final

from results import answers, records, refusals, views
from wire import directory, ids, problems, specs

CANCEL_WAIT: Final = 2.0
"""Seconds in which a running job is canceled: so long the answer waits for it."""


class Changes:
    """Cancel and delete, for the routes; made by the entry point."""

    def __init__(self, results: answers.Results) -> None:
        self._results = results

    async def cancel(self, known: directory.Directory, key: specs.Key, job_id: str) -> answers.Answer:
        """POST …/cancel of a job that Panini named."""

        async def work() -> answers.Answer:
            parsed, endpoint = await self._results.ours(known, key, job_id)
            return await self._cancel(endpoint, job_id, parsed)

        return await answers.answered(work)

    async def cancel_of_model(
        self, known: directory.Directory, key: specs.Key, model: str, job_id: str
    ) -> answers.Answer:
        """POST …/cancel by any id. One that no worker has read yet is canceled in advance."""

        async def work() -> answers.Answer:
            parsed, endpoint = await self._results.of_model(known, key, model, job_id)
            return await self._cancel(endpoint, job_id, parsed)

        return await answers.answered(work)

    async def delete(self, known: directory.Directory, key: specs.Key, job_id: str) -> answers.Answer:
        """DELETE of a job that Panini named: its result is gone, as if its time had come."""

        async def work() -> answers.Answer:
            parsed, endpoint = await self._results.ours(known, key, job_id)
            return await self._delete(endpoint, job_id, parsed)

        return await answers.answered(work)

    async def delete_of_model(
        self, known: directory.Directory, key: specs.Key, model: str, job_id: str
    ) -> answers.Answer:
        """DELETE by any id."""

        async def work() -> answers.Answer:
            parsed, endpoint = await self._results.of_model(known, key, model, job_id)
            return await self._delete(endpoint, job_id, parsed)

        return await answers.answered(work)

    async def _cancel(self, endpoint: specs.Endpoint, job_id: str, parsed: ids.JobId | None) -> answers.Answer:
        account, model, now_ms = endpoint.account, endpoint.model, answers.clock()
        created_at = parsed.issued_ms if parsed is not None else now_ms
        age_ms = endpoint.max_age * 1000
        store = self._results.store
        if now_ms - created_at >= age_ms and await store.fetch(account, model, job_id) is None:
            raise refusals.too_old(job_id, created_at)
        found = await store.cancel(
            account,
            model,
            job_id,
            created_at=created_at,
            now_ms=now_ms,
            keep_ms=endpoint.keep * 1000,
            ttl_ms=age_ms,
        )
        if not found.terminal:
            ended = await self._results.waiters.wait(account, model, job_id, CANCEL_WAIT)
            found = ended if ended is not None else found
        if found.gone(answers.clock()):
            raise refusals.gone(job_id, found)
        return _shown(endpoint, job_id, parsed, found)

    async def _delete(self, endpoint: specs.Endpoint, job_id: str, parsed: ids.JobId | None) -> answers.Answer:
        now_ms = answers.clock()
        found = await self._results.store.delete(endpoint.account, endpoint.model, job_id, now_ms=now_ms)
        if found is None and parsed is None:
            raise refusals.unread(job_id)
        if found is None and parsed is not None and now_ms - parsed.issued_ms >= endpoint.max_age * 1000:
            raise refusals.too_old(job_id, parsed.issued_ms)
        if found is None or not found.terminal:
            raise problems.Problem(
                409,
                "Job has not ended",
                f"job {job_id} is {'queued' if found is None else found.status}; cancel it first, or wait for its end",
            )
        return answers.Answer(204, {}, b"")


def _shown(endpoint: specs.Endpoint, job_id: str, parsed: ids.JobId | None, found: records.Record) -> answers.Answer:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return answers.Answer(200, headers, views.job(job_id, endpoint.model, found, ours=parsed is not None))
