"""The Deployment of a model's workers, held against Kubernetes' own schemas and the restricted pod standard."""

from typing import Any

import kubernetes_validate
import pytest

from k8s import manifest, settings

LONGEST = ("a" * 20, "m" * 40)


def made(model: manifest.Name = ("default", "iris"), **options: Any) -> dict[str, Any]:
    return manifest.deployment(settings.Settings(**options), model, replicas=2, why="because", drain=30)


@pytest.mark.parametrize("model", [("default", "iris"), LONGEST, ("a", "0")])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "k8s_home_claim": "shared",
            "k8s_node_selector": {"gpu": "yes"},
            "k8s_worker_resources": {"nvidia.com/gpu": "1"},
        },
    ],
)
def test_it_is_valid(model: manifest.Name, options: dict[str, Any]) -> None:
    kubernetes_validate.validate(made(model, **options), "1.34", strict=True)


def test_no_two_models_share_a_name() -> None:
    pairs = [("a", "b-c"), ("ab", "c"), ("a", "b"), ("a", "bc")]

    assert len({manifest.name(pair) for pair in pairs}) == len(pairs)


def test_its_pods_are_restricted_and_hold_no_token() -> None:
    pod = made()["spec"]["template"]["spec"]
    container = pod["containers"][0]

    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_secrets_come_as_files_where_the_worker_is_told_to_look() -> None:
    container = made()["spec"]["template"]["spec"]["containers"][0]
    environ = {item["name"]: item.get("value") for item in container["env"]}

    assert environ["PANINI_SECRETS"] == "/run/panini/secrets"
    assert {"name": "secrets", "mountPath": "/run/panini/secrets", "readOnly": True} in container["volumeMounts"]
    assert [source for source in container["envFrom"] if "secretRef" in source] == []


def test_a_stopping_worker_has_longer_than_its_drain() -> None:
    assert made()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 30
