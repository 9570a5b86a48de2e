"""The API server, as far as the scaler needs it. The only module that imports kubernetes.

Every change is a server-side apply under the scaler's own field manager. One that changes a Deployment names its uid,
so that it can never hit another object which took the name meanwhile; one that makes a Deployment does not force, so
that a foreign one of the same name, made at the same moment, answers with a conflict instead of being taken over.
"""

import asyncio
import contextlib
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import kubernetes.client
import kubernetes.config
import urllib3.exceptions
from kubernetes.client import exceptions

from k8s import errors, manifest
from k8s import settings as k8s_settings

FIELD_MANAGER: Final = "panini-scaler"
_APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML
_OWN_NAMESPACE: Final = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

_config: Any = kubernetes.config  # has no types

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """What the scaler needs to know of a Deployment that exists."""

    name: str
    uid: str
    generation: int
    """Rises with every change of the spec, whoever makes it."""
    replicas: int
    """Wanted."""
    ready: int
    """Pods that answer their readiness probe."""
    model: manifest.Name | None
    """Account and model; none: not of the scaler's making."""
    going: bool = False
    """Being removed already."""


class Cluster:
    """The Deployments of one namespace."""

    def __init__(self, settings: k8s_settings.Settings) -> None:
        self._settings = settings
        self._api: Any = None
        self._apps: Any = None
        self.namespace = settings.k8s_namespace

    async def open(self) -> None:
        """Read the credentials. Raises NotConfigured."""
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """Close the connections."""
        if self._api is not None:
            await asyncio.to_thread(self._api.close)
            self._api = self._apps = None

    async def deployments(self) -> dict[str, Deployment]:
        """Every Deployment of the namespace by its name. Raises ClusterUnavailable, Refused."""
        found = await self._call(lambda: self._apps.list_namespaced_deployment(self.namespace, **self._limits()))
        return {one.name: one for one in map(_seen, found.items)}

    async def apply(self, wanted: dict[str, Any], *, uid: str | None) -> Deployment:
        """Make the Deployment, or with `uid` change that one; how it is now. Raises Changed too."""
        body = wanted | {"metadata": wanted["metadata"] | ({"uid": uid} if uid else {})}
        return _seen(
            await self._call(
                lambda: self._apps.patch_namespaced_deployment(
                    wanted["metadata"]["name"],
                    self.namespace,
                    body,
                    field_manager=FIELD_MANAGER,
                    field_validation="Strict",
                    force=uid is not None,
                    _content_type=_APPLY,
                    **self._limits(),
                )
            )
        )

    async def delete(self, found: Deployment) -> None:
        """Remove a Deployment and let its pods drain; one that is gone already is fine."""
        options = kubernetes.client.V1DeleteOptions(
            propagation_policy="Background", preconditions=kubernetes.client.V1Preconditions(uid=found.uid)
        )
        with contextlib.suppress(_Gone):
            await self._call(
                lambda: self._apps.delete_namespaced_deployment(
                    found.name, self.namespace, body=options, **self._limits()
                )
            )

    def _open(self) -> None:
        configuration = kubernetes.client.Configuration()
        path = self._settings.k8s_kubeconfig
        try:
            if path is not None:
                _config.load_kube_config(str(path), client_configuration=configuration)
            else:
                _config.load_incluster_config(client_configuration=configuration)
            self.namespace = self.namespace or _namespace(path)
        except (_config.ConfigException, OSError) as error:
            raise errors.NotConfigured(
                f"no API server is known ({error}); run the scaler in a pod with a service account, or name a "
                "kubeconfig with PANINI_K8S_KUBECONFIG"
            ) from error
        configuration.retries = 0  # the next tick is the retry
        self._api = kubernetes.client.ApiClient(configuration)
        self._apps = kubernetes.client.AppsV1Api(self._api)

    def _limits(self) -> dict[str, Any]:
        return {"_request_timeout": (min(3.0, self._settings.k8s_timeout), self._settings.k8s_timeout)}

    async def _call(self, ask: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(ask)
        except exceptions.ApiException as error:
            raise _translated(error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise errors.ClusterUnavailable(
                f"the API server does not answer ({type(error).__name__}: {error})"
            ) from error


class _Gone(errors.Refused):
    """404."""


def _translated(error: exceptions.ApiException) -> errors.K8sError:
    said = f"the API server answered {error.status}: {_message(error)}"
    if error.status == 409:
        return errors.Changed(said)
    if error.status == 404:
        return _Gone(said)
    if error.status == 429 or (error.status or 500) >= 500:
        return errors.ClusterUnavailable(said)
    return errors.Refused(said)


def _message(error: exceptions.ApiException) -> str:
    body = error.body if isinstance(error.body, str) else (error.body or b"").decode(errors="replace")
    return " ".join(body.split())[:1000] or str(error.reason)


def _seen(found: Any) -> Deployment:
    meta, marks = found.metadata, found.metadata.labels or {}
    ours = marks.get(manifest.MANAGED_BY) == manifest.OWNER and manifest.ACCOUNT in marks and manifest.MODEL in marks
    return Deployment(
        name=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        replicas=found.spec.replicas,
        ready=(found.status and found.status.ready_replicas) or 0,
        model=(marks[manifest.ACCOUNT], marks[manifest.MODEL]) if ours else None,
        going=meta.deletion_timestamp is not None,
    )


def _namespace(kubeconfig: pathlib.Path | None) -> str:
    if kubeconfig is None:
        return _OWN_NAMESPACE.read_text(encoding="ascii").strip()
    _, current = _config.list_kube_config_contexts(str(kubeconfig))
    return str(current["context"].get("namespace") or "default")
