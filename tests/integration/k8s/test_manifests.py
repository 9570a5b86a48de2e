"""The manifests, held against Kubernetes' schemas and a real API server, which defaults, validates and admits them."""

import pathlib
import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from k8s import settings as k8s_settings
from registry import settings as registry_settings
from tests.integration.k8s import kube as kubes
from wire import settings as wire_settings
from workers import scaling_settings

FOLDER = kubes.ROOT / "k8s" / "manifests"


def rendered(overlay: str) -> str:
    return kubes.run("kubectl", "kustomize", FOLDER / overlay)


def documents(overlay: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(rendered(overlay)))


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    found = [one for one in documents(overlay) if one["kind"] == "Deployment"]
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in found}


@pytest.mark.parametrize("overlay", ["base", "dev"])
def test_every_document_fits_its_schema(overlay: str) -> None:
    for document in documents(overlay):
        kubernetes_validate.validate(document, "1.34", strict=True)


@pytest.mark.parametrize("overlay", ["base", "dev"])
def test_an_api_server_takes_all_of_it_without_a_warning(
    kube: kubes.Kube, overlay: str, tmp_path: pathlib.Path
) -> None:
    """Really applied; the pods' standard warns here on what it would refuse."""
    kube.kubectl("label", "namespace", kube.namespace, "pod-security.kubernetes.io/warn=restricted")
    kube.kubectl("delete", "serviceaccount", "panini")
    file = tmp_path / "all.yaml"
    kept = [one for one in documents(overlay) if one["kind"] != "Namespace"]
    for one in kept:
        one["metadata"]["namespace"] = kube.namespace
    file.write_text(yaml.safe_dump_all(kept))

    said = kube.kubectl("apply", "--server-side", "--validate=strict", "--warnings-as-errors", "-f", file)

    assert len(said.splitlines()) == len(kept)


@pytest.mark.parametrize("overlay", ["base", "dev"])
def test_only_the_scaler_holds_a_token(overlay: str) -> None:
    holders = {name for name, pod in pods(overlay).items() if pod["automountServiceAccountToken"]}

    assert holders == {"scaler"}


def test_every_service_has_probes_bounds_and_a_readonly_root() -> None:
    for name, pod in pods("base").items():
        for container in pod["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= container.keys(), name
            assert {"requests", "limits"} <= container["resources"].keys(), name
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


def test_no_secret_is_in_them() -> None:
    assert [one for overlay in ("base", "dev") for one in documents(overlay) if one["kind"] == "Secret"] == []


def test_every_variable_is_a_setting() -> None:
    """A name that nobody reads would be a setting that silently does nothing."""
    classes: list[type[wire_settings.Base]] = [
        wire_settings.Connections,
        wire_settings.Service,
        k8s_settings.Settings,
        scaling_settings.ScalingSettings,
        registry_settings.Settings,
    ]
    known = {f"PANINI_{name.upper()}" for one in classes for name in one.model_fields}
    known |= {"PANINI_SECRETS", "PANINI_HOME", "PANINI_HOST", "PANINI_PORT", "PANINI_KEY_FILE", "PANINI_LOG_FORMAT"}
    known |= {"PANINI_HEALTH_HOST", "PANINI_HEALTH_PORT", "PANINI_DASHBOARD_API"}

    assert set(re.findall(r"\bPANINI_[A-Z0-9_]+", rendered("base"))) <= known
