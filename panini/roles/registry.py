"""The registry: the only process that opens the database. Others ask it over HTTP."""

import fastapi

import registry.internal
import registry.routes
import registry.settings
import registry.topics
from panini import keys
from panini.roles import base
from registry import errors, purging, service
from results import errors as results_errors
from results import link, store
from wire import directory, webhooks


def mount(app: fastapi.FastAPI) -> None:
    """Its routes."""
    app.include_router(registry.routes.router)
    app.include_router(registry.internal.router, include_in_schema=False)


async def start(process: base.Process) -> None:
    """Open the database; the directory of this process is the registry's own, and a change holds in it at once."""
    options = registry.settings.Settings.load()
    known_topics = registry.topics.KafkaTopics(process.connections, options)
    kept = service.Registry(options, known_topics)
    await kept.start()
    process.stack.push_async_callback(kept.close)
    state = process.app.state
    state.registry = kept
    state.webhook_secrets = webhooks.Secrets(process.service.signing_key.get_secret_value().encode())
    await keys.settle(kept, getattr(state, "key_file", None))
    state.directory = directory.Directory(kept.snapshot)
    await process.background(_at_once(kept, state.directory))
    over = link.Link(process.connections)
    process.stack.push_async_callback(over.aclose)
    await process.background(purging.Purger(kept, known_topics, _forget(store.Store(over))).run())


def _forget(kept: store.Store) -> purging.Forget:
    """What results keep of a removed model's jobs is dropped there, and told of in the registry's words."""

    async def forget(account: str, model: str) -> int:
        try:
            return await kept.purge(account, model)
        except results_errors.ResultsError as error:
            raise errors.ResultsUnavailable(f"the store of results did not take it: {error}") from error

    return forget


async def _at_once(kept: service.Registry, known: directory.Directory) -> None:
    while not kept.changes.released:
        seen = kept.changes.number
        await known.refresh()
        await kept.changes.wait(seen, 60.0)
