"""What workers made for models that are no more, below a home: found by what is still known, and deleted.

Whoever keeps the workers of a home calls this when it hears of the models for the first time, and when one was removed.
It may be cut off anywhere and called again.
"""

import contextlib
import fcntl
import os
import pathlib
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from typing import Final

from wire import names, specs
from workers import checking, environments, folders

YOUNG: Final = 3600.0
"""Seconds for which a file or an environment that nobody refers to is left alone: a check or a build may be at it."""

_GONE: Final = ".gone-"
_KEY: Final = re.compile(r"[0-9a-f]{24}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def clear(home: pathlib.Path, models: Iterable[specs.Model], removed: Iterable[specs.Model] = ()) -> list[str]:
    """Delete what none of `models` has a use for, all the models that there are; the names of what went.

    What those that were just `removed` used goes however young it is. Folders go by rename first, so that a model made
    again under its name finds none of them. Blocks: use a thread. OSError: the home cannot be used.
    """
    known, removed = list(models), list(removed)
    owners = {f"{one.account}.{one.model}" for one in known} | {checking.OWNER}
    own = folders.Folders(home=home, owner="")
    unneeded = {key for one in removed for key in _environments(own.versions / f"{one.account}.{one.model}")}
    going = [
        *(_renamed(path) for path in _owned(own.versions, owners)),
        *(_renamed(path) for path in _owned(own.cache, owners)),
    ]
    told = [name for name, _ in going]
    needed = {file.sha256 for one in known for version in one.versions for file in version.files}
    files = {file.sha256 for one in removed for version in one.versions for file in version.files}
    for blob in _named(own.blobs, _SHA256):
        if blob.name not in needed and (blob.name in files or _old(blob)):
            blob.unlink(missing_ok=True)
            told.append(blob.name)
    for folder in _named(own.environments, _KEY):
        if (folder.name in unneeded or _old(folder)) and (gone := _unused(folder, own)) is not None:
            going.append((folder.name, gone))
            told.append(folder.name)
    left = [path for place in (own.versions, own.cache, own.environments) for path in place.glob(f"{_GONE}*")]
    for path in {*(path for _, path in going), *left}:
        shutil.rmtree(path, ignore_errors=True)
    return told


def _owned(place: pathlib.Path, owners: set[str]) -> Iterator[pathlib.Path]:
    """The folders in it of models that are not among the owners."""
    for path in _entries(place):
        account, _, model = path.name.partition(".")
        if path.name not in owners and names.is_account(account) and names.is_model(model):
            yield path


def _unused(folder: pathlib.Path, own: folders.Folders) -> pathlib.Path | None:
    """An environment out of the way, where no version's folder asks for it; none where one does, or it is being made.

    A worker lays out its version's folder before it asks for the environment, under the same lock as here. The lock's
    file stays: somebody may wait for it.
    """
    with _locked(folder.with_name(f"{folder.name}.lock")) as mine:
        if not mine or any(folder.name in _environments(owner) for owner in _entries(own.versions)):
            return None
        return _renamed(folder)[1]


def _environments(versions: pathlib.Path) -> set[str]:
    """The environments that the versions of one model's folder ask for."""
    found = set()
    for version in _entries(versions):
        wanted = version / environments.REQUIREMENTS
        with contextlib.suppress(FileNotFoundError):
            found.add(environments.digest(wanted.read_bytes() if wanted.is_file() else b""))
    return found


def _renamed(path: pathlib.Path) -> tuple[str, pathlib.Path]:
    gone = path.with_name(f"{_GONE}{secrets.token_hex(8)}")
    path.rename(gone)
    return path.name, gone


def _entries(place: pathlib.Path) -> list[pathlib.Path]:
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if not path.name.startswith(_GONE))


def _named(place: pathlib.Path, form: re.Pattern[str]) -> list[pathlib.Path]:
    return [path for path in _entries(place) if form.fullmatch(path.name)]


def _old(path: pathlib.Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime < time.time() - YOUNG
    return False


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[bool]:
    """Whether the lock could be had at once; it is held inside."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
