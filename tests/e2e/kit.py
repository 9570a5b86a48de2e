"""A whole local stack as a user has it: `panini up` as a process, driven over its addresses; and small models."""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx
import kafka as kafka_python

from panini.client import Client, records
from panini.stack import pidfile, ports
from wire import names

T = TypeVar("T")

READY = "Panini is ready"
START = 120.0
"""Seconds until a start counts as failed."""


def until(look: Callable[[], T | None], what: str, *, within: float = 60.0) -> T:
    """What `look` finds, as soon as it finds something true; fails loudly when it never does."""
    ends = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > ends:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(0.02)


class Stack:
    """One home's `panini up`, started and stopped as often as a test wants."""

    def __init__(
        self, root: pathlib.Path, *, port: int | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.root = root
        self.home = root / "home"
        free = ports.several_free(4)  # chosen here, since several stacks may start at once
        self.port = port or free[0]
        self.url = f"http://{ports.HOST}:{self.port}"
        self.output = root / "up.txt"
        own = {
            "PANINI_HOME": str(self.home),
            "PANINI_PORT": str(self.port),
            "PANINI_KAFKA_PORT": str(free[1]),
            "PANINI_KAFKA_CONTROLLER_PORT": str(free[2]),
            "PANINI_VALKEY_PORT": str(free[3]),
            "PANINI_UP_EXAMPLE": "false",
            "PYTHONUNBUFFERED": "1",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PANINI_")}
        self.environ = clean | own | dict(environ or {})
        self._up: subprocess.Popen[bytes] | None = None
        self._passed: set[str] = set()
        self._kafka: dict[str, Any] | None = None

    # -- life --------------------------------------------------------------------------------------------------

    def start(self) -> "Stack":
        """Start it and wait until it says that it is ready."""
        with self.output.open("wb") as out:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "panini", "up"],
                env=self.environ, cwd=self.root, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        until(self._ready, "`panini up` is ready", within=START)
        return self

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._up is not None
        if self._up.poll() is None:
            self._up.send_signal(signal.SIGINT)
        return self._up.wait(90)

    def kill_everything(self) -> None:
        """`kill -9` of every process of the stack, as a power cut would."""
        assert self._up is not None
        everything = [self._up.pid, *self.processes()]
        for pid in everything:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._up.wait(30)
        until(lambda: not any(pidfile.identity(pid) for pid in everything), "everything that was killed is gone")

    def end(self) -> None:
        """Let nothing survive, however the test ended."""
        if self._up is not None and self._up.poll() is None:
            self.kill_everything()

    def processes(self) -> dict[int, str]:
        """Every process below `panini up` → an identity that no other process ever has."""
        assert self._up is not None
        return {pid: found for pid in below(self._up.pid) if (found := pidfile.identity(pid))}

    def pid(self, name: str) -> int:
        """The running process of that name: `api`, `kafka`, `valkey`, `worker.default.MODEL`."""
        path = self.home / "run" / f"{name}.json"
        return until(lambda: pidfile.running(path), f"{name} runs")

    def kill(self, name: str) -> int:
        """`kill -9` of one process, and wait until it is gone; the pid it had."""
        pid = self.pid(name)
        was = pidfile.identity(pid)
        os.kill(pid, signal.SIGKILL)
        until(lambda: pidfile.identity(pid) != was, f"{name} is gone")
        return pid

    def _ready(self) -> bool:
        assert self._up is not None
        text = self.output.read_text(errors="replace")
        if self._up.poll() is not None:
            raise AssertionError(f"`panini up` ended with {self._up.returncode}:\n{text}\n{self.logs()}")
        return READY in text

    def logs(self) -> str:
        """The ends of all logs, for a failure's message."""
        found = sorted((self.home / "logs").glob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in found)

    # -- ways in -----------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """The first API key."""
        return (self.home / "key").read_text().strip()

    @property
    def kafka(self) -> dict[str, Any]:
        """Keyword arguments for kafka-python, as `panini status --json` tells them."""
        if self._kafka is None:
            self._kafka = self.status()["kafka"]
        return self._kafka

    def status(self) -> dict[str, Any]:
        """`panini status --json`."""
        found: dict[str, Any] = json.loads(self.panini("status", "--json").stdout)
        return found

    def panini(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the command line against this stack; `code` None: however it ends."""
        done = subprocess.run(
            [sys.executable, "-m", "panini", *arguments],
            env=self.environ, cwd=self.root, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert code is None or done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def client(self, **more: Any) -> Client:
        """panini.client on this stack."""
        return Client(self.url, self.key, **more)

    def http(self, **more: Any) -> httpx.Client:
        """A bare HTTP client with the key."""
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60, **more)

    # -- models ------------------------------------------------------------------------------------------------

    def deploy(self, files: Mapping[str, str | bytes], *, name: str | None = None, **words: Any) -> str:
        """Deploy a folder of these files and wait until it is live; the model's name.

        Without a name the same files and words are deployed once a stack, so that tests share them.
        """
        text = repr(sorted(files.items())) + repr(sorted(words.items()))
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        chosen = name or f"t{digest}"
        if f"{chosen} {digest}" not in self._passed:
            with self.client() as client:
                client.deploy(self.folder(files), chosen, **words)
            self._passed.add(f"{chosen} {digest}")
        return chosen

    def upload(self, files: Mapping[str, str | bytes], name: str, **words: Any) -> records.Version:
        """Upload a folder of these files and return while it is being built."""
        with self.client() as client:
            return client.upload(self.folder(files), name, **words)

    def folder(self, files: Mapping[str, str | bytes]) -> pathlib.Path:
        """A folder of these files."""
        digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
        place = self.root / "folders" / digest
        for path, content in files.items():
            file = place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    def cache(self, model: str) -> pathlib.Path:
        """The model's cache folder: the one place that its code can write and that outlives its runners."""
        return self.home / "cache" / "models" / f"default.{model}"

    # -- Kafka -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def producer(self, **more: Any) -> Iterator[kafka_python.KafkaProducer]:
        """Plain kafka-python, as a pipeline uses it."""
        made = kafka_python.KafkaProducer(**self.kafka, **more)
        try:
            yield made
        finally:
            made.close()

    def produce(
        self, model: str, *values: bytes | None, headers: list[tuple[str, bytes]] | None = None
    ) -> "list[Place]":
        """Write records to the model's topic; where they lie."""
        with self.producer() as producer:
            sent = [
                producer.send(names.jobs_topic("default", model), value, key=b"", headers=headers) for value in values
            ]
            return [Place(partition=one.get(30).partition, offset=one.get(30).offset) for one in sent]

    @contextlib.contextmanager
    def admin(self) -> Iterator[kafka_python.KafkaAdminClient]:
        """Plain kafka-python, as an operator uses it."""
        made = kafka_python.KafkaAdminClient(**self.kafka)
        try:
            yield made
        finally:
            made.close()

    def unread(self, model: str, *, later: str | None = None) -> int:
        """Records of the model's topic, or of a tier of its parked jobs, that are not committed as finished."""
        topic = names.jobs_topic("default", model) if later is None else names.later_topic("default", model, later)
        consumer = kafka_python.KafkaConsumer(**self.kafka)
        try:
            partitions = [
                kafka_python.TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()
            ]
            ends = consumer.end_offsets(partitions)
            begins = consumer.beginning_offsets(partitions)
            group = names.group("default", model)
            with self.admin() as admin:
                committed = {tp: found.offset for tp, found in admin.list_group_offsets(group)[group].items()}
            return sum(ends[tp] - max(committed.get(tp, -1), begins[tp]) for tp in partitions)
        finally:
            consumer.close()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a record lies."""

    partition: int
    offset: int

    def derived(self, topic_uuid: str, place: int = 0) -> str:
        """The id of a job in it that brought none."""
        return names.derived_job_id(topic_uuid, self.partition, self.offset, place)


@contextlib.contextmanager
def hanging(pid: int) -> Iterator[None]:
    """The process does nothing at all, its sockets stay open (SIGSTOP)."""
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: all(state == "T" for state in states(pid)), f"process {pid} stands still")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def states(pid: int) -> list[str]:
    """The state of each of its threads (proc(5))."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/stat")
    return [task.read_text().rpartition(")")[2].split()[0] for task in tasks]


def below(pid: int) -> list[int]:
    """Every process that descends from `pid` (Linux)."""
    parents: dict[int, list[int]] = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found, look = [], [pid]
    while look:
        for child in parents.get(look.pop(), []):
            found.append(child)
            look.append(child)
    return found


ECHO = {"predict.py": "def predict(inputs):\n    return list(inputs)\n"}
"""Answers each input with itself."""

DOUBLE = {"predict.py": "def predict(inputs):\n    return [2 * x for x in inputs]\n"}
"""Answers a number with its double."""


def logging_model(body: str = "", **options: Any) -> dict[str, str]:
    """A model that appends each input to `seen` in its cache folder before it answers: a log outside the system.

    `body` runs after that with `x`, one input; the answer is `x` doubled. No two calls give the same model, so that no
    test reads what another wrote.
    """
    indented = "".join(f"        {line}\n" for line in body.splitlines())
    code = (
        f"# {secrets.token_hex(8)}\n"
        "import os, sys, time, json\n"
        "SEEN = os.open(os.path.join(os.environ['XDG_CACHE_HOME'], 'seen'), os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "def predict(inputs):\n"
        "    out = []\n"
        "    for x in inputs:\n"
        "        os.write(SEEN, (json.dumps(x) + '\\n').encode())\n"
        f"{indented}"
        "        out.append(x * 2)\n"
        "    return out\n"
    )
    told = {"batch": False, "cache": False} | options  # a line of the log for each job: no trials, no known answers
    return {"predict.py": code, "panini.toml": "".join(f"{name} = {json.dumps(told[name])}\n" for name in told)}


def seen(stack: Stack, model: str) -> list[Any]:
    """What a `logging_model` was given, in order, reruns included."""
    path = stack.cache(model) / "seen"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
