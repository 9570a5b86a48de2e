"""The scaler: keeps one Deployment of workers a model, with as many replicas as its backlog asks for.

startup → main loop (follow the registry; every few seconds a tick) → drain → shutdown. It holds no state that matters:
one that is killed leaves every Deployment as it is, and the next goes on from there.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from k8s import cluster, errors, manifest
from k8s import settings as k8s_settings
from registry import client
from registry import errors as registry_errors
from wire import specs
from workers import errors as worker_errors
from workers import lag, scaling, scaling_settings

log = logging.getLogger(__name__)

WATCH: Final = 20.0
"""Seconds one question to the registry waits for a change: it answers at once when there is one."""

PAUSE: Final = 1.0
"""Seconds before a registry that did not answer is asked again."""


class Registry(Protocol):
    """Whom the scaler asks for models: registry.client.Client."""

    async def models(self, etag: str | None = None, *, wait: float = 0) -> client.Models | None:
        """Every model, once they are other than `etag`. Raises RegistryError."""
        ...


class Backlogs(Protocol):
    """Whom it asks for lag: workers.lag.Lag."""

    async def of(self, models: Iterable[lag.Model]) -> dict[lag.Model, lag.Backlog]:
        """Each model's backlog. Raises LagUnknown."""
        ...


class Cluster(Protocol):
    """Whom it tells: k8s.cluster.Cluster."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def deployments(self) -> dict[str, cluster.Deployment]: ...
    async def apply(self, wanted: dict[str, Any], *, uid: str | None) -> cluster.Deployment: ...
    async def delete(self, found: cluster.Deployment) -> None: ...


class Left(msgspec.Struct, frozen=True):
    """How the scaler left a Deployment: what else is found there is somebody's change, and is set right."""

    generation: int
    wanted: dict[str, Any]


