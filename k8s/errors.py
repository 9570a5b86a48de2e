"""Errors of k8s: one base, each with its own words."""


class K8sError(Exception):
    """Something Kubernetes did not do."""


class ClusterUnavailable(K8sError):
    """The API server does not answer, or cannot now. The next tick tries again."""


class Refused(K8sError):
    """The API server said no: a right is missing, or what was sent is not valid."""


class Changed(K8sError):
    """Somebody else changed or made the object at the same time. The next tick looks again."""


class NotConfigured(K8sError):
    """No API server is known: neither a kubeconfig was named nor does this process run in a pod."""
