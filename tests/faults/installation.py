"""Panini as production runs it, small: two APIs, and workers with a home each, on engines that Panini did not start.

The first API is every role in one process; the second is an ingest and a results process. Any worker may run a patched
copy of the product (tests/faults/planting.py) beside others that run it as it is.
"""

import contextlib
import os
import pathlib
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import kafka as kafka_python
import kafka.errors as kafka_errors

from panini.client import Client
from panini.stack import kafka as stack_kafka
from panini.stack import ports
from panini.stack import valkey as stack_valkey
from tests.e2e import kit
from tests.faults import history, models
from tests.integration import processes
from wire import names

TREE: Final = pathlib.Path(__file__).parents[2]
SESSION: Final = 6.0
"""Seconds without a heartbeat after which a worker counts as lost: Kafka's own lower bound."""

APIS: Final = ("api", "ingest", "results")
"""The processes that answer clients; the first one is also the registry."""


class Installation:
    """The processes of a test, none of which outlives it."""

    def __init__(self, root: pathlib.Path, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey) -> None:
        (root / "logs").mkdir(parents=True)
        self.root = root
        self.kafka = kafka
        self.valkey = valkey
        self.running = processes.Processes(root / "logs")
        self.ports = dict(zip(APIS, ports.several_free(len(APIS)), strict=True))
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}
        self.posting = [self.urls["api"], self.urls["ingest"]]
        self.reading = [self.urls["api"], self.urls["results"]]
        self._stopped: dict[int, float] = {}
        self._commands: dict[str, tuple[list[str], Mapping[str, str], pathlib.Path]] = {}
        self.environ = processes.addresses(kafka, valkey) | {
            "PANINI_SECRETS": str(processes.secrets_folder(root / "secrets", kafka, valkey)),
            "PANINI_REGISTRY": self.urls["api"],
            "PANINI_REGISTRY_FOLDER": str(root / "registry"),
            "PANINI_KEY_FILE": str(root / "key"),
            "PANINI_WORKER_SESSION_TIMEOUT": str(SESSION),
            "PANINI_WEBHOOK_PRIVATE": "true",
        }

    def start(self) -> "Installation":
        """Start the APIs and wait until each is ready."""
        for name, role in zip(APIS, ("all", "ingest", "results"), strict=True):
            self._start(name, ["serve", role], {"PANINI_PORT": str(self.ports[name])}, TREE)
        for name in APIS:
            self.ready(name)
        return self

    def ready(self, name: str) -> None:
        """Wait until that API answers."""
        self.running.answers(name, f"{self.urls[name]}/readyz")

    # -- workers -----------------------------------------------------------------------------------------------

    def worker(self, name: str, model: str, *, tree: pathlib.Path = TREE) -> None:
        """Start a worker of a model, of the product as it lies in `tree`."""
        home = self.root / "homes" / name
        self.cache(name, model).mkdir(parents=True, exist_ok=True)
        self._start(name, ["worker", model], {"PANINI_HOME": str(home)}, tree)

    def cache(self, worker: str, model: str) -> pathlib.Path:
        """Where the model writes when that worker's runners run it."""
        return self.root / "homes" / worker / "cache" / "models" / f"default.{model}"

    def starts(self, model: str, *workers: str) -> list[history.Started]:
        """predict's own log, of these workers."""
        return [line for worker in workers for line in models.starts(worker, self.cache(worker, model))]

    def runner(self, worker: str) -> int | None:
        """The pid of a worker's runner: the last of its descendants, past those that enclose it. None: it has none."""
        found = kit.below(self.running.pid(worker))
        return next((pid for pid in reversed(found) if b"start" in _command(pid)), None)

    # -- faults ------------------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """`kill -9` of a process that was started here."""
        self.running.kill(name)

    def again(self, name: str) -> None:
        """Start it again as it was started."""
        arguments, environ, tree = self._commands[name]
        self._start(name, arguments, environ, tree)

    def shoot(self, pid: int) -> None:
        """`kill -9` of a process that a worker started."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def halt(self, pid: int) -> None:
        """SIGSTOP: it does nothing at all, and its sockets stay open."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._stopped[pid] = time.time()

    def go_on(self, pid: int) -> None:
        """SIGCONT."""
        self._stopped.pop(pid, None)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """Let nothing survive."""
        for pid in list(self._stopped):
            self.go_on(pid)
        self.running.end()

    def _start(self, name: str, arguments: list[str], environ: Mapping[str, str], tree: pathlib.Path) -> None:
        self._commands[name] = arguments, environ, tree
        given = self.environ | dict(environ) | {"PYTHONDONTWRITEBYTECODE": "" if tree == TREE else "1"}
        self.running.panini(name, arguments, given, cwd=tree)

    # -- ways in -----------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """The first API key."""
        return (self.root / "key").read_text().strip()

    @property
    def headers(self) -> dict[str, str]:
        """With the first API key."""
        return {"Authorization": f"Bearer {self.key}"}

    def client(self, **more: Any) -> Client:
        """panini.client at the first API."""
        return Client(self.urls["api"], self.key, **more)

    def upload(self, model: str, version: int = 1, **options: Any) -> None:
        """Upload a version of the model of tests/faults/models.py; a worker builds it."""
        folder = self.root / "bundles" / f"{model}-{version}"
        folder.mkdir(parents=True)
        for path, text in models.files(version, **options).items():
            (folder / path).write_text(text)
        with self.client() as client:
            client.upload(folder, model)

    def live(self, model: str, version: int = 1) -> None:
        """Wait until that version answers."""
        with self.client() as client:
            kit.until(lambda: client.model(model).live == version, f"{model} {version} is live", within=120)

    @contextlib.contextmanager
    def producer(self) -> Iterator[kafka_python.KafkaProducer]:
        """Plain kafka-python, as a pipeline uses it."""
        made = kafka_python.KafkaProducer(**self.kafka.client)
        try:
            yield made
        finally:
            made.close()

    @contextlib.contextmanager
    def offsets(self, model: str) -> "Iterator[Offsets]":
        """Looks at what is committed of a model's topics."""
        made = Offsets(self, model)
        try:
            yield made
        finally:
            made.close()


class Offsets:
    """What Kafka holds of a model's group: outside the system."""

    def __init__(self, at: Installation, model: str) -> None:
        self._group = names.group("default", model)
        self._consumer = kafka_python.KafkaConsumer(**at.kafka.client)
        self._admin = kafka_python.KafkaAdminClient(**at.kafka.client)
        topics = names.jobs_topic("default", model), names.bulk_topic("default", model)
        self.partitions = [
            kafka_python.TopicPartition(topic, number)
            for topic in topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        ]

    def look(self) -> list[history.Committed]:
        """Every partition as it stands; nothing where Kafka does not answer now."""
        try:
            ends = self._consumer.end_offsets(self.partitions)
            held = self._admin.list_group_offsets(self._group)[self._group]
        except kafka_errors.KafkaError:
            return []
        now = time.time()
        return [
            history.Committed(
                at=now,
                topic=tp.topic,
                partition=tp.partition,
                offset=max(held[tp].offset, 0) if tp in held else 0,
                end=ends[tp],
            )
            for tp in self.partitions
        ]

    def close(self) -> None:
        """Close its connections."""
        self._consumer.close()
        self._admin.close()


def lag(looked: list[history.Committed]) -> int:
    """Records that are not finished."""
    return sum(one.end - one.offset for one in looked)


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
