"""The versions of a worker's model, made on its machine: built where one waits for it, prepared where one is to run."""

import asyncio
import contextlib
import logging
import pathlib
from collections.abc import Callable

from registry import client
from registry import errors as registry_errors
from wire import specs
from workers import building, errors, folders, host, runner_settings, shipping

log = logging.getLogger(__name__)


class Versions:
    """One build at a time; what comes of it is told to the registry."""

    def __init__(
        self,
        account: str,
        name: str,
        *,
        model: Callable[[], specs.Model],
        registry: client.Client,
        shipper: shipping.Shipper,
        home: folders.Folders,
        runs_on: host.Host,
        settings: runner_settings.RunnerSettings,
        built: Callable[[], None],
    ) -> None:
        """`built` is called when a build ended: another version may wait."""
        self._account = account
        self._name = name
        self._model = model
        self._registry = registry
        self._shipper = shipper
        self._home = home
        self._host = runs_on
        self._settings = settings
        self._tell_built = built
        self._built: set[int] = set()
        self._building: asyncio.Task[None] | None = None

    def build(self) -> None:
        """Begin with the first version that waits for it, unless one is being built."""
        if self._building is not None:
            return
        waiting = [
            version
            for version in self._model().versions
            if version.state is specs.VersionState.BUILDING and version.version not in self._built
        ]
        if waiting:
            self._building = asyncio.create_task(self._build(min(waiting, key=lambda version: version.version)))
            self._building.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Give up what is being built."""
        if self._building is not None:
            self._building.cancel()
            await asyncio.gather(self._building, return_exceptions=True)

    async def prepare(self, version: specs.Version) -> host.Spec:
        """Files and environment of a version, made where missing. Raises BuildFailed, StartFailed."""
        number = version.version
        try:
            return await building.prepare(
                version,
                fetch_blob=self._fetch,
                home=self._home,
                log=lambda line: log.info("version %d: %s", number, line, extra={"version": number}),
                environ=self._model().environ,
                settings=self._settings,
            )
        except registry_errors.RegistryError as error:
            raise errors.StartFailed(f"the version's files cannot be had: {error}") from error

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._building = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a build ended with an error of ours", exc_info=error)
        self._tell_built()

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
                settings=self._settings,
                on_verdict=found.append,
            )
        except errors.BuildFailed as error:
            for line in error.traceback.splitlines():
                tell(line)
            tell(f"failed at {error.step}: {error.message}")
            await self._shipper.flush()
            await self._failed(number, error)
        except registry_errors.RegistryError:
            raise
        except Exception as error:  # the boundary: a build ends, and its author hears of it
            subject = {"version": number}
            log.error("building version %d failed with an error of ours", number, exc_info=error, extra=subject)
            ours = f"an error of Panini itself ({type(error).__name__}: {error}); the worker's log has it"
            tell(f"failed: {ours}")
            await self._shipper.flush()
            await self._failed(number, errors.BuildFailed(step="load", message=ours))
        else:
            tell("done deploying")
            await self._shipper.flush()
            with contextlib.suppress(registry_errors.NotFound, registry_errors.Conflict):
                await self._registry.passed(self._account, self._name, number, found[0] if found else None)
        self._built.add(number)

    async def _failed(self, number: int, error: errors.BuildFailed) -> None:
        with contextlib.suppress(registry_errors.NotFound, registry_errors.Conflict):
            await self._registry.failed(self._account, self._name, number, step=error.step, error=error.message)

    async def _fetch(self, sha256: str, path: pathlib.Path) -> None:
        while True:
            try:
                return await self._registry.download(sha256, path)
            except registry_errors.RegistryUnavailable as error:
                log.warning("the registry does not answer, a version's files wait for it: %s", error)
                await asyncio.to_thread(path.unlink, missing_ok=True)
                await asyncio.sleep(1.0)
