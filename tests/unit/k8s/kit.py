"""Doubles for the scaler: a registry, a Kafka and a cluster in memory, and a clock moved by hand."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from k8s import cluster, errors, manifest, scaler
from k8s import settings as k8s_settings
from registry import client
from wire import jobs, specs
from workers import errors as worker_errors
from workers import lag, scaling_settings


async def until(met: Callable[[], bool]) -> None:
    """Let the other tasks run until it is so."""
    for _ in range(100_000):
        if met():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to be so")


def model(name: str, state: specs.VersionState = specs.VersionState.LIVE) -> specs.Model:
    """A model of the default account with one version."""
    version = specs.Version(
        version=1, state=state, digest="d", files=[], options=specs.Options(input=jobs.InputType.JSON), created_at=0
    )
    live = 1 if state is specs.VersionState.LIVE else None
    return specs.Model(
        account="default", account_uid=1, model=name, model_uid=1, topic_uuid="t", live=live, versions=[version]
    )


class Registry:
    """Answers with `models` at once when they changed."""

    def __init__(self, *models: specs.Model) -> None:
        self._models = list(models)
        self._etag = 0
        self._changed = asyncio.Event()

    def have(self, *models: specs.Model) -> None:
        """From now on these."""
        self._models = list(models)
        self._etag += 1
        self._changed.set()

    async def models(self, etag: str | None = None, *, wait: float = 0) -> client.Models | None:
        """See registry.client.Client."""
        if etag == str(self._etag):
            self._changed.clear()
            await self._changed.wait()
        return client.Models(etag=str(self._etag), models=self._models)


class Backlogs:
    """Answers with `known`; four partitions each."""

    def __init__(self) -> None:
        self.known: dict[lag.Model, lag.Backlog] = {}
        self.away = False

    def waiting(self, name: str, records: int, finished: int = 0) -> None:
        """From now on so much waits."""
        self.known["default", name] = lag.Backlog(records=records, finished=finished, partitions=4)

    async def of(self, models: Iterable[lag.Model]) -> dict[lag.Model, lag.Backlog]:
        """See workers.lag.Lag."""
        if self.away:
            raise worker_errors.LagUnknown("away")
        return {name: self.known.get(name, lag.Backlog(partitions=4)) for name in models}


class Cluster:
    """Deployments in memory, every pod ready at once."""

    def __init__(self) -> None:
        self.found: dict[str, cluster.Deployment] = {}
        self.applied: list[dict[str, Any]] = []
        self.refuses: set[str] = set()
        self.away = False

    async def open(self) -> None:
        """See k8s.cluster.Cluster."""

    async def close(self) -> None:
        """See k8s.cluster.Cluster."""

    async def deployments(self) -> dict[str, cluster.Deployment]:
        """See k8s.cluster.Cluster."""
        if self.away:
            raise errors.ClusterUnavailable("away")
        return dict(self.found)

    async def apply(self, wanted: dict[str, Any], *, uid: str | None) -> cluster.Deployment:
        """See k8s.cluster.Cluster."""
        name, marks = wanted["metadata"]["name"], wanted["metadata"]["labels"]
        if name in self.refuses:
            raise errors.Refused("no right")
        known = self.found.get(name)
        assert (known.uid if known else None) == uid
        self.applied.append(wanted)
        replicas = wanted["spec"]["replicas"]
        made = cluster.Deployment(
            name=name,
            uid=uid or f"uid-{name}",
            generation=known.generation + 1 if known else 1,
            replicas=replicas,
            ready=replicas,
            model=(marks[manifest.ACCOUNT], marks[manifest.MODEL]),
        )
        self.found[name] = made
        return made

    async def delete(self, found: cluster.Deployment) -> None:
        """See k8s.cluster.Cluster."""
        del self.found[found.name]


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Kit:
    """A scaler and everything around it."""

    def __init__(self, *models: specs.Model, **options: Any) -> None:
        self.registry, self.backlogs, self.cluster, self.clock = Registry(*models), Backlogs(), Cluster(), Clock()
        self.policy = scaling_settings.ScalingSettings(**options)
        self.made = self.scaler()

    def scaler(self) -> scaler.Scaler:
        """One more scaler, as after a restart."""
        return scaler.Scaler(
            options=k8s_settings.Settings(),
            policy=self.policy,
            worker_drain=30,
            registry=self.registry,
            backlogs=self.backlogs,
            cluster=self.cluster,
            clock=self.clock,
        )

    async def tick(self, passed: float = 2.0) -> None:
        """Let the scaler look once, so much later."""
        self.clock.now += passed
        await self.made.tick()

    def replicas(self, name: str) -> int:
        """How many workers the model has."""
        return self.cluster.found[f"panini-worker-default-{name}"].replicas
