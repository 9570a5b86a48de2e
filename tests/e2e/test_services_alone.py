"""Every service as a process of its own, two of those that may be several, on engines that Panini did not start."""

import json
import pathlib
from collections.abc import Iterator

import httpx
import kafka as kafka_python
import pytest

from panini.client import Client
from panini.stack import kafka as stack_kafka
from panini.stack import ports
from panini.stack import valkey as stack_valkey
from tests.e2e import kit
from tests.integration import processes

MODEL = kit.DOUBLE


class Installation:
    """One registry; two each of ingest, results, dashboard and worker: as a cluster runs them."""

    def __init__(self, root: pathlib.Path, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey) -> None:
        (root / "logs").mkdir(parents=True)
        self.root = root
        self.running = processes.Processes(root / "logs")
        self.kafka = kafka
        registry, *others = ports.several_free(7)
        self.url = f"http://127.0.0.1:{registry}"
        self.ingest = [f"http://127.0.0.1:{port}" for port in others[:2]]
        self.results = [f"http://127.0.0.1:{port}" for port in others[2:4]]
        self.dashboard = [f"http://127.0.0.1:{port}" for port in others[4:6]]
        self.environ = processes.addresses(kafka, valkey) | {
            "PANINI_SECRETS": str(processes.secrets_folder(root / "secrets", kafka, valkey)),
            "PANINI_REGISTRY": self.url,
            "PANINI_REGISTRY_FOLDER": str(root / "registry"),
            "PANINI_KEY_FILE": str(root / "key"),
            "PANINI_DASHBOARD_API": self.url,
            "PANINI_LOG_FORMAT": "json",
        }

    def start(self, *, pages: bool = True) -> "Installation":
        """Start them all, but the dashboards where no `pages` are wanted, and wait until each is ready."""
        self._serve("registry", "registry", self.url)
        for role, urls in (("ingest", self.ingest), ("results", self.results), ("dashboard", self.dashboard)):
            for number, url in enumerate(urls if pages or role != "dashboard" else []):
                self._serve(f"{role}-{number}", role, url)
        return self

    def worker(self, number: int, model: str) -> str:
        """One more worker of a model; its name."""
        name = f"worker-{number}"
        home = {"PANINI_HOME": str(self.root / name)}
        self.running.panini(name, ["worker", model], self.environ | home)
        return name

    def again(self) -> None:
        """Start the registry again."""
        self._serve("registry", "registry", self.url)

    def _serve(self, name: str, role: str, url: str) -> None:
        self.running.panini(name, ["serve", role], self.environ | {"PANINI_PORT": url.rsplit(":", 1)[1]})
        self.running.answers(name, f"{url}/readyz")

    @property
    def headers(self) -> dict[str, str]:
        """With the first key."""
        return {"Authorization": f"Bearer {(self.root / 'key').read_text().strip()}"}


@pytest.fixture
def installation(
    tmp_path: pathlib.Path, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey
) -> Iterator[Installation]:
    """All services, each alone."""
    made = Installation(tmp_path / "installation", kafka, valkey)
    try:
        yield made.start()
    finally:
        made.running.end()


def test_the_main_job_runs_across_separate_processes(installation: Installation, tmp_path: pathlib.Path) -> None:
    # Given a model, deployed through the registry and built by one of two workers
    (tmp_path / "model").mkdir()
    for path, content in MODEL.items():
        (tmp_path / "model" / path).write_text(content)
    with Client(installation.url, installation.headers["Authorization"].split()[1]) as client:
        client.upload(tmp_path / "model", "alone")
        workers = [installation.worker(number, "alone") for number in range(2)]
        kit.until(lambda: client.model("alone").live, "the version is live", within=90)

    with httpx.Client(headers=installation.headers, trust_env=False, timeout=60) as http:
        # When jobs come in through both ingests, and straight from Kafka
        sent: dict[str, int] = {}
        for number in range(20):
            answer = http.post(f"{installation.ingest[number % 2]}/v1/models/alone/jobs", json={"input": number})
            assert answer.status_code == 202, answer.text
            sent[answer.json()["id"]] = number
        producer = kafka_python.KafkaProducer(**installation.kafka.client)
        records = [
            producer.send("panini.default.alone.jobs", json.dumps({"input": number}).encode()) for number in range(5)
        ]
        places = [record.get(30) for record in records]
        producer.close()

        # Then either results process knows every answer
        for which, url in enumerate(installation.results):
            for job_id, number in sent.items():
                job = http.get(f"{url}/v1/jobs/{job_id}", params={"wait": 30}).json()
                assert (job["status"], job["output"]) == ("succeeded", 2 * number), (which, job)
        for number, place in enumerate(places):
            url = f"{installation.results[0]}/v1/models/alone/records/{place.partition}/{place.offset}"
            found = kit.until(lambda url=url: _ended(http, url), "the record's job ended")  # type: ignore[misc]
            assert found["output"] == 2 * number

        # And a waiting POST at one ingest is told by whichever worker ran it
        for number in range(6):
            waited = http.post(
                f"{installation.ingest[number % 2]}/v1/models/alone/jobs",
                json={"input": number},
                headers={"Prefer": "wait=30"},
            )
            assert (waited.status_code, waited.json()["output"]) == (200, 2 * number)

        # And each process tells of itself, and the pages are served by both dashboards
        for url in (installation.url, *installation.ingest, *installation.results, *installation.dashboard):
            assert http.get(f"{url}/healthz").json() == {"status": "ok"}
            assert "python_info" in http.get(f"{url}/metrics").text
        for url in installation.dashboard:
            assert http.get(f"{url}/login").status_code == 200

    # And workers told to stop end well
    for name in workers:
        assert installation.running.stop(name) == 0


def _ended(http: httpx.Client, url: str) -> dict[str, object] | None:
    answer = http.get(url)
    if answer.status_code != 200:
        return None
    found: dict[str, object] = answer.json()["jobs"][0]
    return found if found["status"] == "succeeded" else None
