"""Results: what became of jobs. Also the part of it that ingest needs, to wait for the ends of its clients' jobs."""

import fastapi

import results.change_routes
import results.routes
from panini.roles import base
from results import answers, changes, link, store, sweep, waiting
from wire import ids


def mount(app: fastapi.FastAPI) -> None:
    """Its routes."""
    app.include_router(results.routes.router)
    app.include_router(results.change_routes.router)


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
        state.results = answers.Results(kept, waiters, signer)
    found: answers.Results = state.results
    return found


async def start(process: base.Process) -> None:
    """Answer reads, and free what is past its time."""
    kept = await shared(process)
    process.app.state.changes = changes.Changes(kept)
    await process.background(sweep.run(kept.store, process.app.state.directory.every))
