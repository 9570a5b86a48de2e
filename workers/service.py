"""A worker process: one member of one model's consumer group, from start to drain.

startup → main loop (watch the registry: build what is new, follow what is live) → drain → shutdown
"""

import asyncio
import contextlib
import logging
import pathlib
import signal
from collections.abc import Callable, Iterator

from registry import client
from registry import errors as registry_errors
from results import caching, link, store, words
from wire import names, specs
from wire import settings as wire_settings
from workers import (
    building,
    control,
    errors,
    fleet,
    folders,
    health,
    host,
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
        self._runner_options = runners
        self._registry = client.Client(service.registry, service.internal_token.get_secret_value())
        self._link = link.Link(connections)
        self._probes = health.Health(probes, alive=self._broken, ready=self._missing)
        self._connections = connections
        self._home = folders.Folders(home=options.home.absolute(), owner=f"{account}.{model}")
        self._etag: str | None = None
        self._spec: specs.Model | None = None
        self._stopping = asyncio.Event()
        self._built: set[int] = set()
        self._building: asyncio.Task[None] | None = None
        self._shipper = shipping.Shipper(self._registry, account, model)
        self._host = host.LocalHost(runners)
        self._fleet = fleet.Fleet(
            model=self._model,
            runs_on=self._host,
            prepare=self._prepare,
            log_line=self._shipper.put,
            on_verdict=self._shipper.judge,
            on_event=self._heard,
        )
        self._saying = saying.Saying(
            words.Words(self._link),
            account,
            model,
            token_of=lambda job_id: self._pipeline.token_of(job_id),  # noqa: PLW0108  made below
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
            self._link, account, model, cancel=self._pipeline.cancels.ask, look=self._pipeline.cancels.look
        )
        self._source = source.Source(
            connections=connections,
            group=names.group(account, model),
            topics=[names.jobs_topic(account, model)],
            handlers=source.Handlers(
                records=self._pipeline.receive,
                free=self._pipeline.free,
                open=self._pipeline.open,
                opened=self._pipeline.opened,
                ready=self._pipeline.ready,
                revoked=self._pipeline.revoked,
            ),
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
                tasks.append(asyncio.create_task(self._parking.follow(self._source)))
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
        failed = self._source.failed or self._pipeline.failed
        return None if failed is None else f"another process: {failed!r}"

    def _missing(self) -> str | None:
        if self._spec is None:
            return "the registry"
        return None if self._source.assigned else "partitions of its topic"

    def _heard(self, event: runners.Event) -> None:
        """A running job said something."""
        if event.id is not None and event.name == "output":
            self._pipeline.streamed(event.id)
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
                self._source.topics = await self._parking.topics()
                if self._stopping.is_set():
                    return
            except errors.KafkaAway as error:
                log.warning("Kafka does not answer, trying again: %s", error)
                await self._stopped(within=0.5)
            else:
                await self._source.start()
                return

    async def _main_loop(self) -> int:
        while not self._stopping.is_set():
            failed = self._source.failed or self._pipeline.failed
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
                self._source.removed()
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
        if self._building is not None:
            self._building.cancel()
            await asyncio.gather(self._building, return_exceptions=True)
        await self._pipeline.drain()
        await self._source.stop()

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
        if self._building is None or self._building.done():
            waiting = [
                version
                for version in model.versions
                if version.state is specs.VersionState.BUILDING and version.version not in self._built
            ]
            if waiting:
                self._building = asyncio.create_task(self._build(min(waiting, key=lambda version: version.version)))
                self._building.add_done_callback(self._build_ended)

    def _build_ended(self, task: asyncio.Task[None]) -> None:
        self._building = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a build ended with an error of ours", exc_info=error)
        self._etag = None  # look again at once: another version may wait

    async def _build(self, version: specs.Version) -> None:
        number = version.version

        def tell(line: str) -> None:
            self._shipper.put(number, line)

        found: list[specs.Verdict] = []
        try:
            await building.build(
                version,
                fetch_blob=self._fetch,
                home=self._home,
                log=tell,
                environ=self._model().environ,
                runs_on=self._host,
                settings=self._runner_options,
                on_verdict=found.append,
            )
        except errors.BuildFailed as error:
            for line in error.traceback.splitlines():
                tell(line)
            tell(f"failed at {error.step}: {error.message}")
            await self._shipper.flush()
            await self._report_failed(number, error)
        except registry_errors.RegistryError:
            raise
        except Exception as error:  # the boundary: a build ends, and its author hears of it
            subject = {"version": number}
            log.error("building version %d failed with an error of ours", number, exc_info=error, extra=subject)
            ours = f"an error of Panini itself ({type(error).__name__}: {error}); the worker's log has it"
            tell(f"failed: {ours}")
            await self._shipper.flush()
            await self._report_failed(number, errors.BuildFailed(step="load", message=ours))
        else:
            tell("done deploying")
            await self._shipper.flush()
            with contextlib.suppress(registry_errors.NotFound, registry_errors.Conflict):
                await self._registry.passed(self.account, self.name, number, found[0] if found else None)
        self._built.add(number)

    async def _report_failed(self, number: int, error: errors.BuildFailed) -> None:
        with contextlib.suppress(registry_errors.NotFound, registry_errors.Conflict):
            await self._registry.failed(self.account, self.name, number, step=error.step, error=error.message)

    async def _prepare(self, version: specs.Version) -> host.Spec:
        number = version.version
        try:
            return await building.prepare(
                version,
                fetch_blob=self._fetch,
                home=self._home,
                log=lambda line: log.info("version %d: %s", number, line, extra={"version": number}),
                environ=self._model().environ,
                settings=self._runner_options,
            )
        except registry_errors.RegistryError as error:
            raise errors.StartFailed(f"the version's files cannot be had: {error}") from error

    async def _fetch(self, sha256: str, path: pathlib.Path) -> None:
        while True:
            try:
                return await self._registry.download(sha256, path)
            except registry_errors.RegistryUnavailable as error:
                log.warning("the registry does not answer, a version's files wait for it: %s", error)
                await asyncio.to_thread(path.unlink, missing_ok=True)
                await asyncio.sleep(1.0)

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
