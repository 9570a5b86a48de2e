"""Lists of jobs, one job's page, and what it left."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from dashboard import backend, errors, eventstream, guards, jobviews, live, records, sessions, subjects
from wire import jobs, names

router = APIRouter(route_class=guards.Page)

STATUSES: Final = tuple(jobs.Status)
WATCHED: Final = 50
"""Rows that a list keeps watching, the newest."""


@router.get("/jobs")
async def every_job(visitor: guards.Member, model: str = "", status: str = "", id: str = "") -> Response:  # noqa: A002
    """The newest jobs of all models, or of one; or the job with an id."""
    if id.strip():
        path = f"/models/{model}/jobs/{id.strip()}" if model else f"/jobs/{id.strip()}"
        return visitor.go(path if names.is_job_id(id.strip()) else "/jobs")
    models = await visitor.api.models()
    chosen = [each for each in models if each.model == model] or models
    found = await jobviews.listing(visitor.api, chosen, status=_status(status))
    return visitor.page(
        "jobs.html", models=models, chosen=model, wanted=status, statuses=STATUSES, listing=found, one=len(chosen) == 1
    )


@router.get("/models/{model}/jobs")
async def model_jobs(visitor: guards.Member, model: str, status: str = "", cursor: str = "") -> Response:
    """A model's jobs, page by page."""
    subject = await subjects.find(visitor, model)
    found = await jobviews.listing(visitor.api, [subject.model], status=_status(status), cursor=cursor or None)
    return subjects.page(
        visitor, "model_jobs.html", subject, listing=found, wanted=status, statuses=STATUSES, cursor=cursor
    )


@router.get("/events/jobs")
async def jobs_events(visitor: guards.Member, model: str = "", status: str = "", after: str = "") -> Response:
    """What becomes of the rows of a list whose newest job was created at `after`, and how many newer ones wait."""
    return live.response(_changes(visitor, model, _status(status), after), visitor.site.closing)


async def _changes(
    visitor: guards.Visitor, model: str, status: str | None, after: str
) -> AsyncIterator[eventstream.Event]:
    """Rows change in their place; new ones are counted, and come when they are asked for.

    The first look is held against what the page shows, so that nothing is missed between the page and its stream, or
    while a stream was lost: each row comes once as it is then.
    """
    pages = visitor.site.pages
    models = [each for each in await visitor.api.models() if model in ("", each.model)]
    told: dict[str, str] = {}
    newer: set[str] = set()
    while True:
        found = await jobviews.listing(visitor.api, models, status=status, limit=WATCHED)
        counted, first = len(newer), not told
        for job in found.jobs:
            state = f"{job.status} {job.version}"
            if job.id not in told and not (first and job.created_at <= after):
                newer.add(job.id)
            elif told.get(job.id) != state and job.id not in newer:
                yield eventstream.Event(name=f"job-{job.id}", data=pages.macro("_rows.html", "job_row", job, not model))
            told[job.id] = state
        if len(newer) > counted:
            yield eventstream.Event(name="newer", data=pages.macro("_rows.html", "newer", len(newer), WATCHED))
        await asyncio.sleep(visitor.site.config.dashboard_refresh)


@router.get("/jobs/{job_id}")
async def job(visitor: guards.Member, job_id: str) -> Response:
    """A job with an id that Panini made."""
    return await _job_page(visitor, await _find(visitor, job_id, None))


@router.get("/models/{model}/jobs/{job_id}")
async def job_of_model(visitor: guards.Member, model: str, job_id: str) -> Response:
    """A job by any id."""
    return await _job_page(visitor, await _find(visitor, job_id, model))


@router.get("/jobs/{job_id}/events")
async def job_events(visitor: guards.Member, job_id: str) -> Response:
    """A job until it ended."""
    return live.response(_until_ended(visitor, job_id, None), visitor.site.closing)


@router.get("/models/{model}/jobs/{job_id}/events")
async def job_of_model_events(visitor: guards.Member, model: str, job_id: str) -> Response:
    """The same, by any id."""
    return live.response(_until_ended(visitor, job_id, model), visitor.site.closing)


