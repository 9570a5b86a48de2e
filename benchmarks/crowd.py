"""Many models that nobody uses: what they cost by themselves, and what they cost the jobs of one that is used."""

import asyncio
import os
import pathlib
import signal
import time
from typing import Any, Final

from benchmarks import inputs, load, local, subjects, tables, usage, users
from panini.client import Client
from panini.stack import secrets
from registry import client as registry_client

BUNDLE: Final = subjects.HERE.parent / "examples" / "plain"
"""What each of them is: a model without packages or weights."""
AT_ONCE: Final = 4
"""Uploads at a time."""
IDLE: Final = 20.0
"""Seconds after which a worker without jobs ends."""
USERS: Final = 64
FASTEST: Final = 9000
"""Jobs a second for which inputs are made beforehand."""


async def deploy(system: local.Panini, count: int) -> float:
    """That many live models more; seconds it took.

    Their versions are reported as checked by this program: a worker for each, for seconds, is not what is measured. The
    supervisor stands still meanwhile, or it would start them.
    """
    found = system.stack
    holder = int(found.place.lock_file.read_text(encoding="ascii"))
    token = secrets.ensure(found.place.secrets)["panini_internal_token"]
    began = time.monotonic()
    waiting = asyncio.Semaphore(AT_ONCE)

    async def one(api: Client, registry: registry_client.Client, name: str) -> None:
        async with waiting:
            await asyncio.to_thread(api.upload, BUNDLE, name, sample={"text": "the end"})
            await registry.passed("default", name, 1)

    os.kill(holder, signal.SIGSTOP)
    try:
        with Client(found.url, found.key) as api:
            async with registry_client.Client(found.url, token) as registry:
                await asyncio.gather(*(one(api, registry, f"idle-{number}") for number in range(count)))
    finally:
        os.kill(holder, signal.SIGCONT)
    return time.monotonic() - began


async def idle(system: local.Panini, seconds: float) -> tables.Figures:
    """Thousandths of a core that each role uses while nothing is asked of anything."""
    await asyncio.sleep(3.0)  # for what comes after a change
    roles = [role for role in system.roles() if role.name != "client"]
    before = usage.cpu(roles)
    await asyncio.sleep(seconds)
    return {name: 1000 * used / seconds for name, used in usage.difference(before, usage.cpu(roles)).items()}


async def busy(system: local.Panini, seconds: float, seed: str) -> tables.Figures:
    """What a job of the one model costs each role, 64 waiting POSTs at a time."""
    items = inputs.prepared(seed, int(FASTEST * (seconds + 1)))
    spell = load.Spell(warm=1.0, measured=seconds)
    roles = system.roles()
    return tables.figures(await load.closed(USERS, users.wait, system.target(), items, roles=roles, spell=spell))


async def measure(folder: pathlib.Path, count: int, seconds: float) -> dict[str, Any]:
    """One model and then `count`: idle, and busy."""
    settings = {"PANINI_SCALE_LEAST": "0", "PANINI_SCALE_IDLE": f"{IDLE:g}"}
    system = local.Panini(folder, subjects.Iris(), settings)
    found: dict[str, Any] = {}
    try:
        await asyncio.to_thread(system.start)
        await busy(system, 2.0, "first")
        for models in (1, count):
            took = await deploy(system, models - 1) if models > 1 else 0.0
            await busy(system, 4.0, f"before {models}")
            while any(role.name == "worker" and len(role.roots) > 1 for role in system.roles()):
                await busy(system, 1.0, f"alone {models} {time.monotonic()}")  # the supervisor saw one being built
            found[str(models)] = {
                "deploy_seconds": took,
                "idle": await idle(system, IDLE / 2),
                "busy": await busy(system, seconds, f"{models} models"),
                "rss_mib": {name: size / 2**20 for name, size in usage.rss(system.roles()).items()},
            }
    finally:
        await asyncio.to_thread(system.close)
    return found


def markdown(found: dict[str, Any]) -> str:
    """Its tables."""
    roles = list(next(iter(found.values()))["idle"])
    idle, busy, size = [], [], []
    for models, one in found.items():
        used = [one["idle"][name] for name in roles]
        idle.append([models, *(f"{each:.1f}" for each in used), f"{sum(used):.1f}"])
        costs = [one["busy"][f"cpu_us.{name}"] for name in roles]
        rate = one["busy"]["rate"]
        busy.append([models, tables.number(rate), *(tables.number(each) for each in costs), tables.number(sum(costs))])
        size.append([models, *(f"{one['rss_mib'][name]:.0f}" for name in roles)])
    return "\n\n".join(
        (
            "Idle, thousandths of a core:",
            tables.table(["models", *roles, "all"], idle),
            f"{USERS} waiting POSTs at one of them, CPU µs a job:",
            tables.table(["models", "jobs/s", *roles, "all"], busy),
            "Resident MiB:",
            tables.table(["models", *roles], size),
        )
    )
