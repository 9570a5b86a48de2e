"""A model's folder as a tar that is made while it is sent: its length is known before, its memory stays flat."""

import dataclasses
import os
import stat
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from panini.client import errors

ENTRIES: Final = ("predict.py", "main.py")
CHUNK: Final = 1 << 18
"""Bytes read and handed on at a time."""
BLOCK: Final = tarfile.BLOCKSIZE
END: Final = b"\0" * (2 * BLOCK)
LEFT_OUT: Final = frozenset({"__pycache__", "node_modules"})
"""Folders that are never part of a model, beside hidden ones and virtual environments."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """One file of the archive."""

    header: bytes
    source: Path
    size: int  # bytes

    @property
    def padding(self) -> int:
        """Bytes that fill its last block."""
        return -self.size % BLOCK


@dataclasses.dataclass(frozen=True, kw_only=True)
class Archive:
    """What is sent of a folder. Iterating it reads the files."""

    members: tuple[Member, ...]

    @property
    def length(self) -> int:
        """Bytes of the whole tar."""
        return sum(len(m.header) + m.size + m.padding for m in self.members) + len(END)

    def __iter__(self) -> Iterator[bytes]:
        """The tar, in pieces. Raises BundleUnusable where a file changes while it is read."""
        for member in self.members:
            yield member.header
            yield from _content(member)
            yield b"\0" * member.padding
        yield END


def plan(folder: Path) -> Archive:
    """What would be sent of `folder`: every file but hidden ones, caches and virtual environments, in a fixed order.

    The same files give the same bytes, whoever sends them and whenever. Links to files are followed.

    Raises:
        BundleUnusable: no folder, no entry file, a link to a folder, or what cannot be read.
    """
    if not folder.is_dir():
        raise errors.BundleUnusable(f"{folder} is no folder; give the one that holds your predict.py")
    try:
        files = sorted(_files(folder), key=lambda file: file.relative_to(folder).as_posix())
        members = tuple(_member(folder, file) for file in files)
    except OSError as error:
        raise errors.BundleUnusable(f"{error.filename or folder} cannot be read: {error.strerror or error}") from error
    if not any((folder / entry).is_file() for entry in ENTRIES):
        raise errors.BundleUnusable(
            f"{folder} has no predict.py (nor main.py); write one with a function predict(inputs), or "
            "predict(model, inputs) beside a load(path)"
        )
    return Archive(members=members)


def declared(folder: Path) -> dict[str, Any]:
    """What the folder's panini.toml says; nothing where there is none. Raises BundleUnusable."""
    try:
        return tomllib.loads((folder / "panini.toml").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise errors.BundleUnusable(f"{folder / 'panini.toml'} cannot be read: {error}") from error


def _files(folder: Path) -> Iterator[Path]:
    """Every file below `folder` that belongs to the model."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name in LEFT_OUT or entry.name.endswith(".pyc"):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not (path / "pyvenv.cfg").exists():
                yield from _files(path)
        elif entry.is_dir():
            raise errors.BundleUnusable(
                f"{path} is a link to a folder; put the folder itself there, or remove the link"
            )
        else:
            yield path


def _member(folder: Path, path: Path) -> Member:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise errors.BundleUnusable(f"{path} is no ordinary file; remove it from the folder")
    with path.open("rb"):  # readable, before anything is sent
        pass
    info = tarfile.TarInfo(path.relative_to(folder).as_posix())
    info.size = found.st_size
    info.mode = 0o644
    try:
        return Member(header=info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"), source=path, size=info.size)
    except UnicodeEncodeError as error:
        raise errors.BundleUnusable(f"the name of {os.fsencode(path)!r} is no UTF-8; rename the file") from error


def _content(member: Member) -> Iterator[bytes]:
    left = member.size
    try:
        with member.source.open("rb") as file:
            while left:
                piece = file.read(min(CHUNK, left))
                if not piece:
                    raise errors.BundleUnusable(f"{member.source} became shorter while it was sent; deploy again")
                left -= len(piece)
                yield piece
    except OSError as error:
        raise errors.BundleUnusable(f"{member.source} cannot be read: {error.strerror or error}") from error
