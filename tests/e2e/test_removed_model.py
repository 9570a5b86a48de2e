"""A removed model leaves nothing behind, whatever is killed meanwhile, and one made again under its name is another."""

import contextlib
import pathlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import kafka as kafka_python
import pytest
import redis

from panini.client import Client
from panini.stack import kafka as stack_kafka
from panini.stack import valkey as stack_valkey
from results import keys
from tests.e2e import kit
from tests.e2e.test_services_alone import Installation
from wire import names

MODEL = "short"
CODE = """\
# {mark}
import panini
def predict(inputs):
    out = []
    for one in inputs:
        panini.progress(0.5, 'half')
        if one == 'later':
            raise panini.Retry('not yet', after=3600)
        out.append('{answer}')
    return out
"""


class Left:
    """What there is of a model, outside the system."""

    def __init__(self, kafka: dict[str, Any], store: redis.Redis, registry: pathlib.Path) -> None:
        self._kafka = kafka
        self._store = store
        self.registry = registry

    def topics(self, model: str) -> set[str]:
        admin = kafka_python.KafkaAdminClient(**self._kafka)
        try:
            prefix = names.jobs_topic("default", model).removesuffix("jobs")
            return {topic.removeprefix(prefix) for topic in admin.list_topics() if topic.startswith(prefix)}
        finally:
            admin.close()

    def groups(self) -> set[str]:
        admin = kafka_python.KafkaAdminClient(**self._kafka)
        try:
            return {one["group_id"] for one in admin.list_groups()}
        finally:
            admin.close()

    def keys(self, model: str) -> set[str]:
        """Redis' keys of the model, without what tells one job from another."""
        tag = keys.tag("default", model)
        found = {key.decode().removeprefix(f"{tag}:").partition(":")[0] for key in self._store.scan_iter(f"{tag}:*")}
        hinted = self._store.zscore(keys.SWEEP_DUE, f"default:{model}")
        return found if hinted is None else found | {"hint"}

    def removals(self) -> int:
        with sqlite3.connect(f"file:{self.registry / 'registry.db'}?mode=ro", uri=True) as database:
            found: tuple[int] = database.execute("SELECT count(*) FROM removals").fetchone()
        return found[0]

    def blobs(self) -> set[str]:
        return {path.name for path in (self.registry / "blobs").glob("sha256/??/*")}

    def logs(self) -> set[str]:
        return {path.name for path in (self.registry / "logs").glob("*")}


def drive(http: httpx.Client, url: str, model: str, *, worker: bool = True) -> str:
    """Jobs that leave something of every kind; the id of one that has ended, or waits."""
    jobs = f"{url}/v1/models/{model}/jobs"
    body = {"input": "now", "webhook": "http://127.0.0.1:9/nobody", "metadata": {"a": 1}}
    wait = {"Prefer": "wait=30"} if worker else {}
    done = http.post(jobs, json=body, headers=wait | {"Idempotency-Key": "one"})
    assert done.status_code == (200 if worker else 202), done.text
    for given in ({"input": "later"}, {"input": "queued", "deadline": 4_000_000_000}):
        assert http.post(jobs, json=given).status_code == 202
    found: str = done.json()["id"]
    return found


@pytest.fixture
def store(stack: kit.Stack) -> Iterator[redis.Redis]:
    password = (stack.home / "secrets" / "panini_redis_password").read_text().strip()
    with redis.Redis.from_url(stack.status()["redis"], password=password) as client:
        yield client


def test_nothing_is_left_and_the_name_is_free(stack: kit.Stack, store: redis.Redis) -> None:
    """Catches each line of `Purger._purge` (registry/purging.py), and `_tidy` in panini/crew.py."""
    left = Left(stack.kafka, store, stack.home / "registry")
    before = left.blobs(), left.logs()
    wanted = {"predict.py": CODE.format(mark="first", answer="old"), "requirements.txt": "# short\n"}
    model = stack.deploy(wanted, name=MODEL)
    with stack.http() as http:
        old = drive(http, stack.url, model)
        kit.until(lambda: len(left.topics(model)) >= 3, "a job is parked")
        kit.until(lambda: left.keys(model) >= {"j", "index", "e", "d", "due", "i", "deadlines"}, "there is much to go")
        assert names.group("default", model) in left.groups()

        # When
        stack.panini("remove", model, "--yes")

        # Then it is no more, at once
        assert http.get(f"/v1/models/{model}").status_code == 404
        assert (left.blobs(), http.get(f"/v1/jobs/{old}").status_code) == (before[0], 404)
        # and a deploy under its name waits until nothing is left, and begins anew
        stack.deploy(wanted | {"predict.py": CODE.format(mark="second", answer="new")}, name=model)
        assert left.removals() == 0
        assert left.topics(model) == {"jobs", "bulk"}
        assert http.get(f"/v1/models/{model}/jobs").json()["jobs"] == []
        assert http.get(f"/v1/jobs/{old}").status_code == 404
        again = http.post(
            f"/v1/models/{model}/jobs", json={"input": "now"}, headers={"Prefer": "wait=30", "Idempotency-Key": "one"}
        ).json()
        assert (again["output"], again["version"], again["cached"]) == ("new", 1, False)

        # When that is removed too
        stack.panini("remove", model, "--yes")

    # Then nothing is left of either
    kit.until(lambda: left.removals() == 0, "it is purged")
    assert (left.topics(model), left.keys(model), left.blobs(), left.logs()) == (set(), set(), *before)
    assert names.group("default", model) not in left.groups()
    # (Kafka itself keeps what it deleted for a minute more, under other names)
    places = [place for place in stack.home.iterdir() if place.is_dir() and place.name != "kafka"]
    kit.until(lambda: not [*_named(places, f"*default.{model}*")], "no file in the home has its name")


