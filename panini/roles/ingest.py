"""Ingest: jobs in, to Kafka."""

import fastapi

import ingest.routes
import ingest.settings
from ingest import accept, producer
from panini.roles import base
from panini.roles import results as results_role


def mount(app: fastapi.FastAPI) -> None:
    """Its routes."""
    app.include_router(ingest.routes.router)


async def start(process: base.Process) -> None:
    """Connect to Kafka; jobs are refused until it answered."""
    options = ingest.settings.Settings.load()
    kept = await results_role.shared(process)
    into = producer.Producer(
        kafka_python=process.connections.kafka_python(),
        buffer_bytes=options.ingest_buffer,
        ack_timeout=options.ingest_ack_timeout,
    )
    await into.start()
    process.stack.push_async_callback(into.stop)
    state = process.app.state
    state.ingest_settings = options
    state.producer = into
    state.acceptor = accept.Acceptor(signer=kept.signer, kafka=into, waiters=kept.waiters)