async def _until_ended(visitor: guards.Visitor, job_id: str, model: str | None) -> AsyncIterator[eventstream.Event]:
    told, place = "", 0
    while True:
        found = await _find(visitor, job_id, model, wait=visitor.site.config.dashboard_refresh)
        if found.terminal:
            yield eventstream.Event(name="ended", data=found.status)
            return
        if found.status != told:
            told = found.status
            yield eventstream.Event(name="status", data=visitor.site.pages.macro("_parts.html", "status", told))
        if (found.queue_position or 0) != place:
            place = found.queue_position or 0
            yield eventstream.Event(name="place", data=f"place {place} in the queue" if place else "")


@router.post("/models/{model}/jobs/{job_id}/redeliver")
async def redeliver(visitor: guards.Member, model: str, job_id: str) -> Response:
    """Begin a new round of tries of the job's webhook."""
    return await _asked(visitor, model, job_id, visitor.api.redeliver, "The webhook is called again.")


@router.post("/models/{model}/jobs/{job_id}/cancel")
async def cancel(visitor: guards.Member, model: str, job_id: str) -> Response:
    """Cancel the job; one that has ended stays as it is."""
    return await _asked(visitor, model, job_id, visitor.api.cancel, "Cancel was asked: it ends within 2 s.")


async def _asked(
    visitor: guards.Visitor, model: str, job_id: str, ask: Callable[[str, str], Awaitable[None]], words: str
) -> Response:
    flash = sessions.Flash(text=words)
    try:
        await ask(_legal(job_id), model)
    except errors.ApiRefused as error:
        flash = sessions.Flash(kind="bad", text="That did not work.", detail=error.detail)
    return visitor.go(f"/models/{model}/jobs/{job_id}", flash)


@router.get("/jobs/{job_id}/{part}")
async def job_part(visitor: guards.Member, job_id: str, part: str) -> Response:
    """A job's document (`json`), its output as a file (`output`), as the API has them; or as `Try it` shows it."""
    if part == "result":
        return await _result(visitor, job_id, None)
    return await _part(visitor, backend.job_address(_legal(job_id), None), part)


@router.get("/models/{model}/jobs/{job_id}/{part}")
async def job_of_model_part(visitor: guards.Member, model: str, job_id: str, part: str) -> Response:
    """The same, by any id."""
    if part == "result":
        return await _result(visitor, job_id, model)
    return await _part(visitor, backend.job_address(_legal(job_id), model), part)


async def _result(visitor: guards.Visitor, job_id: str, model: str | None) -> Response:
    found = await _find(visitor, job_id, model)
    return HTMLResponse(visitor.site.pages.render("_try_result.html", job=found, error="", refusal=None))


async def _part(visitor: guards.Visitor, address: str, part: str) -> Response:
    if part not in ("json", "output"):
        raise errors.NoSuchPage
    answer = await visitor.api.document(address if part == "json" else f"{address}/output")
    media_type = answer.headers.get("content-type", "application/octet-stream")
    shown = part == "json" or media_type in ("image/png", "image/jpeg", "image/gif", "image/webp")
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox", "Content-Disposition": "inline"}
    if not shown:  # a model's word is never a page or a script of this site
        headers["Content-Disposition"] = 'attachment; filename="output"'
    return Response(answer.content, media_type=media_type, headers=headers)


async def _find(visitor: guards.Visitor, job_id: str, model: str | None, *, wait: float = 0) -> records.Job:
    return await visitor.api.job(_legal(job_id), model=model, wait=wait)


def _legal(job_id: str) -> str:
    if not names.is_job_id(job_id) or not job_id.strip("."):
        raise errors.NoSuchPage(f"{job_id[:60]!r} is no job's id.")
    return job_id


def _status(text: str) -> str | None:
    return text if text in STATUSES else None


async def _job_page(visitor: guards.Visitor, found: records.Job) -> Response:
    deliveries = []
    if found.terminal:
        with contextlib.suppress(errors.ApiRefused):  # the rest of the page stays
            deliveries = await visitor.api.deliveries(found.id, found.model)
    return visitor.page("job.html", job=found, deliveries=deliveries)
