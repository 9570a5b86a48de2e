"""k8s: the same system on Kubernetes.

The scaler, a loop that keeps one Deployment of workers a model: what it should be (`manifest`, pure), how many replicas
(`workers.scaling`, pure), and the API server that is told (`cluster`, the only module that imports kubernetes). The
manifests of the other services lie in `manifests/`. No job, no HTTP route and no database is touched here.
"""
