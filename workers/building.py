"""From a version to something that runs: files, environment, load, check. Each step tells the log."""

import asyncio
import hashlib
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from wire import envelope, specs
from workers import environments, errors, folders, hints, host, outcomes, runner_settings, runners, trials, verdicts

FetchBlob: TypeAlias = Callable[[str, pathlib.Path], Awaitable[None]]
"""Given a sha256 and a path that does not exist: puts the blob there (copied or downloaded). OSError: it cannot."""

Log: TypeAlias = Callable[[str], None]

_LINKED: Final = 1 << 20
"""Bytes. Larger files are hard links to the blob and read-only; smaller ones are copies that the model may change."""
_SHOWN: Final = 200


async def build(
    version: specs.Version, *, fetch_blob: FetchBlob, home: folders.Folders, log: Log, environ: Mapping[str, str],
    runs_on: host.Host, settings: runner_settings.RunnerSettings | None = None,
    on_verdict: Callable[[specs.Verdict], None] | None = None,
) -> host.Spec:  # fmt: skip
    """Make `version` ready to run and prove that it does, with its sample where it has one.

    Whatever was made before is taken as it is, so this is also how a worker gets at a version that is live already
    (then use `prepare`, which neither loads nor checks). `on_verdict` hears what the check found out, where batches
    are to be verified. Raises BuildFailed.
    """
    spec = await prepare(version, fetch_blob=fetch_blob, home=home, log=log, environ=environ, settings=settings)
    started = time.monotonic()
    try:
        runner = await runs_on.spawn(spec, on_log=log)
    except errors.LoadFailed as error:
        raise _failed("load", version, error.message, error.traceback) from error
    except errors.StartFailed as error:
        raise _failed("load", version, str(error)) from error
    try:
        log(f"load: {runner.facts.get('form', 'predict')} loaded in {_seconds(started)}")
        if runner.facts.get("arrays") == "lists":
            log(
                f"load: numpy is not in requirements.txt, so predict() gets {version.options.input} as lists instead "
                "of numpy arrays"
            )
        verdict = await _check(version, runner, log)
        if verdict is not None and on_verdict is not None:
            on_verdict(verdict)
    finally:
        await runner.stop()
    return spec


async def prepare(
    version: specs.Version, *, fetch_blob: FetchBlob, home: folders.Folders, log: Log, environ: Mapping[str, str],
    settings: runner_settings.RunnerSettings | None = None,
) -> host.Spec:  # fmt: skip
    """Files and environment of a version. Raises BuildFailed with step files or environment."""
    started = time.monotonic()
    bundle = await files(version, fetch_blob=fetch_blob, home=home)
    size = sum(file.size for file in version.files)
    log(f"files: {len(version.files)} files, {size:,} bytes in {_seconds(started)}")
    started = time.monotonic()
    requirements = bundle / environments.REQUIREMENTS
    interpreter = await environments.make(
        requirements.read_bytes() if requirements.is_file() else b"",
        home=home,
        settings=settings or runner_settings.RunnerSettings(),
        log=log,
    )
    log(f"environment: ready in {_seconds(started)}")
    options = version.options
    return host.Spec(
        bundle=bundle,
        entry=version.entry,
        weights=options.weights,
        input=options.input,
        interpreter=interpreter,
        environ=environ,
        load_timeout=options.load_timeout,
        memory_mb=options.memory_mb,
        batchable=options.batch is True,
        folders=home,
    )


async def files(version: specs.Version, *, fetch_blob: FetchBlob, home: folders.Folders) -> pathlib.Path:
    """The folder of the version's files, made where it is not there yet. Raises BuildFailed with step files."""
    folder = home.versions / version.digest
    if folder.is_dir():
        return folder
    try:
        home.blobs.mkdir(parents=True, exist_ok=True)
        home.versions.mkdir(parents=True, exist_ok=True)
        blobs = {file.sha256: await _blob(file, fetch_blob, home.blobs) for file in version.files}
        await asyncio.to_thread(_lay_out, version, blobs, folder)
    except OSError as error:
        raise errors.BuildFailed(step="files", message=f"the version's files cannot be had: {error}") from error
    return folder


