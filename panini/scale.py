"""`panini scaler`: the workers of every model as Deployments of a Kubernetes cluster."""

import asyncio
import contextlib
import signal
import sys
import time

from k8s import cluster, errors, scaler
from k8s import settings as k8s_settings
from panini import logs
from registry import client
from wire import settings as wire_settings
from workers import health, lag, sandbox, scaling_settings
from workers import settings as worker_settings

STALE = 60.0
"""Seconds without a tick that ended well after which the scaler is not ready."""


def run() -> int:
    """Scale until SIGTERM or SIGINT; the exit code."""
    sandbox.protect_self()
    logs.configure("scaler")
    return asyncio.run(_serve())


async def _serve() -> int:
    service = wire_settings.Service.load()
    workers = worker_settings.Settings.load()
    options = k8s_settings.Settings.load()
    backlogs = lag.Lag(wire_settings.Connections.load())
    async with contextlib.AsyncExitStack() as stack:
        registry = await stack.enter_async_context(
            client.Client(service.registry, service.internal_token.get_secret_value())
        )
        stack.push_async_callback(backlogs.close)
        made = scaler.Scaler(
            options=options,
            policy=scaling_settings.ScalingSettings.load(),
            worker_drain=workers.worker_drain,
            registry=registry,
            backlogs=backlogs,
            cluster=cluster.Cluster(options),
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, made.stop)
        if workers.health_port:
            probes = await health.serve(
                workers.health_host, workers.health_port, healthy=lambda: True, ready=lambda: _ready(made)
            )
            stack.callback(probes.close)
        try:
            await made.serve()
        except errors.NotConfigured as error:
            print(f"panini: {error}", file=sys.stderr)
            return 2
    return 0


def _ready(made: scaler.Scaler) -> bool:
    """Whether registry, Kafka and API server were all of use lately."""
    return made.ticked_at is not None and time.monotonic() - made.ticked_at < STALE
