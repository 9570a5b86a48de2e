"""The HTTP application of a process: the roles it has, the errors they share, and what it tells of itself.

all        registry + results + ingest + dashboard in one process: a laptop
registry   the only process that opens the database
results, ingest, dashboard   ask the registry over HTTP; run as many as you like
"""

import contextlib
import importlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

import fastapi
import fastapi.exceptions
import starlette.exceptions
from fastapi.responses import Response

from panini import memory, pages
from panini.roles import base
from registry import client
from wire import directory, metrics, problems

log = logging.getLogger(__name__)

ROLES: Final = ("registry", "results", "ingest", "dashboard")
"""In the order in which they start; `all` is every one of them."""


def make(role: str) -> fastapi.FastAPI:
    """The application of one role, or of `all`; nothing runs before its lifespan begins.

    Only the modules of its own roles are imported: an ingest process carries no database and no pages.
    """
    wanted = ROLES if role == "all" else (role,)
    roles = [importlib.import_module(f"panini.roles.{name}") for name in wanted]
    app = fastapi.FastAPI(
        title="Panini",
        version="1",
        summary="A trained model as an asynchronous service",
        lifespan=lambda app: _lifespan(app, roles, owns_registry="registry" in wanted),
        docs_url="/docs",
        redoc_url=None,
    )
    _answer_errors(app)
    app.include_router(pages.router)
    for module in roles:
        module.mount(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: fastapi.FastAPI, roles: list[Any], *, owns_registry: bool) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        process = base.Process(app, stack)
        app.state.internal_token = process.service.internal_token.get_secret_value()
        if not owns_registry:
            away = await stack.enter_async_context(client.Client(process.service.registry, app.state.internal_token))
            app.state.directory = directory.Directory(away.snapshot)
            await process.background(app.state.directory.run())
            await app.state.directory.fresh()
        for role in roles:
            await role.start(process)
        if owns_registry:
            await process.background(app.state.directory.run())
            await app.state.directory.fresh()
        memory.settle()
        yield


def _answer_errors(app: fastapi.FastAPI) -> None:
    """Every error is a problem document: ours, the framework's, and what nobody expected."""

    @app.exception_handler(problems.Problem)
    async def problem(request: fastapi.Request, error: problems.Problem) -> Response:
        if request.method == "POST" and request.url.path.endswith(("/jobs", "/predict", "/bulk")):
            metrics.JOBS_REFUSED.labels(error.status).inc()
        return _response(error)

    @app.exception_handler(starlette.exceptions.HTTPException)
    async def framework(request: fastapi.Request, error: starlette.exceptions.HTTPException) -> Response:
        detail = {
            404: f"there is nothing at {request.url.path}; /docs lists every address",
            405: f"{request.method} is not for {request.url.path}; /docs lists what is",
        }.get(error.status_code, str(error.detail))
        return _response(problems.Problem(error.status_code, "", detail, headers=dict(error.headers or {})))

    @app.exception_handler(fastapi.exceptions.RequestValidationError)
    async def invalid(_: fastapi.Request, error: fastapi.exceptions.RequestValidationError) -> Response:
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return _response(problems.Problem(422, "Not understood", found))

    @app.exception_handler(Exception)
    async def unexpected(request: fastapi.Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return _response(problems.OURS)


def _response(problem: problems.Problem) -> Response:
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=problems.MEDIA_TYPE)
