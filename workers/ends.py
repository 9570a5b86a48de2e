"""A job on its way as the store wants it told: what is kept while it runs, and its end. Pure."""

import msgspec

from results import protocol, records
from wire import jobs as words
from wire import specs
from workers import jobs, outcomes, retry


def request(job: jobs.Job, version: int, *, token: str, model: specs.Model, now: int) -> protocol.ClaimRequest:
    """A job that is about to start on `version`, at `now` (Unix ms)."""
    content = job.envelope
    return protocol.ClaimRequest(
        id=job.id,
        version=version,
        token=token,
        created_at=job.accepted_at,
        ttl_ms=job.expires_at - now,
        deadline=content.deadline if content is not None else None,
        details=_details(job, started=now),
        record=None if job.ours else job.origin,
        notify=content.notify if content is not None else None,
        hook=hook(job, model),
    )


def of(
    job: jobs.Job,
    token: str,
    answer: outcomes.Outcome,
    *,
    model: specs.Model,
    started: int,
    now: int,
    timings: records.Timings,
    answered_at: int | None = None,
) -> protocol.End:
    """The end of a job whose claim has `token`, by what the runner answered, or an identical job: then that was at
    `answered_at` (Unix ms)."""
    output = answer if isinstance(answer, outcomes.Output) else None
    error = (
        None
        if isinstance(answer, outcomes.Output)
        else records.Error(
            answer.type, answer.message, answer.traceback if isinstance(answer, outcomes.Failure) else None
        )
    )
    details = _details(
        job,
        started=started,
        error=error,
        timings=timings,
        media=output.media if output is not None else None,
        answered_at=answered_at,
    )
    status = words.Status.FAILED if output is None else words.Status.SUCCEEDED
    return _end(job, token, status, details, model=model, now=now, output=output.data if output is not None else None)


def canceled(job: jobs.Job, token: str, *, model: specs.Model, now: int) -> protocol.End:
    """The end of a job that was canceled while it ran."""
    return _end(job, token, words.Status.CANCELED, _details(job, started=job.started_at), model=model, now=now)


def expired(job: jobs.Job, token: str, *, model: specs.Model, now: int) -> protocol.End:
    """The end of a job whose deadline passed while it was claimed and had not begun."""
    return _end(job, token, words.Status.EXPIRED, _details(job, started=None), model=model, now=now)


def postponed(job: jobs.Job, got: protocol.Claimed, again: retry.Again, *, model: specs.Model) -> protocol.Postponed:
    """A claimed job that is to be tried again later."""
    details = _details(job, started=None)
    tries = job.retries + (again.counted and not again.charged)
    return protocol.Postponed(
        id=job.id,
        token=got.token,
        details=msgspec.structs.replace(details, retries=tries),
        charged=again.charged,
        anew=not again.counted and got.starts == 1 and job.retries == 0,
        expires_at=job.deadline,
        waits=_waits(job, model),
    )


def released(job: jobs.Job, got: protocol.Claimed, *, model: specs.Model) -> protocol.Release:
    """A claimed job that is given back until it is its turn."""
    return protocol.Release(id=job.id, token=got.token, expires_at=job.deadline, waits=_waits(job, model))


def timings(
    job: jobs.Job, *, started: int, ready_at: int, batch_ms: float, predict_ms: float, batch_size: int
) -> records.Timings:
    """Where a job's time went: started at `started` by a worker that is ready since `ready_at` (Unix ms)."""
    return records.Timings(
        queued_ms=max(started - job.accepted_at, 0),
        batch_ms=batch_ms,
        predict_ms=predict_ms,
        batch_size=batch_size,
        cold_ms=ready_at - job.accepted_at if job.accepted_at < ready_at <= started else None,
    )


def hook(job: jobs.Job, model: specs.Model) -> protocol.Hook | None:
    """Its webhook: its own, else the model's."""
    return protocol.hook(job.envelope.webhook if job.envelope is not None else None, default=model.webhook)


def _waits(job: jobs.Job, model: specs.Model) -> protocol.Waits:
    content = job.envelope
    return protocol.Waits(notify=content.notify if content is not None else None, hook=hook(job, model))


def _details(
    job: jobs.Job,
    *,
    started: int | None,
    error: records.Error | None = None,
    timings: records.Timings | None = None,
    media: str | None = None,
    answered_at: int | None = None,
) -> records.Details:
    content = job.envelope
    return records.Details(
        started_at=started,
        error=error,
        timings=timings,
        metadata=content.metadata if content is not None else None,
        media=media,
        cached=answered_at is not None,
        answered_at=answered_at,
        traceparent=content.traceparent if content is not None else None,
        place=job.origin,
        replay_of=content.replay_of if content is not None else None,
        retries=job.retries,
        streamed=job.streamed,
    )


def _end(
    job: jobs.Job,
    token: str,
    status: words.Status,
    details: records.Details,
    *,
    model: specs.Model,
    now: int,
    output: bytes | None = None,
) -> protocol.End:
    return protocol.End(
        id=job.id,
        token=token,
        status=status,
        completed_at=now,
        details=details,
        output=output,
        keep_ms=model.keep * 1000,
        ttl_ms=job.expires_at - now,
        notify=job.envelope.notify if job.envelope is not None else None,
        hook=hook(job, model),
    )
