"""The dashboard: pages that ask the public API over a socket, wherever it is, this process included."""

import fastapi

import dashboard.backend
import dashboard.routes
import dashboard.settings
import dashboard.site
import dashboard.snippets
from panini import listening
from panini.roles import base


def mount(app: fastapi.FastAPI) -> None:
    """Its pages."""
    app.include_router(dashboard.routes.router)


async def start(process: base.Process) -> None:
    """Make the site."""
    own = listening.Settings.load()
    options = dashboard.settings.Settings.load()
    api = await process.stack.enter_async_context(dashboard.backend.client(options.dashboard_api or own.url))
    secret = process.service.internal_token.get_secret_value().encode()
    connections = process.connections
    kafka = dashboard.snippets.Kafka(
        bootstrap=connections.kafka, sasl=connections.kafka_username is not None, local=own.local_stack
    )
    process.app.state.dashboard = dashboard.site.Site(
        api, secret, own.public_url or own.url, config=options, kafka=kafka
    )
