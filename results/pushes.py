"""What clients ask about pushes: the webhook deliveries of a job, and one more round of them."""

import msgspec

from results import answers, deliveries, refusals, views
from wire import directory, ids, problems, specs


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a delivery."""

    number: int
    at: str
    duration_ms: int
    status_code: int | None
    error: str | None
    reply: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A job's webhook as GET answers it."""

    url: str
    state: str
    next_at: str | None
    tries: list[Try]


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """All webhooks of a job: there is one at most."""

    deliveries: list[Delivery]


class Pushes:
    """For the routes; made by the entry point."""

    def __init__(self, results: answers.Results, outbox: deliveries.Outbox) -> None:
        self._results = results
        self._outbox = outbox

    async def deliveries(
        self, known: directory.Directory, key: specs.Key, model: str | None, job_id: str
    ) -> answers.Answer:
        """GET …/deliveries. `model` none: of a job that Panini named."""

        async def work() -> answers.Answer:
            parsed, endpoint = await self._results.found(known, key, model, job_id)
            found = await self._outbox.show(endpoint.account, endpoint.model, job_id)
            if found is None:
                await self._require_job(endpoint, job_id, parsed)
            headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
            shown = Deliveries(deliveries=[] if found is None else [_shown(found)])
            return answers.Answer(200, headers, msgspec.json.encode(shown))

        return await answers.answered(work)

    async def redeliver(
        self, known: directory.Directory, key: specs.Key, model: str | None, job_id: str
    ) -> answers.Answer:
        """POST …/redeliver: a new round of tries begins now, with the same webhook-id."""

        async def work() -> answers.Answer:
            parsed, endpoint = await self._results.found(known, key, model, job_id)
            now_ms = answers.clock()
            done = await self._outbox.redeliver(endpoint.account, endpoint.model, job_id, now_ms=now_ms)
            if done is None:
                raise problems.Problem(410, "Gone", f"the result of job {job_id} is gone; send its input again")
            if not done:
                await self._require_job(endpoint, job_id, parsed)
                raise problems.Problem(
                    409, "Nothing to deliver", f"job {job_id} has no webhook, or has not ended yet; GET it to see which"
                )
            return answers.Answer(202, {"Content-Type": "application/json"}, b'{"state":"pending"}')

        return await answers.answered(work)

    async def _require_job(self, endpoint: specs.Endpoint, job_id: str, parsed: ids.JobId | None) -> None:
        """Raises Problem 404 where the job is not known at all."""
        if parsed is None and await self._results.store.fetch(endpoint.account, endpoint.model, job_id) is None:
            raise refusals.unread(job_id)


def _shown(found: deliveries.Delivery) -> Delivery:
    return Delivery(
        url=found.url,
        state=found.state,
        next_at=None if found.next_at is None else views.iso(found.next_at),
        tries=[
            Try(
                number=number,
                at=views.iso(one.at),
                duration_ms=one.duration_ms,
                status_code=one.status,
                error=one.error,
                reply=one.reply,
            )
            for number, one in found.tries
        ],
    )
