"""`panini serve workers`: the workers of every model on this machine, as processes, by backlog. Without Kubernetes."""

import asyncio
import contextlib
import os
import signal
import sys

from panini import crew, logs
from panini.stack import errors, home, process
from panini.stack import settings as stack_settings
from registry import client
from wire import settings as wire_settings
from workers import health, lag, sandbox, scaling_settings
from workers import settings as worker_settings


def run(name: str) -> int:
    """Supervise until SIGTERM or SIGINT; the exit code."""
    sandbox.protect_self()
    logs.configure(name)
    try:
        return asyncio.run(_serve())
    except errors.StackError as error:
        print(f"panini: {error}", file=sys.stderr)
        return 1


async def _serve() -> int:
    place = home.Home.at(stack_settings.Settings.load().home)
    place.prepare()
    service = wire_settings.Service.load()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    kept = crew.Crew(
        client.Client(service.registry, service.internal_token.get_secret_value()),
        lag.Lag(wire_settings.Connections.load()),
        lambda account, model, number: _spec(place, account, model, number),
        options=scaling_settings.ScalingSettings.load(),
        grace=worker_settings.Settings.load().worker_drain + crew.LEAVE,
    )
    probes = health.Health(
        health.HealthSettings.load(), alive=lambda: None, ready=lambda: None if kept.seen else "the registry"
    )
    with place.locked():
        await probes.start()
        following = asyncio.create_task(kept.run())
        try:
            await stopping.wait()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await kept.end()
            await probes.stop()
    return 0


def _spec(place: home.Home, account: str, model: str, number: int) -> process.Spec:
    name = f"worker.{account}.{model}.{number}"
    environ = {key: value for key, value in os.environ.items() if key != "PANINI_HEALTH_PORT"}
    return crew.worker(
        process.Spec(
            name=f"worker {number} of {model}",
            argv=[sys.executable, "-m", "panini", "worker", model, "--account", account],
            cwd=place.root,
            log=place.log(name),
            pid_file=place.pid_file(name),
            env=environ | {"PANINI_HOME": str(place.root)},
        )
    )
