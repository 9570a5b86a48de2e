"""The whole on a real control plane: `panini scaler` and the API as processes, and Panini's own workers as the pods.

The node is process-kubelet.py: it runs each container's command with its environment, probes and grace period.
"""

import json
import pathlib
import sys
import uuid
from collections.abc import Iterator
from typing import Any, Final

import kafka as kafka_python
import pytest

from panini import client
from panini.stack import kafka as stack_kafka
from panini.stack import ports
from panini.stack import valkey as stack_valkey
from tests.integration import processes
from tests.integration.k8s import kube as kubes
from wire import names

SLOW: Final = (
    "import time\ndef predict(inputs):\n    time.sleep(0.25 * len(inputs))\n    return [2 * x for x in inputs]\n"
)
"""A quarter of a second an input."""

JOBS: Final = 80


class System:
    """Everything but the workers."""

    def __init__(self, kube: kubes.Kube, running: processes.Processes, url: str, key: str, kafka: Any) -> None:
        self.kube, self.running, self.url, self.key, self.kafka = kube, running, url, key, kafka

    def client(self) -> client.Client:
        """The Python client, with the first key."""
        return client.Client(self.url, self.key)

    def logs(self, folder: pathlib.Path) -> str:
        """What everybody said, for a failure's message."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in folder.glob("*.log")
        )


@pytest.fixture
def system(
    kube: kubes.Kube, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey, tmp_path: pathlib.Path
) -> Iterator[System]:
    """API and scaler as processes, and a node on which pods are processes."""
    found = kubes.tools()
    kubes.needed(found)
    assert found is not None
    port, probes = ports.several_free(2)
    url, node = f"http://127.0.0.1:{port}", f"node-{uuid.uuid4().hex[:8]}"
    secrets = processes.secrets_folder(tmp_path / "secrets", kafka, valkey)
    shared = processes.addresses(kafka, valkey) | {"PANINI_REGISTRY": url}
    own = {"PANINI_SECRETS": str(secrets)}
    kube.core.create_namespaced_config_map(kube.namespace, {"metadata": {"name": "panini"}, "data": shared})
    kubelet = [sys.executable, found / "process-kubelet.py", "--kubeconfig", kube.kubeconfig, "--node", node]
    with processes.running(tmp_path) as running:
        running.start(
            "kubelet",
            [*kubelet, "--dir", tmp_path / "pods", "--entrypoint", f"panini:test={sys.executable} -m panini"],
            {},
        )
        home = {"PANINI_HOME": str(tmp_path / "api"), "PANINI_REGISTRY_FOLDER": str(tmp_path / "registry")}
        places = {"PANINI_PORT": str(port), "PANINI_KEY_FILE": str(tmp_path / "key")}
        running.panini("api", ["serve", "all"], shared | own | home | places)
        running.answers("api", f"{url}/readyz")
        scaler = {
            "PANINI_K8S_KUBECONFIG": str(kube.kubeconfig),
            "PANINI_K8S_NAMESPACE": kube.namespace,
            "PANINI_K8S_IMAGE": "panini:test",
            "PANINI_K8S_SECRETS_FOLDER": str(secrets),
            "PANINI_K8S_HOME": str(tmp_path / "home"),
            "PANINI_K8S_NODE_SELECTOR": json.dumps({"kubernetes.io/hostname": node}),
            "PANINI_HEALTH_PORT": str(probes),
            "PANINI_SCALE_MOST": "3",
            "PANINI_SCALE_INTERVAL": "0.2",
            "PANINI_SCALE_LOAD": "1",
            "PANINI_SCALE_TARGET_WAIT": "2",
            "PANINI_SCALE_STABLE": "2",
            "PANINI_SCALE_IDLE": "3",
        }
        running.panini("scaler", ["scaler"], shared | own | scaler)
        running.answers("scaler", f"http://127.0.0.1:{probes}/readyz")
        yield System(kube, running, url, (tmp_path / "key").read_text().strip(), kafka)
        assert running.stop("scaler") == 0
        for word in kube.names():
            kube.apps.delete_namespaced_deployment(word, kube.namespace)
        processes.until(lambda: not kube.core.list_namespaced_pod(kube.namespace).items, "pods that do not end")


def produce(system: System, model: str, count: int) -> list[str]:
    """One job a record, over all partitions; the jobs' ids."""
    topic = names.jobs_topic("default", model)
    producer = kafka_python.KafkaProducer(**system.kafka.client)
    ids = [f"{model}-{number}" for number in range(count)]
    for number, job in enumerate(ids):
        producer.send(topic, json.dumps({"id": job, "input": number}).encode(), partition=number % 4)
    producer.close()
    return ids


def test_zero_to_three_to_zero_under_load_and_removed(system: System, tmp_path: pathlib.Path) -> None:
    model, kube = "slow", system.kube
    word = "panini-worker-default-slow"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "predict.py").write_text(SLOW)

    with system.client() as asked:
        asked.deploy(folder, model, sample=1)  # a pod is made for it, builds it, and says so
        processes.until(lambda: kube.deployment(word).spec.replicas == 0, "never asleep after the deploy")
        processes.until(lambda: not kube.pods(model), "the pod that built it stays")

        ids = produce(system, model, JOBS)

        processes.until(lambda: kube.ready(word) == 3, f"never three ready workers\n{system.logs(tmp_path)}")
        done = [asked.job(job, model=model, wait=20).wait(60) for job in ids]
        assert [job.output for job in done] == [2 * number for number in range(JOBS)]
        assert {job.document["attempt"] for job in done} == {1}

        processes.until(lambda: kube.deployment(word).spec.replicas == 0, "never asleep again")
        processes.until(lambda: not kube.pods(model), "pods stay")
        late = asked.submit(model, 21)
        assert late.result(60) == 42  # a sleeping model wakes up for one job

        asked.remove(model)
        processes.until(lambda: word not in kube.names(), "its Deployment stays")
        processes.until(lambda: not kube.pods(model), "its pods stay")


def test_a_worker_that_is_scaled_away_finishes_what_it_runs(system: System, tmp_path: pathlib.Path) -> None:
    model, kube = "drained", system.kube
    word = "panini-worker-default-drained"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "predict.py").write_text(SLOW)

    with system.client() as asked:
        asked.deploy(folder, model, sample=1)
        ids = produce(system, model, 40)
        processes.until(lambda: kube.ready(word) >= 1, "no worker")
        first = asked.job(ids[0], model=model, wait=20).wait(60)
        for pod in kube.pods(model):
            kube.core.delete_namespaced_pod(pod.metadata.name, kube.namespace)  # as a scale-down does

        done = [asked.job(job, model=model, wait=20).wait(60) for job in ids]

    assert first.output == 0
    assert {job.status for job in done} == {"succeeded"}
    assert {job.document["attempt"] for job in done} == {1}  # none was interrupted
