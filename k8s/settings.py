"""Settings of the scaler: where the API server is, and what a worker's pod looks like."""

import pathlib

import pydantic

from wire import settings


class Settings(settings.Base):
    """The scaler's own."""

    k8s_kubeconfig: pathlib.Path | None = None
    """A kubeconfig file; none: the service account of the pod that the scaler runs in."""
    k8s_namespace: str = ""
    """Namespace of the workers; empty: the pod's own, else the kubeconfig's, else `default`."""
    k8s_timeout: float = pydantic.Field(default=10.0, gt=0)
    """Seconds the API server gets for one answer; default 10."""
    k8s_image: str = "panini:latest"
    """Image of the workers; the same as the scaler's own."""
    k8s_pull_policy: str = pydantic.Field(default="IfNotPresent", pattern="^(Always|IfNotPresent|Never)$")
    """When the image is pulled."""
    k8s_service_account: str = "panini"
    """Service account of the workers: one without rights, whose token is not mounted."""
    k8s_config_map: str = "panini"
    """ConfigMap whose entries are the workers' PANINI_… variables."""
    k8s_secret: str = "panini"  # noqa: S105  its name, not its content
    """Secret whose entries are mounted as files into k8s_secrets_folder."""
    k8s_secrets_folder: pathlib.PurePosixPath = pathlib.PurePosixPath("/run/panini/secrets")
    """Where a worker finds its secrets; told to it as PANINI_SECRETS, which its runners' sandbox covers."""
    k8s_home: pathlib.PurePosixPath = pathlib.PurePosixPath("/var/lib/panini")
    """Where a worker keeps versions and environments; told to it as PANINI_HOME."""
    k8s_home_claim: str = ""
    """A PersistentVolumeClaim for k8s_home that all workers can write (ReadWriteMany), so that each environment is made
    once; empty: a folder of the pod's own, made anew with each pod."""
    k8s_home_size: str = "10Gi"
    """Most that the pod's own folder may take."""
    k8s_health_port: int = pydantic.Field(default=8081, ge=1, le=65535)
    """TCP port on which a worker answers its probes."""
    k8s_worker_cpu: str = "250m"
    """CPU that a worker's pod reserves."""
    k8s_worker_memory: str = "1Gi"
    """Memory that a worker's pod reserves and may take at most, its runners included."""
    k8s_worker_resources: dict[str, str] = pydantic.Field(default={})
    """Further resources of a worker's pod, such as {"nvidia.com/gpu": "1"}."""
    k8s_node_selector: dict[str, str] = pydantic.Field(default={})
    """Labels of the nodes that workers may run on; none: any."""
    k8s_user: int = pydantic.Field(default=10001, ge=1)
    """User and group id of the workers; the image's own."""
