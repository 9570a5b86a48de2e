"""A worker process: one member of one model's consumer group, from start to drain.

startup → main loop (watch the registry: build what is new, follow what is live) → drain → shutdown
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator

from registry import client
from registry import errors as registry_errors
from results import caching, link, store, words
from wire import names, specs
from wire import settings as wire_settings
from workers import (
    control,
    errors,
    fleet,
    folders,
    health,
    host,
    member,
    parking,
    pipeline,
    produce,
    replies,
    runner_settings,
    runners,
    saying,
    settings,
    shipping,
    source,
    versions,
)

log = logging.getLogger(__name__)

WATCH = 5.0
"""Seconds one question to the registry waits for a change: it answers at once when there is one."""


class Worker:
    """Runs until it is told to stop, its model is removed, or its consumer fails."""

    def __init__(
        self,
        account: str,
        model: str,
        *,
        options: settings.Settings,
        runners: runner_settings.RunnerSettings,
        connections: wire_settings.Connections,
        service: wire_settings.Service,
        probes: health.HealthSettings,
    ) -> None:
        self.account = account
        self.name = model
        self._options = options
        self._registry = client.Client(service.registry, service.internal_token.get_secret_value())
        self._link = link.Link(connections)
        self._probes = health.Health(probes, alive=self._broken, ready=self._missing)
        self._connections = connections
        self._home = folders.Folders(home=options.home.absolute(), owner=f"{account}.{model}")
        self._etag: str | None = None
        self._spec: specs.Model | None = None
        self._stopping = asyncio.Event()
        self._shipper = shipping.Shipper(self._registry, account, model)
        self._host = host.LocalHost(runners)
        self._versions = versions.Versions(
            account,
            model,
            model=self._model,
            registry=self._registry,
            shipper=self._shipper,
            home=self._home,
            runs_on=self._host,
            settings=runners,
            built=self._built,
        )
        self._fleet = fleet.Fleet(
            model=self._model,
            runs_on=self._host,
            prepare=self._versions.prepare,
            log_line=self._shipper.put,
            on_verdict=self._shipper.judge,
            on_event=self._heard,
        )
        self._saying = saying.Saying(
            words.Words(self._link),
            account,
            model,
            token_of=lambda job_id: self._pipeline.execution.token_of(job_id),  # noqa: PLW0108  made below
        )
        self._producer = produce.Producer(connections)
        self._parking = parking.Parking(account, model, self._producer)
        self._pipeline = pipeline.Pipeline(
            model=self._model,
            store=store.Store(self._link),
            versions=self._fleet,
            finished=lambda record: self._source.finished(record),  # noqa: PLW0108  made below: each needs the other
            max_batch=options.worker_max_batch,
            max_queue=options.worker_queue,
            in_flight=options.worker_in_flight,
            drain=options.worker_drain,
            park=self._parking,
            heard=self._saying,
            reply=replies.Replies(
                store.Store(self._link), self._producer, self._model, ask=lambda: self._registry.model(account, model)
            ),
            shared=caching.Cache(self._link),
        )
        self._control = control.Control(
            self._link,
            account,
            model,
            cancel=self._pipeline.execution.cancels.ask,
            look=self._pipeline.execution.cancels.look,
        )
        self._source = source.Source(
            source.Handlers(
                records=self._pipeline.receive,
                room=self._pipeline.room,
                opened=self._pipeline.opened,
                ready=self._pipeline.ready,
                revoked=self._pipeline.revoked,
            )
        )
        self._member = member.Member(
            self._source,
            connections=connections,
            group=names.group(account, model),
            topics=[names.jobs_topic(account, model)],
            datadir=str(self._home.scratch),
            session_timeout=options.worker_session_timeout,
            rebalance_timeout=options.worker_drain + 60,
        )

    async def serve(self) -> int:
        """Run; the process's exit code: 0 stopped or removed, 1 it cannot go on and another must."""
        with _signals(self._stop_asked):
            await self._probes.start()
            tasks = [asyncio.create_task(self._shipper.run())]
            try:
                if not await self._startup():
                    return 0
                tasks.append(asyncio.create_task(self._pipeline.run()))
                tasks.append(asyncio.create_task(self._parking.follow(self._member)))
                tasks.append(asyncio.create_task(self._control.run()))
                tasks.append(asyncio.create_task(self._saying.run()))
                return await self._main_loop()
            finally:
                await self._drain()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._shutdown()
                await self._probes.stop()

    def _broken(self) -> str | None:
        failed = self._member.failed or self._pipeline.failed
        return None if failed is None else f"another process: {failed!r}"

    def _missing(self) -> str | None:
        if self._spec is None:
            return "the registry"
        return None if self._source.assigned else "partitions of its topic"

    def _heard(self, event: runners.Event) -> None:
        """A running job said something."""
        if event.id is not None and event.name == "output":
            self._pipeline.execution.streamed(event.id)
        self._saying.hear(event)

    # -- verbs -------------------------------------------------------------------------------------------------

    async def _startup(self) -> bool:
        """Learn the model; join the group, load the live version. False: the model is gone, or it was told to stop."""
        await asyncio.to_thread(self._home.scratch.mkdir, parents=True, exist_ok=True)
        while self._spec is None:
            try:
                await self._refresh(wait=0)
            except registry_errors.NotFound:
                return False
            except registry_errors.RegistryUnavailable as error:
                log.warning("the registry does not answer, trying again: %s", error)
                if await self._stopped(within=0.5):
                    return False
        loading = asyncio.create_task(self._follow_unless_stopped())
        await asyncio.gather(self._consume(loading), loading)
        if self._stopping.is_set():
            return False
        if self._options.worker_ready_file is not None:
            await asyncio.to_thread(self._options.worker_ready_file.touch)
        return True

    async def _consume(self, loading: "asyncio.Task[None]") -> None:
        """Join the group, for every topic that there is: while the live version loads, but after that where others
        are in the group, whose partitions would stand still here until it is loaded."""
        while not self._stopping.is_set():
            try:
                if await self._producer.members(names.group(self.account, self.name)):
                    await asyncio.wait({loading})
                if await self._removed():
                    self._stopping.set()
                if self._stopping.is_set():
                    return
                self._member.topics = await self._parking.topics()
                if self._stopping.is_set():
                    return
            except errors.KafkaAway as error:
                log.warning("Kafka does not answer, trying again: %s", error)
                await self._stopped(within=0.5)
            else:
                await self._member.start()
                return

    async def _main_loop(self) -> int:
        while not self._stopping.is_set():
            failed = self._member.failed or self._pipeline.failed
            if failed is not None:
                log.error("this worker cannot go on: %r", failed)
                return 1
            watch = asyncio.create_task(self._refresh(wait=WATCH))
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({watch, stop}, return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if not watch.done():
                watch.cancel()
                break
            try:
                changed = watch.result()
            except registry_errors.NotFound:
                log.info("the model was removed")
                self._source.revoke()
                return 0
            except registry_errors.RegistryError as error:
                log.warning("the registry does not answer, going on with what is loaded: %s", error)
                await self._stopped(within=1.0)
                continue
            if changed:
                await self._follow_unless_stopped()
            await self._fleet.tidy()
        return 0

    async def _drain(self) -> None:
        """Start nothing more, store and commit what runs, leave the group."""
        await self._versions.stop()
        await self._pipeline.drain()
        await self._member.stop()

    async def _shutdown(self) -> None:
        await self._fleet.stop()
        await self._shipper.flush()
        await self._registry.close()
        await self._producer.close()
        await self._link.aclose()

    # -- following the registry --------------------------------------------------------------------------------

    def _model(self) -> specs.Model:
        assert self._spec is not None  # noqa: S101  nothing asks before startup learned it
        return self._spec

    async def _refresh(self, *, wait: float) -> bool:
        found = await self._registry.model(self.account, self.name, self._etag, wait=wait)
        if found is None:
            return False
        if self._spec is not None and found.model.model_uid != self._spec.model_uid:
            raise registry_errors.UnknownModel(f"{self.name!r} is another model now")  # made again under its name
        self._etag, self._spec = found.etag, found.model
        return True

    async def _removed(self) -> bool:
        """Whether the model went while a version loaded, which may take minutes: its topics may be another's now."""
        try:
            found = await self._registry.model(self.account, self.name, self._etag)
        except registry_errors.NotFound:
            return True
        except registry_errors.RegistryError:
            return False
        return found is not None and found.model.model_uid != self._model().model_uid

    async def _follow_unless_stopped(self) -> None:
        """Follow; a load, which may take minutes, is given up when the worker is told to stop."""
        following, stop = asyncio.create_task(self._follow()), asyncio.create_task(self._stopping.wait())
        await asyncio.wait({following, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if following.done():
            following.result()
        else:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self) -> None:
        """Do what the registry's word asks for: switch to the live version, build a new one."""
        model = self._model()
        self._fleet.follow()
        if model.live is not None and model.live != self._fleet.live:
            await self._fleet.go_live(model.live)
        self._versions.build()

    def _built(self) -> None:
        self._etag = None  # look again at once: another version may wait

    # -- signals -----------------------------------------------------------------------------------------------

    def _stop_asked(self) -> None:
        if self._stopping.is_set():
            log.warning("told twice to stop: not waiting for running batches")
            self._pipeline.hurry()
        else:
            log.info("told to stop: draining")
        self._stopping.set()

    async def _stopped(self, *, within: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), within)
        return self._stopping.is_set()


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT call `stop`; the former handlers come back afterwards."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
