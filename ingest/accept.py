"""Accepting a job: check, name, write to Kafka, answer. Independent of the web framework.

    POST → who calls → which model → is the input right → id → one produce, acknowledged → 202, or wait for the end

Accepting depends on Kafka alone: keys and models come from the directory's last snapshot, and Redis is asked nothing,
but for an answer that is likely known already (known.py).
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from ingest import bodies, errors, floods, idempotency, known, notes, producer
from results import budget, records, refusals, views, waiting
from results import errors as results_errors
from wire import envelope, ids, jobs, names, problems, specs, webhooks

RETRY_AFTER: Final = "1"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    media_type: str = "application/json"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the request's headers ask for."""

    wait: float | None = None
    """Seconds to wait for the job's end; None: answer 202 at once."""
    traceparent: str | None = None
    key: str = ""
    """Id of the caller's API key."""
    idempotency_key: str | None = None
    """The same key again is the same job."""


Accepting = Callable[[specs.Endpoint, bytes, Wanted], Awaitable[Reply]]
"""Takes a job: its model, its body, what its headers ask for."""


class Acceptor:
    """Turns requests into jobs; one a process, at `app.state.acceptor`."""

    def __init__(
        self,
        *,
        signer: ids.Signer,
        kafka: producer.Producer,
        waiters: waiting.Waiters,
        flooded: floods.Floods | None = None,
        idempotent: idempotency.Idempotency | None = None,
        noted: notes.Notes | None = None,
        room: budget.Budget | None = None,
        answers: known.Known | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._signer = signer
        self._kafka = kafka
        self._waiters = waiters
        self._flooded = flooded
        self._idempotent = idempotent
        self._noted = noted
        self._room = room
        self._answers = answers
        self._clock_ms = clock_ms

    async def submit(self, endpoint: specs.Endpoint, raw: bytes, wanted: Wanted) -> Reply:
        """Accept one job for `endpoint`. Raises Problem for what the client or Kafka did wrong."""
        job_id, bulk, ended = await self._accept(endpoint, raw, wanted)
        if ended is None:
            return self._accepted(job_id, endpoint, wanted, bulk=bulk)
        body = views.job(job_id, endpoint.model, ended, ours=True)
        if wanted.wait is None and wanted.idempotency_key is None:  # its answer was known: no reason for another status
            return Reply(status=202, body=body, headers={"Location": views.address(job_id, endpoint.model, ours=True)})
        return Reply(status=200, body=body, headers=_applied(wanted))

    async def predict(self, endpoint: specs.Endpoint, raw: bytes, wanted: Wanted) -> Reply:
        """The original Panini call: the output itself, 202 past the wait, a problem where the job failed."""
        job_id, bulk, ended = await self._accept(endpoint, raw, wanted)
        if ended is None:
            return self._accepted(job_id, endpoint, wanted, bulk=bulk)
        if ended.status is jobs.Status.SUCCEEDED:
            return Reply(status=200, body=views.predicted(job_id, ended), headers=_applied(wanted))
        raise failed(job_id, ended)

    async def _accept(
        self, endpoint: specs.Endpoint, raw: bytes, wanted: Wanted
    ) -> tuple[str, bool, records.Record | None]:
        """Write the job: its id, whether it went to the bulk lane, and with a wait its record if it ended in time."""
        content, bulk, anew = self._envelope(endpoint, raw, wanted)
        if wanted.idempotency_key is not None and self._idempotent is not None:
            size = len(envelope.encode(content))
            if size > endpoint.max_job_bytes:  # a key must not stand for a job that never was
                raise too_large(endpoint, size)
            held = await self._idempotent.hold(endpoint, wanted.idempotency_key, raw, content.id or "")
            if held.accepted:
                return held.job_id, False, await self._idempotent.ended(endpoint, held, wanted.wait)
            anew = held.job_id == content.id
            content = msgspec.structs.replace(content, id=held.job_id)
            found = await self._write(endpoint, content, wanted, bulk=bulk, again=True)
            await self._idempotent.accepted(endpoint, wanted.idempotency_key, held)
            return found if anew else await self._as_it_is(endpoint, found)
        if not anew:
            return await self._as_it_is(endpoint, await self._write(endpoint, content, wanted, bulk=bulk, again=True))
        if self._answers is None or bulk or self.full:
            return await self._write(endpoint, content, wanted, bulk=bulk)
        of = self._answers.digest(endpoint, content)
        if of is None:
            return await self._write(endpoint, content, wanted, bulk=bulk)
        if self._answers.seen(of):
            ended = await self._answers.answer(endpoint, content, of)
            if ended is not None:
                return content.id or "", False, ended
        found = await self._write(endpoint, content, wanted, bulk=bulk)
        self._answers.accepted(of, content.id or "")
        return found

    async def _write(
        self, endpoint: specs.Endpoint, content: envelope.Envelope, wanted: Wanted, *, bulk: bool, again: bool = False
    ) -> tuple[str, bool, records.Record | None]:
        job_id = content.id or ""
        if self._room is not None and self._room.full:
            raise refusals.no_room(self._room.used, self._room.most)
        if self._flooded is not None and not bulk:
            bulk = self._flooded.flooding(wanted.key, endpoint.account, endpoint.model)
        if wanted.wait is None:
            await self._produce(endpoint, content, wanted, bulk=bulk, again=again)
            return job_id, bulk, None
        expected = self._waiters.expect(endpoint.account, endpoint.model, job_id)
        try:
            await self._produce(endpoint, content, wanted, bulk=bulk, again=again)
            value = await waiting.within(expected, wanted.wait)
            if self._noted is not None:
                self._noted.forget(job_id)
            return job_id, bulk, records.decode(value)
        except TimeoutError:
            return job_id, bulk, await self._ended(endpoint, job_id)
        finally:
            self._waiters.forget(endpoint.account, endpoint.model, job_id, expected)

    async def _as_it_is(
        self, endpoint: specs.Endpoint, found: tuple[str, bool, records.Record | None]
    ) -> tuple[str, bool, records.Record | None]:
        """A job sent again is not said to be queued where its earlier copy has ended."""
        job_id, bulk, ended = found
        return job_id, bulk, ended or await self._ended(endpoint, job_id)

    async def _ended(self, endpoint: specs.Endpoint, job_id: str) -> records.Record | None:
        """The record of a job that has ended without this process being told: by the sweeper, or as an earlier copy."""
        try:
            found = await self._waiters.wait(endpoint.account, endpoint.model, job_id, 0)
        except results_errors.ResultsError:
            return None
        return found if found is not None and found.terminal else None

    @property
    def full(self) -> bool:
        """Whether Redis has no room for more results."""
        return self._room is not None and self._room.full

    def line(
        self, endpoint: specs.Endpoint, raw: bytes, job_id: str, wanted: Wanted
    ) -> tuple[envelope.Envelope, bytes]:
        """One line of a bulk set as an envelope, and encoded. Raises Problem."""
        content, *_ = self._envelope(endpoint, raw, wanted, job_id)
        encoded = envelope.encode(content)
        if len(encoded) > endpoint.max_job_bytes:
            raise too_large(endpoint, len(encoded))
        return content, encoded

    def _accepted(self, job_id: str, endpoint: specs.Endpoint, wanted: Wanted, *, bulk: bool) -> Reply:
        own = views.address(job_id, endpoint.model, ours=True)
        headers = {"Location": own, "Retry-After": RETRY_AFTER}
        if wanted.wait is not None:
            headers |= _applied(wanted)
        body = views.queued(job_id, endpoint.model, self._clock_ms(), bulk=bulk)
        return Reply(status=202, body=body, headers=headers)

    def _envelope(
        self, endpoint: specs.Endpoint, raw: bytes, wanted: Wanted, job_id: str | None = None
    ) -> tuple[envelope.Envelope, bool, bool]:
        """The job, whether its client wants it in the bulk lane, and whether its id is a fresh one; `job_id`, where it
        has one already."""
        if endpoint.live is None:
            raise not_live(endpoint)
        try:
            body = bodies.parse(raw)
            content = bodies.opaque_input(body.input, endpoint.input)
            deadline = bodies.deadline_ms(body.deadline)
        except errors.InvalidJob as error:
            raise problems.Problem(
                422,
                "Not a job",
                f'{error}. {endpoint.model} takes {bodies.EXPECTED[endpoint.input]} as "input".',
            ) from error
        now = self._clock_ms()
        if job_id is None or body.id is not None:
            named = self._job_id(endpoint, body.id, now)
        made = envelope.Envelope(
            id=job_id or named,
            input=content,
            version=body.version,
            accepted_at=now,
            deadline=deadline,
            timeout=body.timeout,
            metadata=_small(body.metadata) if body.metadata is not None else None,
            webhook=_webhook(endpoint, body) if body.webhook is not None or body.webhook_events is not None else None,
            reply_to=_allowed(endpoint, body.reply_to) if body.reply_to is not None else None,
            notify=self._waiters.channel if wanted.wait is not None else None,
            traceparent=wanted.traceparent,
            cache=body.cache,
        )
        return made, body.lane == "bulk", body.id is None

    def _job_id(self, endpoint: specs.Endpoint, named: str | None, now: int) -> str:
        if named is None:
            return self._signer.new(model_uid=endpoint.model_uid, account_uid=endpoint.account_uid, now_ms=now)
        parsed = ids.parse(named)
        if (
            parsed is None
            or parsed.model_uid != endpoint.model_uid
            or not self._signer.verify(parsed, account_uid=endpoint.account_uid)
        ):
            raise problems.Problem(
                422,
                "Not an id of this model",
                "id may only repeat the one that a 503 carried; for an id of your own use the Idempotency-Key header",
            )
        return named

    async def _produce(
        self, endpoint: specs.Endpoint, content: envelope.Envelope, wanted: Wanted, *, bulk: bool, again: bool
    ) -> None:
        """Write it. `again`: other records may carry the job too. They share a partition, and so a worker, which runs
        it once; two workers would take it from each other."""
        encoded = envelope.encode(content)
        if len(encoded) > endpoint.max_job_bytes:
            raise too_large(endpoint, len(encoded))
        try:
            topic = (names.bulk_topic if bulk else names.jobs_topic)(endpoint.account, endpoint.model)
            if again:
                place = await self._kafka.accept_record(topic, encoded, jobs=1, key=(content.id or "").encode())
            else:
                place = await self._kafka.accept(topic, encoded)
        except errors.KafkaUnavailable as error:
            raise problems.Problem(
                503,
                "Kafka does not answer",
                "the job may not have been kept; send it again with this id in the body, and it runs once",
                headers={"Retry-After": RETRY_AFTER},
                id=content.id,
            ) from error
        except errors.Full as error:
            raise problems.Problem(
                503,
                "Too many jobs at once",
                "this process holds all the unacknowledged jobs it may; send it again later",
                headers={"Retry-After": RETRY_AFTER},
                id=content.id,
            ) from error
        if self._noted is not None:
            self._noted.accepted(endpoint, content, place, bulk=bulk)
        if self._flooded is not None and not bulk:
            self._flooded.accepted(wanted.key, endpoint.account, endpoint.model, content.id or "")


def _applied(wanted: Wanted) -> dict[str, str]:
    return {} if wanted.wait is None else {"Preference-Applied": f"wait={wanted.wait:g}"}


def too_large(endpoint: specs.Endpoint, size: int) -> problems.Problem:
    """A job beyond what the model takes."""
    return problems.Problem(
        413,
        "Job too large",
        f"the job is {size} bytes, {endpoint.model} takes {endpoint.max_job_bytes}; "
        "send a reference to the data instead",
    )


def not_live(endpoint: specs.Endpoint) -> problems.Problem:
    """A model without a live version takes no jobs yet."""
    detail = (
        f"version 1 of {endpoint.model} is being built; `panini logs {endpoint.model} -f` shows it"
        if endpoint.building
        else f"no version of {endpoint.model} passed its check; `panini logs {endpoint.model}` says why"
    )
    headers = {"Retry-After": "5"} if endpoint.building else {}
    return problems.Problem(409, "Model has no live version", detail, headers=headers, error_type="model_unavailable")


def failed(job_id: str, record: records.Record) -> problems.Problem:
    """A job that ended without an output, as the answer of POST …/predict."""
    why = record.error
    kind = why.type if why is not None else None
    status = 422 if kind == jobs.ErrorType.INVALID_INPUT else 504 if kind == jobs.ErrorType.TIMEOUT else 500
    return problems.Problem(
        status,
        f"The job {record.status}",
        why.message if why is not None else f"it is {record.status}",
        query_id=job_id,
        error_type=kind,
        job=f"/v1/jobs/{job_id}",
    )


def _small(metadata: dict[str, object]) -> dict[str, object]:
    if len(msgspec.msgpack.encode(metadata)) > bodies.MAX_METADATA:
        raise problems.Problem(422, "Metadata too large", f"metadata may take {bodies.MAX_METADATA} bytes")
    return metadata


def _webhook(endpoint: specs.Endpoint, body: bodies.Body) -> envelope.Webhook:
    """The webhook of a job that says something of it; of any other the model's default holds at its end."""
    url = body.webhook or endpoint.webhook
    if url is None:
        raise problems.Problem(
            422, "No webhook", f"webhook_events needs a webhook, in the job or as the default of {endpoint.model}"
        )
    try:
        webhooks.check_url(url)
    except ValueError as error:
        raise problems.Problem(422, "Not a webhook", str(error)) from error
    events = [status.value for status in body.webhook_events] if body.webhook_events else None
    if body.webhook_events and not jobs.TERMINAL.issuperset(body.webhook_events):
        raise problems.Problem(
            422, "Not a webhook event", f"webhook_events are ends of a job: {', '.join(sorted(jobs.TERMINAL))}"
        )
    return envelope.Webhook(url=url, events=events)


def _allowed(endpoint: specs.Endpoint, topic: str) -> str:
    if topic not in endpoint.reply_topics:
        raise problems.Problem(
            422, "Topic not allowed", f"{topic!r} is not in the reply topics of {endpoint.model}; its author may add it"
        )
    return topic
