"""A real Kubernetes control plane for tests, and what they ask of it."""

import asyncio
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import kubernetes.client
import kubernetes.config
import pytest

ROOT: Final = pathlib.Path(__file__).parents[3]

PATIENCE: Final = 60.0
"""Seconds that something may take to come true: only a test that fails waits so long."""


def tools() -> pathlib.Path | None:
    """The folder with kube-test-env and process-kubelet.py: `kube` in the one that PANINI_SHARED names."""
    folder = pathlib.Path(os.environ.get("PANINI_SHARED") or ROOT.parent / "shared") / "kube"
    return folder if (folder / "kube-test-env").exists() else None


def needed(what: object) -> None:
    """Skip where a person asked for that; else a missing control plane is a failure, in CI always."""
    if what is not None:
        return
    if os.environ.get("PANINI_TEST_WITHOUT_KUBE") and not os.environ.get("CI"):
        pytest.skip("PANINI_TEST_WITHOUT_KUBE is set")
    pytest.fail(
        "no Kubernetes: name a kubeconfig in PANINI_TEST_KUBECONFIG, or the folder that holds kube/ in PANINI_SHARED; "
        "PANINI_TEST_WITHOUT_KUBE=1 skips these tests"
    )


def run(*command: object, **more: Any) -> str:
    """A program's output. Its failure is the test's, with what it said."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return str(done.stdout)


def start(folder: pathlib.Path) -> pathlib.Path:
    """A control plane of our own with one fake node; its kubeconfig."""
    found = tools()
    assert found is not None
    run(sys.executable, found / "kube-test-env", "start", folder, "--fake-nodes", "1")
    return folder / "kubeconfig"


def stop(folder: pathlib.Path) -> None:
    """End what `start` started."""
    found = tools()
    assert found is not None
    run(sys.executable, found / "kube-test-env", "stop", folder)


async def until(met: Callable[[], Any], words: str) -> Any:
    """Wait for something to come true in the cluster; its value. Fails with `words` and the last value seen."""
    end = time.monotonic() + PATIENCE
    while True:
        value = await asyncio.to_thread(met)
        if value:
            return value
        assert time.monotonic() < end, words
        await asyncio.sleep(0.05)


class Kube:
    """One namespace of a real cluster, asked as its admin."""

    def __init__(self, kubeconfig: pathlib.Path, namespace: str) -> None:
        configuration = kubernetes.client.Configuration()
        load: Any = kubernetes.config.load_kube_config
        load(str(kubeconfig), client_configuration=configuration)
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.api: Any = kubernetes.client.ApiClient(configuration)
        self.core: Any = kubernetes.client.CoreV1Api(self.api)
        self.apps: Any = kubernetes.client.AppsV1Api(self.api)

    def make(self) -> None:
        """The namespace, in which only restricted pods are admitted, with what workers refer to."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        meta = {"name": self.namespace, "labels": labels}
        self.core.create_namespace({"metadata": meta})
        self.core.create_namespaced_service_account(self.namespace, {"metadata": {"name": "panini"}})

    def drop(self) -> None:
        """Everything in it, without waiting."""
        self.core.delete_namespace(self.namespace)
        self.api.close()

    def kubectl(self, *words: object) -> str:
        """kubectl's output."""
        return run("kubectl", "--kubeconfig", self.kubeconfig, "--namespace", self.namespace, *words)

    def names(self) -> set[str]:
        """The Deployments that exist."""
        return {one.metadata.name for one in self.apps.list_namespaced_deployment(self.namespace).items}

    def deployment(self, name: str) -> Any:
        """One of them."""
        return self.apps.read_namespaced_deployment(name, self.namespace)

    def ready(self, name: str) -> int:
        """How many of its pods are ready."""
        return int(self.deployment(name).status.ready_replicas or 0)

    def pods(self, model: str) -> list[Any]:
        """The pods of a model's workers, those that end included."""
        found: list[Any] = self.core.list_namespaced_pod(self.namespace, label_selector=f"panini/model={model}").items
        return found
