"""A version's log, live."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from dashboard import eventstream, guards, live, records, steps, subjects

router = APIRouter(route_class=guards.Page)


@router.get("/models/{model}/logs")
async def logs(visitor: guards.Member, model: str, version: int | None = None) -> Response:
    """The log of a version: its build, then what the model prints."""
    subject = await subjects.find(visitor, model)
    chosen = subject.version(version) if version is not None else subject.shown
    return subjects.page(visitor, "logs.html", subject, chosen=chosen, lines=await _lines(visitor, chosen))


@router.get("/models/{model}/versions/{number}/log/events")
async def log_events(visitor: guards.Member, model: str, number: int, after: int = 0) -> Response:
    """The lines behind number `after`, as they come."""
    subject = await subjects.find(visitor, model)
    stream = _follow(visitor, subject.version(number), after)
    return live.response(stream, visitor.site.closing)


@router.get("/models/{model}/versions/{number}/log")
async def text(visitor: guards.Member, model: str, number: int) -> Response:
    """The log as a file."""
    subject = await subjects.find(visitor, model)
    content = await visitor.api.log(model, subject.version(number).version)
    name = f"{model}-v{number}.log"
    return PlainTextResponse(content, headers={"Content-Disposition": f'attachment; filename="{name}"'})


async def _lines(visitor: guards.Visitor, version: records.Version) -> list[steps.Line]:
    """The last lines. A built version's come numbered; one that is being built began at 1."""
    if version.state == "building":
        return steps.shown(version.entry, 1, await visitor.api.log(version.model, version.version))
    build = steps.Build(version.entry)
    kept: list[steps.Line] = []
    async for event in visitor.api.follow(version.model, version.version):
        if event.name == "line":
            kept.append(build.take(int(event.id), event.data)[1])
            del kept[: -steps.KEPT]
    return kept


async def _follow(visitor: guards.Visitor, version: records.Version, after: int) -> AsyncIterator[eventstream.Event]:
    build = steps.Build(version.entry)
    async for event in visitor.api.follow(version.model, version.version, until="never"):
        if event.name == "line":
            line = build.take(int(event.id), event.data)[1]
            if line.number > after:
                html = visitor.site.pages.macro("_parts.html", "log_line", line)
                yield eventstream.Event(name="line", data=html, id=event.id)
        elif not event.name:
            yield event
