"""A running local stack, as the benchmarks see it: its address, its key, and which process plays which role."""

import dataclasses
import pathlib
from typing import Any

from benchmarks import targets, usage
from panini import up
from panini.stack import home, pidfile
from wire import settings

MODEL = "iris"


class NotRunning(Exception):
    """No stack runs in that home."""


@dataclasses.dataclass(frozen=True)
class Stack:
    """The stack of a home."""

    place: home.Home

    @classmethod
    def at(cls, path: pathlib.Path) -> "Stack":
        """The stack of the home at `path`. Raises NotRunning."""
        found = cls(home.Home.at(path))
        if pidfile.running(found.place.pid_file("api")) is None:
            raise NotRunning(f"no stack runs in {found.place.root}: start one with `panini up`, or set PANINI_HOME")
        return found

    @property
    def url(self) -> str:
        """Address of the API."""
        return str(home.noted(self.place.ports_file)["api"])

    @property
    def key(self) -> str:
        """The first API key."""
        return self.place.key_file.read_text(encoding="ascii").strip()

    def target(self, model: str = MODEL) -> targets.Target:
        """How the model is asked."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return targets.Target(
            host=host,
            port=int(port),
            submit=f"/v1/models/{model}/jobs",
            look="/v1/jobs/",
            headers=f"Authorization: Bearer {self.key}\r\n",
        )

    def pid(self, name: str) -> int | None:
        """The running process of that name: `api`, `kafka`, `valkey`, `worker.default.iris.1`."""
        return pidfile.running(self.place.pid_file(name))

    def workers(self, model: str = MODEL) -> list[int]:
        """The running workers of a model."""
        files = sorted(self.place.run.glob(f"worker.default.{model}.*.json"))
        return [pid for file in files if (pid := pidfile.running(file)) is not None]

    def roles(self) -> list[usage.Role]:
        """Every process of the stack, and this one as the client, by what it does."""
        workers = [pid for file in self.place.run.glob("worker.*.json") if (pid := pidfile.running(file)) is not None]
        runners = [child for pid in workers for child in usage.children(pid)]
        roles = [
            usage.Role(name=name, roots=tuple(pid for pid in [self.pid(name)] if pid is not None))
            for name in ("kafka", "valkey", "api")
        ]
        roles.append(usage.Role(name="worker", roots=tuple(workers), but=tuple(runners)))
        roles.append(usage.Role(name="runner", roots=tuple(runners)))
        holder = self.place.lock_file.read_text(encoding="ascii").strip()
        if holder.isdigit():
            roles.append(usage.Role(name="up", roots=(int(holder),), but=tuple(usage.children(int(holder)))))
        roles.append(usage.client())
        return roles

    def connections(self) -> settings.Connections:
        """Where its Kafka and its Valkey are, passwords included."""
        environ: dict[str, str] = home.noted(self.place.ports_file).get("environ", {})
        words: dict[str, Any] = up.connection_words(self.place, environ)
        return settings.Connections.load(**words)
