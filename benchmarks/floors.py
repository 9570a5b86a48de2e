"""What nothing can be faster than here: the client alone, an empty route, the broker, a bare loop."""

import json
import pathlib
import subprocess
import sys
from typing import Any, Final

from benchmarks import environments, inputs, load, servers, stack, subjects, systems, tables, targets, usage, users
from panini.stack import ports

TIMEOUT: Final = 180.0
"""Seconds one program of these may take."""


async def client(folder: pathlib.Path, spell: load.Spell) -> tables.Figures:
    """64 users against a server that does nothing: the client's own cost and its bound."""
    port = ports.any_free()
    server = servers.Server(
        "null", [sys.executable, "-m", "benchmarks.null", str(port)], folder=folder, cwd=systems.APPS.parent.parent
    )
    return await _touched(server, port, spell)


async def empty(folder: pathlib.Path, spell: load.Spell) -> tables.Figures:
    """64 users against an empty FastAPI route in one process."""
    port, program = ports.any_free(), environments.python("fastapi")
    argv: list[str | pathlib.Path] = [
        program.parent / "uvicorn",
        *(word.format(port=port) for word in systems.UVICORN_FAST[1:]),
    ]
    server = servers.Server("empty", [*argv, "app_empty:app"], folder=folder, cwd=systems.APPS)
    return await _touched(server, port, spell)


async def _touched(server: servers.Server, port: int, spell: load.Spell) -> tables.Figures:
    server.start()
    try:
        server.until(lambda: servers.listens(port), "it listens")
        target = targets.Target(host=ports.HOST, port=port, submit="/empty")
        roles = [usage.Role(name="server", roots=(server.pid,)), usage.client()]
        items = inputs.prepared("floor", 20_000)
        return tables.figures(await load.closed(64, users.touch, target, items, roles=roles, spell=spell))
    finally:
        server.stop()


def program(name: str, *arguments: str, found: stack.Stack) -> str:
    """Run a program of `apps` beside a stack's engines; what it printed. Raises servers.Failed."""
    connections = found.connections()
    password = connections.kafka_password
    kafka: dict[str, Any] = {
        "bootstrap.servers": connections.kafka,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": connections.kafka_username,
        "sasl.password": password.get_secret_value() if password else "",
    }
    secret = connections.redis_password.get_secret_value() if connections.redis_password else ""
    environ = {
        "BENCH_KAFKA": json.dumps(kafka),
        "BENCH_REDIS": connections.redis.replace("redis://", f"redis://:{secret}@"),
        "BENCH_EXAMPLE": str(subjects.IRIS),
    }
    command = [str(environments.python("floor")), str(systems.APPS / name), *arguments]
    try:
        answer = subprocess.run(
            command, cwd=systems.APPS, env=environ, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise servers.Failed(f"{name} took longer than {TIMEOUT:g} s") from error
    if answer.returncode:
        said = answer.stderr.strip() or "nothing said"
        raise servers.Failed(f"{name} ended with {answer.returncode}: {said.splitlines()[-1]}\n{said[-2000:]}")
    return answer.stdout


def broker(found: stack.Stack, topic: str) -> dict[str, dict[str, float]]:
    """The broker's own latency; blocks."""
    measured: dict[str, dict[str, float]] = json.loads(program("broker.py", topic, found=found))
    return measured
