"""The scaler against a real API server and its controllers; nodes, registry and lag are doubles."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import pathlib
from collections.abc import AsyncIterator

import pytest

from k8s import cluster, errors, manifest, scaler
from k8s import settings as k8s_settings
from tests.integration.k8s import kube as kubes
from tests.unit.k8s import kit
from workers import scaling_settings

ONE = "panini-worker-default-one"
TWO = "panini-worker-default-two"


@dataclasses.dataclass
class Running:
    """A scaler that runs in this process."""

    made: scaler.Scaler
    registry: kit.Registry
    backlogs: kit.Backlogs


@contextlib.asynccontextmanager
async def scaling(kube: kubes.Kube, *names: str, kubeconfig: pathlib.Path | None = None) -> AsyncIterator[Running]:
    """Run a scaler for these models."""
    options = k8s_settings.Settings(k8s_kubeconfig=kubeconfig or kube.kubeconfig, k8s_namespace=kube.namespace)
    registry, backlogs = kit.Registry(*map(kit.model, names)), kit.Backlogs()
    made = scaler.Scaler(
        options=options,
        policy=scaling_settings.ScalingSettings(
            scale_interval=0.1, scale_idle=1, scale_stable=0.5, scale_load=0.1, scale_target_wait=0.5
        ),
        worker_drain=5,
        registry=registry,
        backlogs=backlogs,
        cluster=cluster.Cluster(options),
    )
    running = asyncio.create_task(made.serve())
    try:
        yield Running(made, registry, backlogs)
    finally:
        made.stop()
        await running


async def test_a_deployment_for_each_model_asleep_until_there_is_work(kube: kubes.Kube) -> None:
    async with scaling(kube, "one", "two"):
        await kubes.until(lambda: kube.names() == {ONE, TWO}, "no Deployments")

    found = kube.deployment(ONE)
    assert found.spec.replicas == 0
    assert found.metadata.labels == manifest.labels(("default", "one"))
    assert {field.manager for field in found.metadata.managed_fields if field.operation == "Apply"} == {"panini-scaler"}


async def test_zero_to_four_to_zero_with_the_backlog(kube: kubes.Kube) -> None:
    async with scaling(kube, "one") as running:
        await kubes.until(lambda: ONE in kube.names(), "no Deployment")
        running.backlogs.waiting("one", 1000)

        await kubes.until(lambda: kube.ready(ONE) == 4, "never four ready workers")

        running.backlogs.waiting("one", 0, finished=1000)
        await kubes.until(lambda: kube.deployment(ONE).spec.replicas == 0, "never asleep")
        await kubes.until(lambda: not kube.pods("one"), "pods stay")


async def test_a_removed_models_workers_go_and_its_neighbours_stay(kube: kubes.Kube) -> None:
    async with scaling(kube, "one", "two") as running:
        running.backlogs.waiting("one", 1)
        await kubes.until(lambda: kube.names() == {ONE, TWO} and kube.ready(ONE), "no worker")

        running.registry.have(kit.model("two"))

        await kubes.until(lambda: kube.names() == {TWO} and not kube.pods("one"), "it stays")


async def test_a_foreign_deployment_of_the_same_name_is_left_alone(
    kube: kubes.Kube, caplog: pytest.LogCaptureFixture
) -> None:
    kube.kubectl("create", "deployment", ONE, "--image=theirs:1", "--replicas=0")
    before = kube.deployment(ONE)

    async with scaling(kube, "one", "two") as running:
        running.backlogs.waiting("one", 100)
        await kubes.until(lambda: TWO in kube.names(), "no Deployment for the other model")
        running.registry.have(kit.model("two"))
        ticked = running.made.ticked_at
        await kubes.until(lambda: running.made.ticked_at != ticked, "no tick")

    after = kube.deployment(ONE)
    assert (after.metadata.uid, after.spec) == (before.metadata.uid, before.spec)
    assert after.metadata.labels == before.metadata.labels
    assert "that Panini did not make" in caplog.text


async def test_one_made_in_the_moment_between_is_not_taken_over(kube: kubes.Kube) -> None:
    """The scaler saw none, somebody makes one, the scaler applies: a conflict, and theirs is as it was."""
    options = k8s_settings.Settings(k8s_kubeconfig=kube.kubeconfig, k8s_namespace=kube.namespace)
    asked = cluster.Cluster(options)
    await asked.open()
    assert await asked.deployments() == {}
    kube.kubectl("create", "deployment", ONE, "--image=theirs:1", "--replicas=0")
    wanted = manifest.deployment(options, ("default", "one"), replicas=3, why="", drain=5)

    with pytest.raises(errors.K8sError):
        await asked.apply(wanted, uid=None)
    with pytest.raises(errors.K8sError, match="uid"):
        await asked.apply(wanted, uid="00000000-0000-0000-0000-000000000000")

    assert kube.deployment(ONE).spec.replicas == 0
    await asked.close()


async def test_what_somebody_changed_is_set_right(kube: kubes.Kube) -> None:
    async with scaling(kube, "one"):
        await kubes.until(lambda: ONE in kube.names(), "no Deployment")
        kube.kubectl("scale", "deployment", ONE, "--replicas=2")
        kube.kubectl("set", "image", f"deployment/{ONE}", "worker=theirs:2")

        def right() -> bool:
            spec = kube.deployment(ONE).spec
            return bool(spec.replicas == 0 and spec.template.spec.containers[0].image == "panini:latest")

        await kubes.until(right, "it stays changed")


async def test_the_role_of_the_manifests_is_enough_and_no_more(kube: kubes.Kube, tmp_path: pathlib.Path) -> None:
    kube.core.delete_namespaced_service_account("panini", kube.namespace)
    kube.kubectl("apply", "-f", kubes.ROOT / "k8s" / "manifests" / "base" / "accounts.yaml")
    token = kube.kubectl("create", "token", "panini-scaler").strip()
    known = json.loads(kube.kubectl("config", "view", "--raw", "--flatten", "--output=json"))
    known["users"] = [{"name": known["contexts"][0]["context"]["user"], "user": {"token": token}}]
    limited = tmp_path / "kubeconfig"
    limited.write_text(json.dumps(known))

    async with scaling(kube, "one", kubeconfig=limited) as running:
        running.backlogs.waiting("one", 1)
        await kubes.until(lambda: ONE in kube.names() and kube.ready(ONE), "no worker")
        running.registry.have()
        await kubes.until(lambda: not kube.names(), "it stays")

    may = {
        line.split()[0]
        for line in kube.kubectl("--token", token, "auth", "can-i", "--list", "--no-headers").splitlines()
        if "[]" in line and "self" not in line and not line.lstrip().startswith("[")
    }
    assert may == {"deployments.apps"}


async def test_an_api_server_that_is_away_is_waited_for(
    kube: kubes.Kube, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "k8s")
    known = json.loads(kube.kubectl("config", "view", "--raw", "--flatten", "--output=json"))
    known["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    away = tmp_path / "kubeconfig"
    away.write_text(json.dumps(known))

    async with scaling(kube, "one", kubeconfig=away) as running:
        await kubes.until(lambda: "does not answer" in caplog.text, "nothing said")

    assert running.made.ticked_at is None


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> cluster.Cluster:
    """Neither a kubeconfig nor a pod."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return cluster.Cluster(k8s_settings.Settings(k8s_kubeconfig=None))


async def test_no_cluster_at_all_is_told(nowhere: cluster.Cluster) -> None:
    with pytest.raises(errors.NotConfigured, match="PANINI_K8S_KUBECONFIG"):
        await nowhere.open()
