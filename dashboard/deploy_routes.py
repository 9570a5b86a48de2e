"""Deploying: the form, and two ways to send it. With script it streams through to the API; without, by way of disk."""

from typing import Any, Final

import starlette.exceptions
import starlette.formparsers
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData, UploadFile

from dashboard import errors, guards, pages, records, sessions
from wire import names

router = APIRouter(route_class=guards.Page)

OPTIONS: Final = ("framework", "input", "batch", "max_batch", "timeout", "load_timeout", "memory_mb", "sample")
"""Fields that the API takes beside the files."""

MAX_FIELD: Final = 1 << 20


@router.get("/deploy")
async def deploy(visitor: guards.Member, model: str = "") -> Response:
    """The form; for a model that exists, with what its newest version had."""
    known = await _known(visitor, model)
    return visitor.page("deploy.html", known=known, refusal=None, given=pages.Given())


@router.post("/deploy")
async def deploy_form(visitor: guards.Member, request: Request) -> Response:
    """A form from a browser without script."""
    length = request.headers.get("content-length", "")
    limit = visitor.site.config.dashboard_form_bytes
    if not length.isdecimal() or int(length) > limit:
        raise errors.BadInput(
            f"A form without script may have {limit:,} bytes; turn scripts on, or use `panini deploy`."
        )
    try:
        async with request.form(max_files=1000, max_fields=50, max_part_size=MAX_FIELD) as form:
            return await _take(visitor, form)
    except (starlette.formparsers.MultiPartException, starlette.exceptions.HTTPException) as error:
        raise errors.BadInput(f"The form cannot be read: {error}") from error


async def _take(visitor: guards.Visitor, form: FormData) -> Response:
    model = str(form.get("name", "")).strip()
    files: list[tuple[str, tuple[str, Any]]] = [
        ("file", (each.filename, each.file))
        for each in form.getlist("file")
        if isinstance(each, UploadFile) and each.filename
    ]
    fields = {name: str(form[name]) for name in OPTIONS if str(form.get(name, "")).strip()}
    refusal = _refusal(model, has_files=bool(files))
    try:
        if refusal is None:
            return _onward(visitor, await visitor.api.deploy_form(model, files, fields))
    except errors.ApiRefused as error:
        refusal = error
    known = await _known(visitor, model)
    given = pages.Given(fields, name=model)
    return visitor.page("deploy.html", status=refusal.status, known=known, refusal=refusal, given=given)


@router.post("/models/{model}/upload")
async def upload(visitor: guards.Member, request: Request, model: str) -> Response:
    """The script's upload: passed on as it comes, so that its per cent are the truth. 201 with Location."""
    headers = {name: request.headers[name] for name in ("content-type", "content-length") if name in request.headers}
    try:
        refusal = _refusal(model, has_files=True)
        if refusal is not None:
            raise refusal
        made = await visitor.api.deploy(model, request.stream(), headers)
    except (errors.ApiRefused, errors.ApiUnavailable) as error:
        status = error.status if isinstance(error, errors.ApiRefused) else 503
        html = visitor.site.pages.render("_upload_refused.html", refusal=error)
        return HTMLResponse(html, status)
    return _onward(visitor, made, status=201)


def _onward(visitor: guards.Visitor, made: records.Version, status: int = 303) -> Response:
    """To the version's own page."""
    flash = None
    if made.unchanged:
        words = f"These files are version {made.version} already"
        flash = sessions.Flash(text=f"{words}, so nothing new was stored.")
    answer = visitor.go(f"/models/{made.model}/versions/{made.version}", flash)
    answer.status_code = status
    return answer


def _refusal(model: str, *, has_files: bool) -> errors.ApiRefused | None:
    """What is wrong before the API is asked."""
    if not names.is_model(model):
        detail = "A model's name is 1 to 40 of a-z, 0-9 and -, and neither begins nor ends with -."
        return errors.ApiRefused(422, "The model needs a name" if not model else "Bad model name", detail)
    if not has_files:
        return errors.ApiRefused(422, "No files", "Choose predict.py, requirements.txt and the weights.")
    return None


async def _known(visitor: guards.Visitor, model: str) -> records.Version | None:
    """The newest version of a model that exists."""
    if not names.is_model(model):
        return None
    try:
        return (await visitor.api.versions(model))[0]
    except errors.ApiRefused:
        return None
