"""`panini worker MODEL`: one member of a model's consumer group."""

import uvloop

from panini import logs, memory
from wire import settings as wire_settings
from workers import health, runner_settings, sandbox, service, settings


def run(account: str, model: str) -> int:
    """Work until SIGTERM; the exit code."""
    sandbox.protect_self()
    logs.configure(f"worker {account}/{model}", account=account, model=model)
    return uvloop.run(_serve(account, model))


async def _serve(account: str, model: str) -> int:
    worker = service.Worker(
        account,
        model,
        options=settings.Settings.load(),
        runners=runner_settings.RunnerSettings.load(),
        connections=wire_settings.Connections.load(),
        service=wire_settings.Service.load(),
        probes=health.HealthSettings.load(),
    )
    memory.settle()
    return await worker.serve()
