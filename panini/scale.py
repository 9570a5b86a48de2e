"""`panini scaler`: the workers of every model as Deployments of a Kubernetes cluster."""

import asyncio
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
    backlogs = lag.Lag(wire_settings.Connections.load())
    async with client.Client(service.registry, service.internal_token.get_secret_value()) as registry:
        options = k8s_settings.Settings.load()
        made = scaler.Scaler(
            options=options,
            policy=scaling_settings.ScalingSettings.load(),
            worker_drain=worker_settings.Settings.load().worker_drain,
            registry=registry,
            backlogs=backlogs,
            cluster=cluster.Cluster(options),
        )
        probes = health.Health(health.HealthSettings.load(), alive=lambda: None, ready=lambda: _missing(made))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, made.stop)
        try:
            await probes.start()
            await made.serve()
        except errors.NotConfigured as error:
            print(f"panini: {error}", file=sys.stderr)
            return 2
        finally:
            await probes.stop()
            await backlogs.close()
    return 0


def _missing(made: scaler.Scaler) -> str | None:
    if made.ticked_at is None:
        return "registry, Kafka and the API server"
    return None if time.monotonic() - made.ticked_at < STALE else "the API server"
