"""An API and workers on the servers of the fixtures, each of which may be stopped at a step and killed there."""

import contextlib
import json
import os
import pathlib
import secrets
import signal
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import kafka as kafka_python
import pytest
from kafka import admin

from panini.client import Client
from panini.stack import kafka as stack_kafka
from panini.stack import ports
from panini.stack import valkey as stack_valkey
from tests.e2e import kit
from tests.integration import processes
from wire import names

STEPPING = pathlib.Path(__file__).with_name("stepping.py")

GATED = """
hold = os.path.join(os.environ['XDG_CACHE_HOME'], 'hold')
while os.path.exists(hold):
    time.sleep(.02)
if isinstance(x, dict):
    import panini
    if not os.path.exists(os.path.join(os.environ['XDG_CACHE_HOME'], 'well')):
        raise panini.Retry('not yet', after=x['after'])
    x = x['number']
"""
"""No input is answered while a file `hold` is there; {"after", "number"} asks to come again until one `well` is."""

LOADING = """
import os, pathlib, time
cache = pathlib.Path(os.environ['XDG_CACHE_HOME'])
(cache / 'loading').touch()
while (cache / 'hold-load').exists():
    time.sleep(.02)
"""
"""It tells that it is being loaded, and is not loaded while a file `hold-load` is there."""