async def _blob(file: specs.File, fetch_blob: FetchBlob, folder: pathlib.Path) -> pathlib.Path:
    place = folder / file.sha256
    if place.is_file() and place.stat().st_size == file.size:
        return place
    fresh = pathlib.Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))
    try:
        await fetch_blob(file.sha256, fresh / "blob")
        found = await asyncio.to_thread(_sha256, fresh / "blob")
        if found != file.sha256:
            raise OSError(f"{file.path} arrived broken: its sha256 is {found}, not {file.sha256}")
        os.replace(fresh / "blob", place)  # noqa: PTH105  pathlib's replace says nothing more
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place


def _lay_out(version: specs.Version, blobs: Mapping[str, pathlib.Path], folder: pathlib.Path) -> None:
    """Write beside and rename into place."""
    fresh = pathlib.Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        for file in version.files:
            target = fresh / _inside(file.path)
            for made in reversed([target.parent, *target.parent.parents]):
                if made != fresh and made.is_relative_to(fresh):
                    made.mkdir(exist_ok=True)
                    made.chmod(0o755)
            _place(blobs[file.sha256], target, file.size)
        os.rename(fresh, folder)  # noqa: PTH104  pathlib's rename says nothing more
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not folder.is_dir():
            raise


def _inside(text: str) -> pathlib.PurePosixPath:
    path = pathlib.PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise OSError(f"a file's path leaves the bundle: {text}")
    return path


def _place(blob: pathlib.Path, target: pathlib.Path, size: int) -> None:
    if size >= _LINKED:
        try:
            target.hardlink_to(blob)
        except OSError:  # another disk
            shutil.copyfile(blob, target)
        target.chmod(0o444)
    else:
        shutil.copyfile(blob, target)
        target.chmod(0o644)


async def _check(version: specs.Version, runner: runners.Runner, log: Log) -> specs.Verdict | None:
    """Run the sample; what it tells of batches, where that is asked. Raises BuildFailed."""
    verified = version.options.batch == "verified"
    if version.sample is None:
        log("check: no sample input was given, so predict() was not tried; deploy with --sample to have it tried")
        return verdicts.unproven("no sample was given") if verified else None
    sample = bytes(envelope.json_input(msgspec.json.encode(version.sample)))
    started = time.monotonic()
    ran = await runner.run(
        [sample], together=version.options.batch is True, timeout=version.options.timeout, ids=["sample"]
    )
    match ran.outcomes[0]:
        case outcomes.Output(data, None):
            text = data[:_SHOWN].decode("utf-8", "replace")
            log(f"check: the sample gave {text}{'…' if len(data) > _SHOWN else ''} in {_seconds(started)}")
        case outcomes.Output(data, media):
            log(f"check: the sample gave {len(data):,} bytes of {media} in {_seconds(started)}")
        case outcomes.Failure(kind, message, traceback):
            raise _failed("check", version, f"the sample input failed ({kind}): {message}", traceback)
        case outcomes.Lost(kind, message):
            raise _failed("check", version, f"the sample input ended the runner ({kind}): {message}")
    if not verified:
        return None
    verdict = await trials.first(runner, sample, ran.outcomes[0], timeout=version.options.timeout)
    log(f"check: batches {verdict.batching}: {verdict.why}")
    if verdict.advice is not None:
        log(f"check: {verdict.advice}")
    return verdict


def _failed(step: str, version: specs.Version, message: str, traceback: str = "") -> errors.BuildFailed:
    hint = hints.hint(version.options.framework, f"{message}\n{traceback}")
    return errors.BuildFailed(step=step, message=f"{message}. Hint: {hint}" if hint else message, traceback=traceback)


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seconds(started: float) -> str:
    return f"{time.monotonic() - started:.1f} s"