def _named(places: list[pathlib.Path], pattern: str) -> Iterator[pathlib.Path]:
    for place in places:
        with contextlib.suppress(FileNotFoundError):  # it goes just now
            yield from place.rglob(pattern)


SLOW = """\
import os, time
def load(path):
    while os.path.exists(os.path.join(os.environ['XDG_CACHE_HOME'], 'wait')):
        time.sleep(0.01)
def predict(model, inputs):
    return list(inputs)
"""


@pytest.fixture(scope="module")
def alone(
    tmp_path_factory: pytest.TempPathFactory, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey
) -> Iterator[tuple[Installation, Left]]:
    """Every service as a process of its own; each test leaves all running, and no model."""
    made = Installation(tmp_path_factory.mktemp("alone") / "installation", kafka, valkey)
    with redis.Redis.from_url(valkey.url_with_password) as store:
        try:
            yield made.start(pages=False), Left(kafka.client, store, made.root / "registry")
        finally:
            made.running.end()


def test_a_registry_killed_in_the_middle_goes_on(alone: tuple[Installation, Left], tmp_path: pathlib.Path) -> None:
    """Catches `removals.begin` in `Registry.remove`: what is to be purged would be forgotten with the process."""
    made, left = alone
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predict.py").write_text(CODE.format(mark="killed", answer="old"))
    with Client(made.url, made.headers["Authorization"].split()[1]) as client:
        client.upload(tmp_path / "model", "killed")
        worker = made.worker(0, "killed")
        kit.until(lambda: client.model("killed").live, "the version is live", within=90)
    with httpx.Client(headers=made.headers, trust_env=False, timeout=60) as http:
        kit.until(lambda: http.get(f"{made.results[0]}/v1/models/killed/jobs").status_code == 200, "results know of it")
        old = drive(http, made.ingest[0], "killed")
        # When it is removed, and the registry killed before it could purge anything, and while it purges
        assert http.delete(f"{made.url}/v1/models/killed").status_code == 204
        made.running.kill("registry")
        assert left.topics("killed")
        assert left.keys("killed")
        made.again()
        kit.until(lambda: not left.topics("killed"), "it has begun")
        made.running.kill("registry")
        made.again()
        # Then nothing is left
        kit.until(lambda: left.removals() == 0, "it is purged")
        assert (left.topics("killed"), left.keys("killed"), left.blobs(), left.logs()) == (set(), set(), set(), set())
        assert names.group("default", "killed") not in left.groups()
        assert made.running.gone(worker) == 0, "its worker ended by itself"
        job = f"{made.results[1]}/v1/jobs/{old}"
        kit.until(lambda: http.get(job).status_code == 404, "the registry is heard of again")


def test_a_worker_that_loads_meanwhile_does_not_join(alone: tuple[Installation, Left], tmp_path: pathlib.Path) -> None:
    """Catches `_removed` in Worker._consume: it would wait for a topic for ever, or read another model's."""
    made, left = alone
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predict.py").write_text(SLOW)
    # Given a worker that loads while another is in the group
    waits = made.root / "worker-1" / "cache" / "models" / "default.loads" / "wait"
    waits.parent.mkdir(parents=True)
    waits.touch()
    with Client(made.url, made.headers["Authorization"].split()[1]) as client:
        client.upload(tmp_path / "model", "loads")
        first = made.worker(0, "loads")
        kit.until(lambda: client.model("loads").live, "the version is live", within=90)
        second = made.worker(1, "loads")
        kit.until((made.root / "worker-1" / "versions" / "default.loads").exists, "it has the version")
        # When the model is removed, and all of it is gone
        client.remove("loads")
    assert made.running.gone(first) == 0
    kit.until(lambda: left.removals() == 0, "it is purged")
    waits.unlink()
    # Then that worker ends as well
    assert made.running.gone(second) == 0
    assert left.topics("loads") == set()
    assert names.group("default", "loads") not in left.groups()
