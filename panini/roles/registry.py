"""The registry: the only process that opens the database. Others ask it over HTTP."""

import fastapi

import registry.internal
import registry.routes
import registry.settings
import registry.topics
from panini import keys
from panini.roles import base
from registry import service
from wire import directory, webhooks


def mount(app: fastapi.FastAPI) -> None:
    """Its routes."""
    app.include_router(registry.routes.router)
    app.include_router(registry.internal.router, include_in_schema=False)


async def start(process: base.Process) -> None:
    """Open the database; the directory of this process is the registry's own, and a change holds in it at once."""
    options = registry.settings.Settings.load()
    kept = service.Registry(options, registry.topics.KafkaTopics(process.connections, options))
    await kept.start()
    process.stack.push_async_callback(kept.close)
    state = process.app.state
    state.registry = kept
    state.webhook_secrets = webhooks.Secrets(process.service.signing_key.get_secret_value().encode())
    await keys.settle(kept, getattr(state, "key_file", None))
    state.directory = directory.Directory(kept.snapshot)
    await process.background(_at_once(kept, state.directory))


async def _at_once(kept: service.Registry, known: directory.Directory) -> None:
    while not kept.changes.released:
        seen = kept.changes.number
        await known.refresh()
        await kept.changes.wait(seen, 60.0)
