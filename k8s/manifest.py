"""What the Deployment of a model's workers should be. Pure."""

from typing import Any, Final

from k8s import settings as k8s_settings

OWNER: Final = "panini"
"""Value of `app.kubernetes.io/managed-by` on what the scaler made: nothing else is ever changed or removed."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = "app.kubernetes.io/component"
ACCOUNT: Final = "panini/account"
MODEL: Final = "panini/model"
WHY: Final = "panini/why"

TEARDOWN: Final = 20
"""Seconds of grace beyond the worker's drain: runners end, offsets are committed, logs are sent."""

Name = tuple[str, str]
"""Account and model."""


def name(model: Name) -> str:
    """The Deployment's name. An account has no hyphen, so no two models share one."""
    return f"panini-worker-{model[0]}-{model[1]}"


def labels(model: Name) -> dict[str, str]:
    """The labels of a model's Deployment and pods."""
    return {
        "app.kubernetes.io/name": "panini",
        COMPONENT: "worker",
        MANAGED_BY: OWNER,
        ACCOUNT: model[0],
        MODEL: model[1],
    }


def deployment(
    settings: k8s_settings.Settings, model: Name, *, replicas: int, why: str, drain: float
) -> dict[str, Any]:
    """The Deployment of `model` with so many `replicas`; `drain`: seconds that a stopping worker takes at most."""
    marks = labels(model)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name(model), "labels": marks, "annotations": {WHY: why}},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {key: marks[key] for key in (COMPONENT, ACCOUNT, MODEL)}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": marks}, "spec": _pod(settings, model, int(drain) + TEARDOWN)},
        },
    }


def _pod(settings: k8s_settings.Settings, model: Name, grace: int) -> dict[str, Any]:
    return {
        "serviceAccountName": settings.k8s_service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": settings.k8s_user,
            "runAsGroup": settings.k8s_user,
            "fsGroup": settings.k8s_user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(settings, model)],
        "volumes": [
            {"name": "secrets", "secret": {"secretName": settings.k8s_secret, "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "home"} | _home(settings),
        ],
    } | ({"nodeSelector": settings.k8s_node_selector} if settings.k8s_node_selector else {})


def _container(settings: k8s_settings.Settings, model: Name) -> dict[str, Any]:
    account, word = model
    return {
        "name": "worker",
        "image": settings.k8s_image,
        "imagePullPolicy": settings.k8s_pull_policy,
        "args": ["worker", word, "--account", account],
        "envFrom": [{"configMapRef": {"name": settings.k8s_config_map}}],
        "env": [
            {"name": "PANINI_SECRETS", "value": str(settings.k8s_secrets_folder)},
            {"name": "PANINI_HOME", "value": str(settings.k8s_home)},
            {"name": "HOME", "value": str(settings.k8s_home)},
            {"name": "PANINI_HEALTH_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "PANINI_HEALTH_PORT", "value": str(settings.k8s_health_port)},
        ],
        "ports": [{"name": "health", "containerPort": settings.k8s_health_port}],
        "startupProbe": _probe("/healthz", period=1, failures=60),
        "livenessProbe": _probe("/healthz", period=10, failures=6),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "resources": _resources(settings),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "secrets", "mountPath": str(settings.k8s_secrets_folder), "readOnly": True},
            {"name": "home", "mountPath": str(settings.k8s_home)},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  the pod's own
        ],
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "health"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _resources(settings: k8s_settings.Settings) -> dict[str, dict[str, str]]:
    memory = {"memory": settings.k8s_worker_memory} | settings.k8s_worker_resources
    return {"requests": {"cpu": settings.k8s_worker_cpu} | memory, "limits": memory}


def _home(settings: k8s_settings.Settings) -> dict[str, Any]:
    if settings.k8s_home_claim:
        return {"persistentVolumeClaim": {"claimName": settings.k8s_home_claim}}
    return {"emptyDir": {"sizeLimit": settings.k8s_home_size}}
