"""Results: what became of jobs. Also the part of it that ingest needs, to wait for the ends of its clients' jobs."""

import fastapi

import results.bulk_routes
import results.change_routes
import results.push_routes
import results.routes
import results.stream_routes
from panini.roles import base
from results import (
    answers,
    changes,
    deliverer,
    deliveries,
    expiry,
    link,
    pushes,
    sending,
    settings,
    store,
    streams,
    sweep,
    waiting,
    words,
)
from wire import ids, webhooks


def mount(app: fastapi.FastAPI) -> None:
    """Its routes."""
    app.include_router(results.routes.router)
    app.include_router(results.change_routes.router)
    app.include_router(results.bulk_routes.router)
    app.include_router(results.push_routes.router)
    app.include_router(results.stream_routes.router)


async def shared(process: base.Process) -> answers.Results:
    """The store and the waits of this process, made once for all of its roles."""
    state = process.app.state
    if not hasattr(state, "results"):
        over = link.Link(process.connections)
        process.stack.push_async_callback(over.aclose)
        kept = store.Store(over)
        waiters = waiting.Waiters(over, kept)
        await process.background(waiters.run())
        signer = ids.Signer({0: process.service.signing_key.get_secret_value().encode()}, 0)
        state.link = over
        state.results = answers.Results(kept, waiters, signer)
    found: answers.Results = state.results
    return found


async def start(process: base.Process) -> None:
    """Answer reads, deliver webhooks, end queued jobs in time, and free what is past its time."""
    kept = await shared(process)
    state = process.app.state
    state.reads = kept  # only where reading a job is an address of this process: `panini.hot` asks
    state.changes = changes.Changes(kept)
    state.streams = streams.Streams(kept, words.Words(state.link))
    state.pushes = pushes.Pushes(kept, deliveries.Outbox(state.link))
    await process.background(sweep.run(kept.store, state.directory.every))
    await process.background(expiry.Sweeper(state.link, kept.store, endpoints=state.directory.every).run())
    options = settings.Push.load()
    sender = sending.Sender(private=options.webhook_private, timeout=options.webhook_timeout)
    process.stack.push_async_callback(sender.aclose)
    delivering = deliverer.Deliverer(
        state.link,
        kept.store,
        endpoints=state.directory.every,
        secrets=webhooks.Secrets(process.service.signing_key.get_secret_value().encode()),
        signer=kept.signer,
        sender=sender,
        options=options,
    )
    await process.background(delivering.run())
