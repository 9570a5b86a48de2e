"""Every service of docker-compose.yml as a local process: its exact command, environment, secrets and health check.

Containers are what is missing: addresses and folders of theirs are replaced (see `compose.placed`), nothing else.
"""

import functools
import pathlib
import signal
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from panini import client
from panini.stack import ports
from panini.stack import secrets as stack_secrets
from tests.integration import processes
from tests.integration.compose import compose

MODEL = "def predict(inputs):\n    return [2 * x for x in inputs]\n"


class Composed:
    """What `docker compose up` would have started."""

    def __init__(self, root: pathlib.Path, running: processes.Processes) -> None:
        self.root = root
        self.running = running
        self.services: dict[str, dict[str, Any]] = compose.document()["services"]
        self.secrets = stack_secrets.ensure(root / "all-secrets")
        names = [*compose.own(), "kafka", "controller", "valkey"]
        self.ports = dict(zip(names, ports.several_free(len(names)), strict=True))

    def places(self, name: str) -> dict[str, str]:
        """Containers' addresses and folders → this test's."""
        at = {service: f"127.0.0.1:{port}" for service, port in self.ports.items()}
        return {
            "CLIENT://:9092": f"CLIENT://{at['kafka']}",
            "kafka:9092": at["kafka"],
            "127.0.0.1:9093": at["controller"],
            "valkey:6379": at["valkey"],
            "registry:8080": at["registry"],
            "gateway:8080": at["registry"],
            "/run/secrets": str(self.root / name / "secrets"),
            "/var/lib/": f"{self.root / name}/",
            "/tmp/": f"{self.root / name}/",
            "--dir /data": f"--dir {self.root / name} --bind 127.0.0.1 --port {self.ports['valkey']}",
            compose.KAFKA_RUN: str(self.root / "kafka-image" / "run"),
        }

    def start(self, name: str) -> None:
        """Start one service."""
        service, places = self.services[name], self.places(name)
        compose.secrets(service, self.secrets, self.root / name / "secrets")
        command = [compose.placed(word, places) for word in service["command"]]
        if name in compose.own():
            (self.root / name / "panini").mkdir()
            command = ["panini", *command]
        self.running.start(name, command, self.environ(name), cwd=self.root / name, bare=True)

    def environ(self, name: str) -> dict[str, str]:
        """Its environment: what the image sets, what the file sets, and the one port that it has here."""
        service, places = self.services[name], self.places(name)
        found = compose.environment(service, places)
        if name == "valkey":
            return found | {"PATH": f"{self.root / 'valkey-image'}:{found['PATH']}"}
        if name == "kafka":
            return found
        image = {key: compose.placed(value, places) for key, value in compose.image_environment().items()}
        own = "PANINI_HEALTH_PORT" if "PANINI_HEALTH_PORT" in found else "PANINI_PORT"
        return image | found | {own: str(self.ports[name])}

    def healthy(self, name: str) -> bool:
        """Whether its health check passes. Fails when it ended."""
        self.running.lives(name)
        check = compose.placed(" ".join(self.services[name]["healthcheck"]["test"][1:]), self.places(name))
        check = check.replace("/127.0.0.1/9092", f"/127.0.0.1/{self.ports['kafka']}")
        if name == "valkey":  # no valkey-cli is at hand; who needs it is not healthy without it
            return not ports.is_free(self.ports[name])
        done = subprocess.run(["sh", "-c", check], env=self.environ(name), capture_output=True, check=False)
        return done.returncode == 0

    def up(self) -> None:
        """All of them, each when those it depends on are healthy."""
        waiting = [name for name in self.services if name != "gateway"]
        while waiting:
            name = next(one for one in waiting if not set(self.services[one].get("depends_on", {})) & set(waiting))
            self.start(name)
            try:
                processes.until(functools.partial(self.healthy, name), f"{name} is not healthy")
            except AssertionError as error:
                raise AssertionError(f"{error}:\n{self.running.log(name)}") from None
            waiting.remove(name)

    def logs(self) -> str:
        """What the workers said, for a failure's message."""
        files = [self.root / "workers.log", *(self.root / "workers" / "panini" / "logs").glob("*.log")]
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def url(self, name: str) -> str:
        """Where a service listens here."""
        return f"http://127.0.0.1:{self.ports[name]}"


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """Everything but the gateway, healthy."""
    root = tmp_path_factory.mktemp("compose")
    (root / "kafka-image").mkdir()
    compose.kafka_image(root / "kafka-image")
    compose.valkey_image(root / "valkey-image")
    with processes.running(root) as running:
        made = Composed(root, running)
        made.up()
        yield made


@pytest.fixture(scope="module")
def key(composed: Composed) -> str:
    """The first API key, where the file's own comment says it is."""
    return (composed.root / "registry" / "panini" / "key").read_text().strip()


def test_a_model_is_deployed_and_a_job_goes_in_and_comes_out(
    composed: Composed, key: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "predict.py").write_text(MODEL)
    headers: Mapping[str, str] = {"Authorization": f"Bearer {key}"}

    with client.Client(composed.url("registry"), key) as asked:
        try:
            asked.deploy(tmp_path, "double", sample=1)
        finally:
            print(composed.logs())  # shown where it fails

    with httpx.Client(headers=headers, trust_env=False, timeout=60) as http:

        def accepted() -> Any:
            answer = http.post(f"{composed.url('ingest')}/v1/models/double/jobs", json={"input": 21})
            return answer.json()["id"] if answer.status_code == 202 else None

        job = processes.until(accepted, "never accepted")
        answer = http.get(f"{composed.url('results')}/v1/jobs/{job}", params={"wait": 20}).json()

    assert (answer["status"], answer["output"]) == ("succeeded", 42)


def test_the_pages_answer(composed: Composed) -> None:
    answer = httpx.get(f"{composed.url('dashboard')}/login", trust_env=False)

    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["dashboard", "results", "ingest", "workers", "registry"])
def test_each_stops_when_it_is_told(composed: Composed, name: str) -> None:
    """The last test of the file. An HTTP service drains and then ends by the signal itself, as uvicorn has it."""
    assert composed.running.stop(name) in {0, -signal.SIGTERM}
