"""`panini check DIR`: all that a deploy checks, here, with no server."""

import asyncio
import hashlib
import pathlib
import shutil
import time
from collections.abc import Mapping
from typing import Final

import msgspec

import registry.checks
import registry.errors
from wire import specs
from workers import building, errors, folders, host, runner_settings

OWNER: Final = "check.check"
"""Stands for account and model where a folder is checked: no worker has it."""


async def check(
    folder: pathlib.Path, *, home: pathlib.Path, log: building.Log, sample: bytes | None = None,
    given: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None,
    runs_on: host.Host | None = None, settings: runner_settings.RunnerSettings | None = None,
) -> specs.Version:  # fmt: skip
    """Check the bundle in `folder` as a deploy would, the run of its sample included.

    `home` is where environments are made and kept (PANINI_HOME); `sample` is one input as JSON text; `given` is what
    the command line said (option names and their text). Returns the version as it would be deployed. Raises
    BuildFailed, with step files for what is wrong with the bundle itself.
    """
    version, places = await asyncio.to_thread(_static, folder, given, sample)
    log(f"files: {version.entry} and {len(version.files) - 1} more, checked")

    async def fetch(sha256: str, target: pathlib.Path) -> None:
        await asyncio.to_thread(shutil.copyfile, places[sha256], target)

    settings = settings or runner_settings.RunnerSettings()
    own = folders.Folders(home=home, owner=OWNER)
    try:
        await building.build(
            version, fetch_blob=fetch, home=own, log=log, environ=environ or {},
            runs_on=runs_on or host.LocalHost(settings), settings=settings,
        )  # fmt: skip
    finally:
        await asyncio.to_thread(shutil.rmtree, own.versions, ignore_errors=True)
    return version


def _static(
    folder: pathlib.Path, given: Mapping[str, str] | None, sample: bytes | None
) -> tuple[specs.Version, dict[str, pathlib.Path]]:
    if not folder.is_dir():
        raise errors.BuildFailed(step="files", message=f"{folder} is no folder; give the one that holds predict.py")
    files = registry.checks.folder(folder)
    try:
        checked = registry.checks.bundle(files, given=given, sample=sample)
    except registry.errors.BadBundle as error:
        raise errors.BuildFailed(step="files", message=str(error)) from error
    described, places = [], {}
    for path, place in files.items():
        with place.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        described.append(specs.File(path=path, sha256=sha256, size=place.stat().st_size))
        places[sha256] = place
    digest = hashlib.sha256(repr(described).encode() + repr(checked.options).encode()).hexdigest()
    version = specs.Version(
        version=1, state=specs.VersionState.BUILDING, digest=digest, files=described, options=checked.options,
        created_at=int(time.time() * 1000), entry=checked.entry,
        sample=msgspec.json.decode(checked.sample) if checked.sample is not None else None,
    )  # fmt: skip
    return version, places
