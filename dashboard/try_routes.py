"""`Try it`: one input, its answer, and where the time went."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData, UploadFile

from dashboard import errors, guards, inputs, pages, records, subjects

router = APIRouter(route_class=guards.Page)

MAX_PART = 32 << 20
"""Bytes of a typed input at most; the API's own bound on a job is tighter."""


@router.get("/models/{model}/try")
async def try_it(visitor: guards.Member, model: str, kind: str = "") -> Response:
    """The form."""
    subject = await subjects.find(visitor, model)
    return _page(visitor, subject, inputs.kind(kind, subject.model.input))


@router.post("/models/{model}/try")
async def run(visitor: guards.Member, request: Request, model: str) -> Response:
    """Post the input as a job through the API and show what became of it."""
    subject = await subjects.find(visitor, model)
    async with request.form(max_files=1, max_fields=10, max_part_size=MAX_PART) as form:
        kind = inputs.kind(str(form.get("kind", "")), subject.model.input)
        given = {name: str(value) for name, value in form.items() if isinstance(value, str)}
        try:
            value = await _value(form, kind, subject)
        except errors.BadInput as error:
            return _answer(visitor, subject, kind, given, error=str(error), status=422)
    version = given.get("version", "")
    body = inputs.body(value, version=int(version) if version.isdecimal() else None, cache="cache" in given)
    try:
        job = await visitor.api.submit(model, body, visitor.site.config.dashboard_try_wait)
    except errors.ApiRefused as refusal:
        return _answer(visitor, subject, kind, given, refusal=refusal, status=refusal.status)
    return _answer(visitor, subject, kind, given, job=job)


async def _value(form: FormData, kind: str, subject: subjects.Subject) -> Any:
    """What was given. Raises BadInput."""
    if kind == "file":
        file = form.get("file")
        return inputs.from_file(await file.read() if isinstance(file, UploadFile) else b"")
    text = str(form.get("text", ""))
    if kind == "numbers":
        return inputs.from_numbers(text, whole=subject.model.input == "ints")
    return text if kind == "text" else inputs.from_json(text)


def _answer(
    visitor: guards.Visitor,
    subject: subjects.Subject,
    kind: str,
    given: Mapping[str, str],
    *,
    job: records.Job | None = None,
    error: str = "",
    refusal: errors.ApiRefused | None = None,
    status: int = 200,
) -> Response:
    """The result alone where a script asked for it, else the whole page with it."""
    if visitor.scripted:
        html = visitor.site.pages.render("_try_result.html", job=job, error=error, refusal=refusal)
        return HTMLResponse(html)  # a typing error is no failure of the page: the browser's console stays silent
    return _page(visitor, subject, kind, given=given, job=job, error=error, refusal=refusal, status=status)


def _page(
    visitor: guards.Visitor,
    subject: subjects.Subject,
    kind: str,
    *,
    given: Mapping[str, str] | None = None,
    job: records.Job | None = None,
    error: str = "",
    refusal: errors.ApiRefused | None = None,
    status: int = 200,
) -> Response:
    return subjects.page(
        visitor,
        "try.html",
        subject,
        status=status,
        kind=kind,
        kinds=[(each, inputs.LABELS[each]) for each in inputs.KINDS.get(subject.model.input, ("json",))],
        given=pages.Given(given or {}),
        job=job,
        error=error,
        refusal=refusal,
    )
