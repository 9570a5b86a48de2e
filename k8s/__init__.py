"""k8s: the same system on Kubernetes: lag to replicas, manifests. The only place that imports kubernetes."""
