"""The HTTP application: the routers of the rooms, in one process or each alone, and what they stand on.

all        registry + ingest + results (+ dashboard) in one process: a laptop
registry   the only process that opens the database
ingest, results, dashboard   ask the registry over HTTP; run as many as you like
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable

import fastapi
import fastapi.exceptions
import starlette.exceptions
from fastapi.responses import Response

import dashboard.backend
import dashboard.routes
import dashboard.settings
import dashboard.site
import dashboard.snippets
import ingest.routes
import ingest.settings
import registry.internal
import registry.routes
import registry.settings
import registry.topics
import results.routes
from ingest import accept, producer
from panini import keys, listening, memory, pages
from registry import client, service
from results import answers, link, store, sweep, waiting
from wire import directory, ids, problems
from wire import settings as wire_settings

log = logging.getLogger(__name__)

ROLES = ("ingest", "results", "registry", "dashboard", "all")


def make(role: str) -> fastapi.FastAPI:
    """The application of one role, from the environment's settings; nothing runs before its lifespan begins."""
    app = fastapi.FastAPI(
        title="Panini",
        version="1",
        summary="A trained model as an asynchronous service",
        lifespan=lambda app: _lifespan(app, role),
        docs_url="/docs",
        redoc_url=None,
    )
    _answer_errors(app)
    wanted = ROLES[:-1] if role == "all" else (role,)
    if "registry" in wanted:
        app.include_router(registry.routes.router)
        app.include_router(registry.internal.router, include_in_schema=False)
    if "ingest" in wanted:
        app.include_router(ingest.routes.router)
    if "results" in wanted:
        app.include_router(results.routes.router)
    app.include_router(pages.router)
    if "dashboard" in wanted:
        app.include_router(dashboard.routes.router)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: fastapi.FastAPI, role: str) -> AsyncIterator[None]:
    known = wire_settings.Service.load()
    connections = wire_settings.Connections.load()
    app.state.role = role
    app.state.started = time.monotonic()
    app.state.internal_token = known.internal_token.get_secret_value()
    async with contextlib.AsyncExitStack() as stack:
        if role in {"all", "registry"}:
            await _registry(app, stack, connections)
        else:
            away = await stack.enter_async_context(client.Client(known.registry, app.state.internal_token))
            app.state.directory = directory.Directory(away.snapshot)
        await _background(stack, app.state.directory.run())
        await app.state.directory.fresh()
        if role in {"all", "ingest", "results"}:
            await _jobs(app, stack, role, connections, known)
        if role in {"all", "dashboard"}:
            await _dashboard(app, stack, connections)
        memory.settle()
        yield


async def _registry(
    app: fastapi.FastAPI, stack: contextlib.AsyncExitStack, connections: wire_settings.Connections
) -> None:
    options = registry.settings.Settings.load()
    kept = service.Registry(options, registry.topics.KafkaTopics(connections, options))
    await kept.start()
    stack.push_async_callback(kept.close)
    app.state.registry = kept
    await keys.settle(kept, getattr(app.state, "key_file", None))
    app.state.directory = directory.Directory(kept.snapshot)
    await _background(stack, _at_once(kept, app.state.directory))


async def _at_once(kept: service.Registry, known: directory.Directory) -> None:
    """In the registry's own process a change holds at once."""
    while not kept.changes.released:
        seen = kept.changes.number
        await known.refresh()
        await kept.changes.wait(seen, 60.0)


async def _jobs(
    app: fastapi.FastAPI,
    stack: contextlib.AsyncExitStack,
    role: str,
    connections: wire_settings.Connections,
    known: wire_settings.Service,
) -> None:
    over = link.Link(connections)
    stack.push_async_callback(over.aclose)
    kept = store.Store(over)
    waiters = waiting.Waiters(over, kept)
    await _background(stack, waiters.run())
    signer = ids.Signer({0: known.signing_key.get_secret_value().encode()}, 0)
    app.state.results = answers.Results(kept, waiters, signer)
    if role in {"all", "results"}:
        await _background(stack, sweep.run(kept, app.state.directory.every))
    if role in {"all", "ingest"}:
        options = ingest.settings.Settings.load()
        into = producer.Producer(
            kafka_python=connections.kafka_python(),
            buffer_bytes=options.ingest_buffer,
            ack_timeout=options.ingest_ack_timeout,
        )
        await into.start()
        stack.push_async_callback(into.stop)
        app.state.ingest_settings = options
        app.state.producer = into
        app.state.acceptor = accept.Acceptor(signer=signer, kafka=into, waiters=waiters)


async def _dashboard(
    app: fastapi.FastAPI, stack: contextlib.AsyncExitStack, connections: wire_settings.Connections
) -> None:
    """The pages ask the public API, over a socket, wherever it is: in this process too."""
    own = listening.Settings.load()
    options = dashboard.settings.Settings.load()
    api = await stack.enter_async_context(dashboard.backend.client(options.dashboard_api or own.url))
    app.state.dashboard = dashboard.site.Site(
        api,
        app.state.internal_token.encode(),
        own.public_url or own.url,
        config=options,
        kafka=dashboard.snippets.Kafka(
            bootstrap=connections.kafka, sasl=connections.kafka_username is not None, local=own.local_stack
        ),
    )


async def _background(stack: contextlib.AsyncExitStack, work: Awaitable[None]) -> None:
    """Run `work` until the stack closes; an error of ours in it is told at once, not at the end."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_tell)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


def _tell(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a background task ended", exc_info=error)


def _answer_errors(app: fastapi.FastAPI) -> None:
    """Every error is a problem document: ours, the framework's, and what nobody expected."""

    @app.exception_handler(problems.Problem)
    async def problem(_: fastapi.Request, error: problems.Problem) -> Response:
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
        return _response(
            problems.Problem(500, "Our mistake", "an error of Panini itself; the log of this process has it")
        )


def _response(problem: problems.Problem) -> Response:
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=problems.MEDIA_TYPE)
