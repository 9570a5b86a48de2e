"""A version's own page: its build live, step by step, up to `done deploying`; or why it failed."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Response

from dashboard import eventstream, guards, live, records, snippets, steps, subjects

router = APIRouter(route_class=guards.Page)


@router.get("/models/{model}/versions/{number}")
async def version(visitor: guards.Member, model: str, number: int) -> Response:
    """What becomes, or became, of a version."""
    subject = await subjects.find(visitor, model)
    chosen = subject.version(number)
    build = await folded(visitor, chosen)
    template = {"building": "building.html", "failed": "failed.html"}.get(chosen.state, "done.html")
    calls = snippets.every(
        url=visitor.site.public_url,
        model=model,
        input_type=chosen.options.input,
        topic=chosen.topic,
        kafka=visitor.site.kafka,
    )
    return visitor.page(
        template,
        subject=subject,
        model=subject.model,
        version=chosen,
        build=build,
        steps=list(build.steps.values()),
        snippets=calls,
    )


@router.get("/models/{model}/versions/{number}/events")
async def events(
    visitor: guards.Member,
    model: str,
    number: int,
    after: int = 0,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """The build's steps and lines behind number `after`, and its end."""
    subject = await subjects.find(visitor, model)
    seen = max(after, int(last_event_id)) if last_event_id.isdecimal() else after
    return live.response(follow(visitor, subject.version(number), seen), visitor.site.closing)


async def folded(visitor: guards.Visitor, version: records.Version) -> steps.Build:
    """The build as its log tells it so far."""
    build = steps.Build(version.entry)
    for number, line in enumerate((await visitor.api.log(version.model, version.version)).splitlines(), 1):
        if version.state != "building" and build.steps["check"].state is steps.State.DONE:
            break  # what the model printed since is its log's, not its build's
        build.take(number, line)
    build.settle(version.state, version.failed_step)
    return build


async def follow(visitor: guards.Visitor, version: records.Version, after: int) -> AsyncIterator[eventstream.Event]:
    """Lines are added to their step; a step whose state changed comes whole."""
    pages = visitor.site.pages
    build = steps.Build(version.entry)
    async for event in visitor.api.follow(version.model, version.version):
        match event.name:
            case "line":
                place, line, changed = build.take(int(event.id), event.data)
                if line.number <= after:
                    continue
                for name in changed:
                    html = pages.macro("_build.html", "step", build.steps[name])
                    yield eventstream.Event(name=f"step-{name}", data=html, id=event.id)
                if place not in changed:
                    html = pages.macro("_parts.html", "log_line", line)
                    yield eventstream.Event(name=f"line-{place}", data=html, id=event.id)
            case "state":
                yield eventstream.Event(name="finished", data="")
                return
            case _:
                yield event
