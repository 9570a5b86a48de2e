"""Panini as one of the systems: `panini up` in a folder of its own, one worker, iris deployed as anybody would."""

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Final

from benchmarks import servers, stack, subjects, systems, targets, usage
from panini.client import Client
from panini.stack import home, pidfile, ports

READY: Final = "Panini is ready"


class Panini(systems.System):
    """One stack, kept up through all rounds: a broker that was just started is not what people run."""

    name = "Panini"
    asynchronous = True
    waits = True

    def __init__(
        self, folder: pathlib.Path, subject: subjects.Subject, settings: Mapping[str, str] | None = None
    ) -> None:
        self.subject = subject
        self.home = folder / "home"
        free = ports.several_free(4)
        self.environ = {
            "PANINI_HOME": str(self.home),
            "PANINI_PORT": str(free[0]),
            "PANINI_KAFKA_PORT": str(free[1]),
            "PANINI_KAFKA_CONTROLLER_PORT": str(free[2]),
            "PANINI_VALKEY_PORT": str(free[3]),
            "PANINI_VALKEY_MAXMEMORY_MB": "2048",
            "PANINI_UP_EXAMPLE": "false",
            "PANINI_SCALE_LEAST": "1",
            "PANINI_SCALE_MOST": "1",
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        }
        self._server = servers.Server(
            "up", [sys.executable, "-m", "panini", "up"], folder=folder, environ=self.environ, cwd=folder
        )
        self._up = False

    def start(self) -> None:
        """Start it and deploy iris, the first time."""
        if self._up:
            return
        self._server.start()
        self._server.until(lambda: READY in self._server.words(), "`panini up` is ready")
        self._up = True
        found = self.stack
        with Client(found.url, found.key) as api:
            api.deploy(self.subject.bundle, self.subject.name)
        ready = found.place.pid_file(f"worker.default.{self.subject.name}.1").with_suffix(".ready")
        self._server.until(ready.exists, "its worker is ready")

    def stop(self) -> None:
        """It stays up between rounds; `close` ends it."""

    def close(self) -> None:
        """End it."""
        if self._up:
            self._server.stop()

    @property
    def stack(self) -> stack.Stack:
        """Its running stack."""
        return stack.Stack.at(self.home)

    def target(self) -> targets.Target:
        """See System."""
        return self.stack.target(self.subject.name)

    def roles(self) -> list[usage.Role]:
        """See System."""
        return self.stack.roles()

    def worker(self) -> int:
        """The pid of the supervised worker."""
        return self.stack.workers(self.subject.name)[0]

    def another_worker(self, folder: pathlib.Path) -> servers.Server:
        """One more worker of the model, as an operator would start it, not supervised; not started yet."""
        return servers.Server(
            "second",
            [sys.executable, "-m", "panini", "worker", self.subject.name],
            folder=folder,
            environ=self.joining() | {"PANINI_WORKER_READY_FILE": str(folder / "second.ready")},
        )

    def joining(self) -> dict[str, str]:
        """The environment of a process that is none of the stack's own and works with it."""
        return self.environ | {
            "PANINI_SECRETS": str(home.Home.at(self.home).secrets),
            "PANINI_REGISTRY": f"http://{ports.HOST}:{self.environ['PANINI_PORT']}",
            "PANINI_KAFKA": f"{ports.HOST}:{self.environ['PANINI_KAFKA_PORT']}",
            "PANINI_KAFKA_USERNAME": "panini",
            "PANINI_REDIS": f"redis://{ports.HOST}:{self.environ['PANINI_VALKEY_PORT']}/0",
        }

    @property
    def made_of(self) -> str:
        """See System."""
        return f"one API process, one worker with its runner, Kafka, Valkey{_commit()}"


def idle(system: systems.System, seconds: float = 5.0) -> dict[str, float]:
    """Cores that each role uses while nothing is asked of it; blocks."""
    roles = system.roles()
    before = usage.cpu(roles)
    time.sleep(seconds)
    return {name: used / seconds for name, used in usage.difference(before, usage.cpu(roles)).items()}


def gone(pid: int) -> bool:
    """Whether the process has ended."""
    return pidfile.identity(pid) is None


def _commit() -> str:
    """The commit that is measured, where this is a clone."""
    root = pathlib.Path(__file__).resolve().parent.parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            env=dict(os.environ) | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except OSError:
        return ""
    return f" (commit {answer.stdout.strip()})" if answer.returncode == 0 else ""
