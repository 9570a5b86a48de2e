"""Ingest: jobs in, to Kafka."""

import asyncio
from typing import Final

import fastapi

import ingest.bulk_routes
import ingest.routes
import ingest.settings
from ingest import accept, floods, idempotency, known, notes, producer
from panini.roles import base
from panini.roles import results as results_role
from results import budget, caching, reservations
from results import settings as results_settings
from wire import directory, names

TIDY: Final = 5.0
"""Seconds between looks for topics whose models were removed."""


def mount(app: fastapi.FastAPI) -> None:
    """Its routes."""
    app.include_router(ingest.routes.router)
    app.include_router(ingest.bulk_routes.router)


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
    flooded = floods.Floods(unfinished=kept.store.unfinished, most=options.ingest_flood)
    idempotent = idempotency.Idempotency(reservations.Reservations(state.link), kept.waiters)
    state.notes = notes.Notes(kept.store, most=options.ingest_notes)
    kept.on_found = state.notes.forget
    await process.background(state.notes.run())
    state.budget = budget.Budget(state.link, asked=results_settings.Memory.load().result_budget)
    await process.background(state.budget.run())
    state.acceptor = accept.Acceptor(
        signer=kept.signer,
        kafka=into,
        waiters=kept.waiters,
        flooded=flooded,
        idempotent=idempotent,
        noted=state.notes,
        room=state.budget,
        answers=known.Known(store=kept.store, answers=caching.Cache(state.link)),
    )
    await process.background(_tidy(into, state.directory))


async def _tidy(into: producer.Producer, known: directory.Directory) -> None:
    while True:
        await asyncio.sleep(TIDY)
        into.keep({of(one.account, one.model) for one in known.every() for of in (names.jobs_topic, names.bulk_topic)})