class Bench:
    """One API, one worker at a time, one model, and a topic for replies."""

    def __init__(self, root: pathlib.Path, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey) -> None:
        (root / "logs").mkdir(parents=True)
        self.root, self.kafka = root, kafka
        self.model = f"stepped-{secrets.token_hex(4)}"
        self.topic = f"{self.model}.replies"
        self.running = processes.Processes(root / "logs")
        [port] = ports.several_free(1)
        self.url = f"http://127.0.0.1:{port}"
        self.home = root / "home"
        self.environ = processes.addresses(kafka, valkey) | {
            "PANINI_SECRETS": str(processes.secrets_folder(root / "secrets", kafka, valkey)),
            "PANINI_REGISTRY": self.url,
            "PANINI_PORT": str(port),
            "PANINI_REGISTRY_FOLDER": str(root / "registry"),
            "PANINI_KEY_FILE": str(root / "key"),
            "PANINI_DASHBOARD_API": self.url,
            "PANINI_HOME": str(self.home),
            "PANINI_WORKER_SESSION_TIMEOUT": "6",
        }
        self.workers = 0
        self.worker: str | None = None

    # -- life --------------------------------------------------------------------------------------------------

    def start(self) -> "Bench":
        """An API, a worker, the model live, its replies allowed."""
        self.start_api()
        (self.root / "model").mkdir()
        files = kit.logging_model(GATED)
        for path, content in (files | {"predict.py": LOADING + files["predict.py"]}).items():
            (self.root / "model" / path).write_text(content)
        with Client(self.url, self.key) as client:
            client.upload(self.root / "model", self.model)
            self.start_worker()
            kit.until(lambda: client.model(self.model).live, "the version is live", within=90)
        with contextlib.closing(kafka_python.KafkaAdminClient(**self.kafka.client)) as made:
            made.create_topics([admin.NewTopic(self.topic, 1, 1)])
        with self.http() as http:
            http.put(f"/v1/models/{self.model}/reply-topics", json={"topics": [self.topic]}).raise_for_status()
        return self

    def start_api(self) -> None:
        """The API, at the address it had before."""
        self.running.start("api", [sys.executable, STEPPING, self.root, "api"], self.environ)
        self.running.answers("api", f"{self.url}/readyz")

    def start_worker(self) -> None:
        """Another worker, which has its partitions when this returns."""
        self.worker = self.begin_worker()
        self.ready(self.worker)

    def begin_worker(self) -> str:
        """Another worker; its name."""
        self.workers += 1
        name = f"worker-{self.workers}"
        environ = self.environ | {"PANINI_WORKER_READY_FILE": str(self.root / f"{name}.ready")}
        self.running.start(name, [sys.executable, STEPPING, self.root, "worker", self.model], environ)
        return name

    def ready(self, worker: str) -> None:
        """Return when a worker is loaded and in its group."""
        ready = self.root / f"{worker}.ready"

        def up() -> bool:
            self.running.lives(worker)
            return ready.exists()

        kit.until(up, f"{worker} is ready", within=90)

    def stop_at(self, step: str) -> None:
        """Whichever process comes to that step next stands still there."""
        asked = self.root / "stop-at"
        asked.with_suffix(".new").write_text(step)
        asked.with_suffix(".new").rename(asked)

    def stand(self, name: str) -> None:
        """Let that process stand still now."""
        os.kill(self.running.pid(name), signal.SIGSTOP)

    def stands(self, name: str) -> None:
        """Return when that process stands still."""
        pid = self.running.pid(name)
        kit.until(lambda: all(state == "T" for state in kit.states(pid)), f"{name} stands still")

    def kill(self, name: str) -> None:
        """kill -9, and what Kafka does about a lost member once its session is over, at once."""
        pid = self.running.pid(name)
        os.kill(pid, signal.SIGKILL)
        self.running.gone(name)
        if name != "api":
            with contextlib.closing(kafka_python.KafkaAdminClient(**self.kafka.client)) as made:
                lost = [admin.MemberToRemove(member_id=member) for member in self.members()]
                made.remove_group_members(names.group("default", self.model), lost)

    # -- ways in and out ---------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """The first API key."""
        return (self.root / "key").read_text().strip()

    @property
    def cache(self) -> pathlib.Path:
        """The model's cache folder."""
        return self.home / "cache" / "models" / f"default.{self.model}"

    def seen(self) -> list[Any]:
        """Every input that predict() was given, in order: a log outside the system."""
        path = self.cache / "seen"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def http(self, **more: Any) -> httpx.Client:
        """A bare HTTP client with the key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60, **more)

    def produce(self, *values: list[dict[str, Any]]) -> list[tuple[int, int]]:
        """Write records; partition and offset of each."""
        with contextlib.closing(kafka_python.KafkaProducer(**self.kafka.client)) as made:
            topic = names.jobs_topic("default", self.model)
            sent = [made.send(topic, json.dumps(value).encode(), key=b"", partition=0) for value in values]
            return [(one.get(30).partition, one.get(30).offset) for one in sent]

    def members(self) -> list[str]:
        """Who is in the model's group."""
        group = names.group("default", self.model)
        with contextlib.closing(kafka_python.KafkaAdminClient(**self.kafka.client)) as made:
            return [one["member_id"] for one in made.describe_groups([group])[group]["members"]]

    def committed(self) -> dict[int, int]:
        """The group's offsets of the model's own topic."""
        group, topic = names.group("default", self.model), names.jobs_topic("default", self.model)
        with contextlib.closing(kafka_python.KafkaAdminClient(**self.kafka.client)) as made:
            found = made.list_group_offsets(group)[group]
        return {tp.partition: at.offset for tp, at in found.items() if tp.topic == topic and at.offset >= 0}

    def unread(self) -> int:
        """Records of all of the model's topics, those of parked jobs included, that are not committed as finished."""
        group, prefix = names.group("default", self.model), names.jobs_topic("default", self.model)[: -len("jobs")]
        with (
            contextlib.closing(kafka_python.KafkaAdminClient(**self.kafka.client)) as made,
            contextlib.closing(kafka_python.KafkaConsumer(**self.kafka.client)) as reader,
        ):
            committed = {tp: at.offset for tp, at in made.list_group_offsets(group)[group].items()}
            topics = [topic for topic in reader.topics() if topic.startswith(prefix)]
            every = [
                kafka_python.TopicPartition(topic, number)
                for topic in topics
                for number in reader.partitions_for_topic(topic) or ()
            ]
            return sum(end - max(committed.get(tp, 0), 0) for tp, end in reader.end_offsets(every).items())

    def replies(self) -> list[dict[str, Any]]:
        """Every reply so far."""
        with contextlib.closing(kafka_python.KafkaConsumer(**self.kafka.client)) as made:
            tp = kafka_python.TopicPartition(self.topic, 0)
            made.assign([tp])
            made.seek_to_beginning(tp)
            end, found = made.end_offsets([tp])[tp], []
            while made.position(tp) < end:
                found += [json.loads(one.value) for batch in made.poll(500).values() for one in batch]
            return found


@pytest.fixture(scope="module")
def bench(
    tmp_path_factory: pytest.TempPathFactory, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey
) -> Iterator[Bench]:
    """A running one; every test leaves an API and a worker running."""
    made = Bench(tmp_path_factory.mktemp("steps"), kafka, valkey)
    try:
        yield made.start()
    finally:
        made.running.end()
