"""The home folder: where everything that the local stack keeps lies, and the lock that one stack holds on it."""

import contextlib
import dataclasses
import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panini.stack import errors


@dataclasses.dataclass(frozen=True, slots=True)
class Home:
    """The layout of PANINI_HOME. Constructing it touches nothing; `prepare` makes the folders."""

    root: Path  # always absolute: children run with other current folders

    @classmethod
    def at(cls, path: Path) -> "Home":
        """The home at `path`, which may be relative to the current folder."""
        return cls(Path(os.path.abspath(path.expanduser())))  # noqa: PTH100 - resolve() would follow links

    @property
    def secrets(self) -> Path:
        """One file a secret, named like the setting it is for: pydantic-settings' `secrets_dir`. Mode 0700."""
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """One file a running process, with its pid and start time."""
        return self.root / "run"

    @property
    def kafka(self) -> Path:
        """Kafka's current folder: configuration, link to the jars, data."""
        return self.root / "kafka"

    @property
    def valkey(self) -> Path:
        """Valkey's current folder: its append-only log."""
        return self.root / "valkey"

    @property
    def registry(self) -> Path:
        """The registry's database and bundles."""
        return self.root / "registry"

    @property
    def environments(self) -> Path:
        """The Python environments of versions."""
        return self.root / "environments"

    @property
    def cache(self) -> Path:
        """Downloads, where the user's cache folder cannot be used."""
        return self.root / "cache"

    @property
    def key_file(self) -> Path:
        """The API key made at the first start. Mode 0600."""
        return self.root / "key"

    @property
    def ports_file(self) -> Path:
        """The ports chosen at the first start, and the address of the API: for clients and the next start."""
        return self.root / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the running stack; holds its pid."""
        return self.root / "lock"

    def log(self, name: str) -> Path:
        """The log file of the process `name`."""
        return self.logs / f"{name}.log"

    def pid_file(self, name: str) -> Path:
        """The pid file of the process `name`."""
        return self.run / f"{name}.json"

    def prepare(self) -> None:
        """Makes the folders and proves that they can be written to.

        Raises:
            HomeUnusable: with the reason and the way out.
        """
        try:
            for folder in (self.root, self.secrets, self.logs, self.run, self.kafka, self.valkey):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                prove_writable(folder)
            self.secrets.chmod(0o700)
        except OSError as error:
            raise _unusable(self.root, error) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the home for this process; released when it ends, however it ends.

        Raises:
            HomeBusy: another process holds it.
        """
        try:
            file = self.lock_file.open("a+", encoding="ascii")
        except OSError as error:
            raise _unusable(self.root, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise errors.HomeBusy(self._busy(file.fileno())) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _busy(self, lock: int) -> str:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace")
        return (
            f"Panini already runs on {self.root} (process {holder or 'unknown'}). "
            "Stop it with Ctrl-C there or with `panini down`, or give this one another folder with PANINI_HOME."
        )


def _unusable(root: Path, error: OSError) -> errors.HomeUnusable:
    """The error for a home that the system does not let us write to."""
    return errors.HomeUnusable(
        f"The home folder {root} cannot be used: {error.strerror or error}. "
        "Make it writable, or choose another folder with PANINI_HOME."
    )


def prove_writable(folder: Path) -> None:
    """Writes and removes a file in `folder`; raises OSError where that fails (permissions, a full disk)."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"panini")


def shared_cache(setting: Path | None, home: Home) -> Path:
    """The folder of downloads: the setting, else the user's cache folder, else the home's; made and writable.

    Raises:
        HomeUnusable: a folder that was set, or the home's, cannot be written.
    """
    candidates = [setting.expanduser().absolute()] if setting else [user_cache(), home.cache]
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            prove_writable(folder)
            return folder
        except OSError as error:
            if folder is candidates[-1]:
                raise errors.HomeUnusable(
                    f"The cache folder {folder} cannot be used: {error.strerror or error}. "
                    "Make it writable, or choose another folder with PANINI_CACHE."
                ) from error
    raise AssertionError("unreachable: the last candidate returns or raises")


def user_cache() -> Path:
    """The user's cache folder for Panini, as the platform has it."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "panini"
    try:
        home = Path.home()
    except RuntimeError:  # no such user and no HOME
        return Path(os.devnull) / "panini"
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "panini"


def noted(path: Path) -> dict[str, Any]:
    """What the file of notes holds; nothing where it is missing or damaged, as all of it can be found out anew."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def note(path: Path, more: dict[str, Any]) -> None:
    """Add to the file of notes, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(noted(path) | more, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
