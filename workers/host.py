"""The runner host: starts runners and ends them. Here, on this machine; in Kubernetes, in the container beside."""

import asyncio
import contextlib
import logging
import os
import pathlib
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from wire import jobs
from workers import channel, errors, folders, kit, process, protocol, runner_settings, runners, sandbox

log = logging.getLogger(__name__)

OnLine = Callable[[str], None]
_MOST_THREADS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """One version, ready to be loaded: what `building.build` returns."""

    bundle: pathlib.Path
    """Folder of its files: the runner's working directory."""
    entry: str = "predict.py"
    weights: str | None = None
    """Path of the weights file in the bundle; None: load() gets the bundle folder."""
    input: jobs.InputType = jobs.InputType.JSON
    interpreter: pathlib.Path = field(default_factory=lambda: pathlib.Path(sys.executable))
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The model's own variables and secrets. Never logged."""
    load_timeout: float = 300.0
    """Seconds for import and load()."""
    memory_mb: int | None = None
    """MiB of writable memory; None: unbounded."""
    batchable: bool = False
    """The version declared itself batchable: give run() `together=True`."""
    folders: folders.Folders


class Host(Protocol):
    """Where runners live."""

    async def spawn(self, spec: Spec, *, on_log: OnLine, on_event: runners.OnEvent | None = None) -> runners.Runner:
        """A loaded runner. Raises LoadFailed, StartTimeout (both with the author's traceback), StartFailed."""
        ...


class LocalHost:
    """Runners as child processes of this one.

    Spawn from a thread that lives as long as the worker: a runner is killed when the thread that started it ends.
    """

    def __init__(
        self, settings: runner_settings.RunnerSettings | None = None, *, hide: tuple[pathlib.Path, ...] = ()
    ) -> None:
        self._settings = settings or runner_settings.RunnerSettings()
        self._hide = hide
        self._isolation: sandbox.Isolation | None = None

    @property
    def isolation(self) -> sandbox.Isolation | None:
        """How runners are enclosed here; None before the first one."""
        return self._isolation

    async def spawn(self, spec: Spec, *, on_log: OnLine, on_event: runners.OnEvent | None = None) -> runners.Runner:
        """Start a child, enclose it, load the version in it."""
        start, scratch = await asyncio.to_thread(self._prepare, spec)
        ours, theirs = socket.socketpair()
        journal = _journal()
        child = process.LocalChild(
            on_line=on_log, line_bytes=self._settings.runner_log_line, rate=self._settings.runner_log_rate
        )
        runner = runners.Runner(
            child=child, journal=journal, settings=self._settings, on_event=on_event,
            on_ended=lambda: shutil.rmtree(scratch, ignore_errors=True),
        )  # fmt: skip
        try:
            plan = self._plan(spec, start, scratch, theirs.fileno(), journal)
            await child.start(sandbox.command(), environ=sandbox.environ(plan), descriptors=(theirs.fileno(), journal))
        except BaseException:
            ours.close()
            runner.discard()
            raise
        finally:
            theirs.close()
        config = {
            "bundle": str(spec.bundle), "entry": spec.entry, "weights": spec.weights, "input": spec.input.value,
            "max_output": self._settings.runner_max_output,
        }  # fmt: skip
        await runner.load(config, timeout=spec.load_timeout, connect=lambda: _connect(ours, runner.channel))
        return runner

    def _prepare(self, spec: Spec) -> tuple[pathlib.Path, pathlib.Path]:
        """The kit's start file and a scratch folder; blocks."""
        for needed in (spec.interpreter, spec.bundle):
            if not needed.exists():
                raise errors.StartFailed(f"{needed} does not exist; build the version again")
        start = kit.make(spec.folders.kit)
        try:
            for folder in (spec.folders.scratch, spec.folders.cache):
                folder.mkdir(parents=True, exist_ok=True)
            scratch = pathlib.Path(tempfile.mkdtemp(prefix="runner-", dir=spec.folders.scratch))
            (scratch / "tmp").mkdir()
        except OSError as error:
            raise errors.StartFailed(f"no folder for a runner: {error}") from error
        if self._isolation is None or self._isolation.warning:  # what did not work may work again
            found = sandbox.probe(self._view(spec, start, scratch), wanted=self._settings.runner_isolation)
            if found.warning and self._isolation is None:
                log.warning("%s", found.warning)
            self._isolation = found
        if self._isolation.own_user:
            uid = sandbox.uid(spec.folders.owner)
            for folder in (scratch, scratch / "tmp", spec.folders.cache, spec.bundle):
                os.chown(folder, uid, uid)
        return start, scratch

    def _view(self, spec: Spec, start: pathlib.Path, scratch: pathlib.Path) -> sandbox.View:
        show = {spec.bundle: True, start.parent: False, spec.folders.cache: True, scratch: True}
        environment = spec.interpreter.parent.parent
        if environment.is_relative_to(spec.folders.home):
            show[environment] = False
        return sandbox.view(spec.folders.home, show=show, need=(spec.interpreter, start, spec.bundle), hide=self._hide)

    def _plan(
        self, spec: Spec, start: pathlib.Path, scratch: pathlib.Path, sock: int, journal: int
    ) -> dict[str, object]:
        assert self._isolation is not None  # noqa: S101  _prepare found it
        return sandbox.plan(
            self._isolation,
            self._view(spec, start, scratch),
            argv=[str(spec.interpreter), "-s", str(start), str(sock), str(journal)],
            environ=_environ(spec, scratch, self._settings.runner_threads or _threads()),
            cwd=spec.bundle,
            owner=spec.folders.owner,
            data_limit=spec.memory_mb * 1024 * 1024 if spec.memory_mb else None,
        )


async def _connect(sock: socket.socket, made: channel.Channel) -> None:
    """Raises StartFailed."""
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().create_connection(lambda: made, sock=sock)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            raise errors.StartFailed(f"the runner could not be reached: {error}") from error
        raise


def _journal() -> int:
    """A nameless file of the journal's size; read with pread, so that a runner that cuts it short harms nobody."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("panini-journal", os.MFD_CLOEXEC)
    else:
        descriptor, name = tempfile.mkstemp(prefix="panini-journal-")
        with contextlib.suppress(OSError):
            pathlib.Path(name).unlink()
    os.ftruncate(descriptor, protocol.JOURNAL_BYTES)
    return descriptor


def _environ(spec: Spec, scratch: pathlib.Path, threads: int) -> dict[str, str]:
    """A runner's whole environment: nothing of ours, then what the author set."""
    cache = spec.folders.cache
    given = {
        "PATH": f"{spec.interpreter.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(scratch),
        "USER": "panini",
        "LOGNAME": "panini",
        "TMPDIR": str(scratch / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "XDG_CACHE_HOME": str(cache),
        "TORCH_HOME": str(cache / "torch"),
        "HF_HOME": str(cache / "huggingface"),
        "MPLBACKEND": "agg",
        "TOKENIZERS_PARALLELISM": "false",
    }
    given |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return given | {name: value for name, value in spec.environ.items() if not name.startswith("PANINI_")}


def _threads() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_THREADS, usable)
