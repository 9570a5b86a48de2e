"""The list of models, a model's overview and its versions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Form, Response

from dashboard import errors, eventstream, guards, jobviews, live, pages, sessions, shown, snippets, subjects

router = APIRouter(route_class=guards.Page)

RECENT = 5
"""Jobs that an overview shows."""


@router.get("/")
@router.get("/models")
async def models(visitor: guards.Member, q: str = "") -> Response:
    """Every model, those that need a person first; or what to do with none."""
    found = shown.needs_first(await visitor.api.models())
    if not found:
        return visitor.page("models_empty.html", known=None, refusal=None, given=pages.Given())
    kept = [model for model in found if q.strip().lower() in model.model]
    return visitor.page("models.html", models=kept, every=len(found), q=q)


@router.get("/events/models")
async def models_events(visitor: guards.Member, q: str = "") -> Response:
    """Rows of the list of models, as they change."""
    return live.response(_rows(visitor, q), visitor.site.closing)


async def _rows(visitor: guards.Visitor, q: str) -> AsyncIterator[eventstream.Event]:
    """A row for each change of one; all rows when a model came or went."""
    told: dict[str, str] | None = None
    while True:
        found = shown.needs_first(await visitor.api.models())
        kept = [model for model in found if q.strip().lower() in model.model]
        rows = {model.model: visitor.site.pages.macro("_rows.html", "model_row", model) for model in kept}
        if told is not None and set(rows) != set(told):
            yield eventstream.Event(name="models", data="".join(rows.values()))
        elif told is not None:
            for name, row in rows.items():
                if row != told[name]:
                    yield eventstream.Event(name=f"model-{name}", data=row)
        told = rows
        await asyncio.sleep(visitor.site.config.dashboard_refresh)


@router.get("/models/{model}")
async def overview(visitor: guards.Member, model: str) -> Response:
    """How a model is called, what runs, and what it did last."""
    subject = await subjects.find(visitor, model)
    calls = snippets.every(
        url=visitor.site.public_url,
        model=model,
        input_type=subject.model.input,
        topic=subject.model.topic,
        kafka=visitor.site.kafka,
    )
    recent = await jobviews.listing(visitor.api, [subject.model], limit=RECENT)
    return subjects.page(visitor, "overview.html", subject, snippets=calls, listing=recent)


@router.get("/models/{model}/versions")
async def versions(visitor: guards.Member, model: str) -> Response:
    """Every version, and the way back."""
    return subjects.page(visitor, "versions.html", await subjects.find(visitor, model))


@router.post("/models/{model}/rollback")
async def rollback(visitor: guards.Member, model: str, version: Annotated[int, Form()]) -> Response:
    """Make an earlier version live again. Nothing is asked: the way back is as short."""
    subject = await subjects.find(visitor, model)
    before = subject.model.live
    subject.version(version)
    try:
        await visitor.api.rollback(model, version)
    except errors.ApiRefused as error:
        flash = sessions.Flash(kind="bad", text=f"Version {version} did not go live.", detail=error.detail)
        return visitor.go(f"/models/{model}/versions", flash)
    detail = f"The queued jobs go to it. Version {before} stays ready." if before not in (None, version) else ""
    return visitor.go(
        f"/models/{model}/versions", sessions.Flash(text=f"Version {version} of {model} is live.", detail=detail)
    )