class Scaler:
    """Runs until `stop` is called."""

    def __init__(
        self,
        *,
        options: k8s_settings.Settings,
        policy: scaling_settings.ScalingSettings,
        worker_drain: float,
        registry: Registry,
        backlogs: Backlogs,
        cluster: Cluster,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._policy = policy
        self._worker_drain = worker_drain
        self._registry = registry
        self._backlogs = backlogs
        self._cluster = cluster
        self._clock = clock
        self._models: dict[manifest.Name, specs.Model] | None = None
        self._states: dict[manifest.Name, scaling.State] = {}
        self._left: dict[str, Left] = {}
        self._said: dict[str, str] = {}
        self._stopping = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self.ticked_at: float | None = None
        """When the last tick ended well; none: not yet. The process is healthy while this is recent."""

    def stop(self) -> None:
        """End after the running tick."""
        self._stopping.set()

    async def serve(self) -> None:
        """Run. Raises NotConfigured where no cluster is known."""
        await self._startup()
        try:
            await self._main_loop()
        finally:
            await self._drain()
            await self._shutdown()

    # -- verbs -------------------------------------------------------------------------------------------------

    async def _startup(self) -> None:
        await self._cluster.open()
        self._following = asyncio.create_task(self._follow())

    async def _main_loop(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.tick()
            except errors.K8sError as error:
                self._say("cluster", f"nothing could be looked at or changed, trying again: {error}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._policy.scale_interval)

    async def tick(self) -> None:
        """Look once, and set right what is not as it should be. Raises ClusterUnavailable, Refused."""
        models = self._models
        if models is None:
            return
        found = await self._cluster.deployments()
        self._said.pop("cluster", None)
        seen = await self._lag(models)
        for name, model in models.items():
            await self._one(name, model, found.get(manifest.name(name)), seen.get(name))
        for deployment in found.values():
            if deployment.model is not None and deployment.model not in models and not deployment.going:
                await self._remove(deployment)
        self._states = {name: state for name, state in self._states.items() if name in models}
        self.ticked_at = self._clock()

    async def _drain(self) -> None:
        """Every Deployment stays as it is: jobs go on without the scaler."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _shutdown(self) -> None:
        await self._cluster.close()

    # -- parts of a tick ---------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Know the registry's models; while it is away, those known last."""
        etag: str | None = None
        while True:
            try:
                found = await self._registry.models(etag, wait=WATCH)
            except registry_errors.RegistryError as error:
                self._say("registry", f"going on with the models known: {error}")
                await asyncio.sleep(PAUSE)
                continue
            self._said.pop("registry", None)
            if found is not None:
                etag = found.etag
                self._models = {(model.account, model.model): model for model in found.models}

    async def _lag(self, models: Iterable[manifest.Name]) -> dict[manifest.Name, lag.Backlog]:
        """What is known of the lag: nothing where Kafka does not tell."""
        try:
            found = await self._backlogs.of(models)
        except worker_errors.LagUnknown as error:
            self._say("lag", f"the workers stay as they are: {error}")
            return {}
        self._said.pop("lag", None)
        return found

    async def _one(
        self, name: manifest.Name, model: specs.Model, found: cluster.Deployment | None, backlog: lag.Backlog | None
    ) -> None:
        """Decide for one model, and have it so. What goes wrong is told; its neighbours never notice."""
        word = manifest.name(name)
        if found is not None and found.model != name:
            self._say(
                word,
                f"model {name[1]!r} of {name[0]!r} gets no workers: a Deployment {word!r} that Panini did not make is "
                "in its place; rename or remove that one",
            )
            return
        if found is not None and found.going:
            return
        state = self._decided(name, model, found, backlog)
        wanted = manifest.deployment(
            self._options, name, replicas=state.replicas, why=state.why, drain=self._worker_drain
        )
        if found is not None and self._is_so(found, wanted):
            return
        try:
            made = await self._cluster.apply(wanted, uid=found.uid if found else None)
        except errors.K8sError as error:
            self._say(word, f"the workers of {name[1]!r} could not be changed, trying again: {error}")
            return
        self._said.pop(word, None)
        self._left[word] = Left(made.generation, wanted)
        if found is None or found.replicas != state.replicas:
            before = found.replicas if found else 0
            log.info("%s of %s: %d → %d workers (%s)", name[1], name[0], before, state.replicas, state.why)

    def _decided(
        self, name: manifest.Name, model: specs.Model, found: cluster.Deployment | None, backlog: lag.Backlog | None
    ) -> scaling.State:
        now = self._clock()
        state = self._states.get(name) or scaling.begin(at=now, replicas=found.replicas if found else 0)
        if backlog is not None:
            seen = scaling.Seen(
                at=now,
                backlog=backlog.records,
                finished=backlog.finished,
                partitions=backlog.partitions,
                parked=backlog.parked,
                ready=found.ready if found else 0,
                building=any(one.state is specs.VersionState.BUILDING for one in model.versions),
            )
            state = scaling.step(self._policy.limits(), state, seen)
        self._states[name] = state
        return state

    def _is_so(self, found: cluster.Deployment, wanted: dict[str, Any]) -> bool:
        left = self._left.get(found.name)
        return left is not None and left.generation == found.generation and _same(left.wanted, wanted)

    async def _remove(self, found: cluster.Deployment) -> None:
        try:
            await self._cluster.delete(found)
        except errors.K8sError as error:
            self._say(found.name, f"{found.name} could not be removed, trying again: {error}")
            return
        self._left.pop(found.name, None)
        log.info("%s removed: its model is gone", found.name)

    def _say(self, what: str, message: str) -> None:
        """Log a trouble once, and again when its words change."""
        if self._said.get(what) != message:
            self._said[what] = message
            log.error("%s", message)


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two Deployments ask for the same, whatever the reason noted on them."""
    return bool(one["spec"] == other["spec"] and one["metadata"]["labels"] == other["metadata"]["labels"])
