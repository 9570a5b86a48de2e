"""Where an upload's files lie until they are a version: one fresh folder an upload, gone when it ends."""

import hashlib
import os
import pathlib
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self

from registry import errors, paths
from wire import specs

CHUNK = 1 << 18
"""Bytes copied at once."""


class Staging:
    """The files of one upload, each under a plain number, hashed as they are written. Methods block: use a thread."""

    def __init__(self, folder: pathlib.Path, *, max_bytes: int, max_files: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.max_files = max_files
        self.files: dict[str, specs.File] = {}
        self._places: dict[str, pathlib.Path] = {}
        self._seen = paths.Seen()
        self._bytes = 0
        self._count = 0
        self._entries = 0

    def place(self, path: str) -> pathlib.Path:
        """Where the bytes of a bundle's file lie on this disk."""
        return self._places[path]

    def places(self) -> dict[str, pathlib.Path]:
        """Every file's path in the bundle, and where its bytes lie."""
        return dict(self._places)

    def open(self, name: str) -> "Sink":
        """Begin a file. Raises BadArchive for a name that is unsafe or taken."""
        path = paths.safe(name)
        self.count_entry()
        if paths.rubbish(path):
            return Sink(self, None, self.fresh("rubbish"))
        self._seen.add(path)
        return Sink(self, path, self.fresh("file"))

    def fresh(self, kind: str) -> pathlib.Path:
        """A name in the folder that nothing has."""
        self._count += 1
        return self.folder / f"{self._count}.{kind}"

    def count_entry(self) -> None:
        """Count a file or folder. Raises TooLarge."""
        self._entries += 1
        if self._entries > self.max_files:
            raise errors.TooLarge(
                f"the bundle has more than {self.max_files:,} files and folders; leave out what predict.py does not "
                "need, or raise PANINI_UPLOAD_FILES"
            )

    def count_bytes(self, size: int) -> None:
        """Count bytes of the bundle. Raises TooLarge."""
        self._bytes += size
        if self._bytes > self.max_bytes:
            raise too_large(self.max_bytes)

    def take(self, path: str, file: specs.File, place: pathlib.Path) -> None:
        """Note a finished file."""
        self.files[path] = file
        self._places[path] = place

    def strip(self, folder: str) -> None:
        """Take `folder` off the beginning of every path."""
        cut = len(folder)
        self.files = {
            path[cut:]: specs.File(path=path[cut:], sha256=file.sha256, size=file.size)
            for path, file in self.files.items()
        }
        self._places = {path[cut:]: place for path, place in self._places.items()}

    def drop(self, path: str) -> None:
        """Forget a file, its bytes counted back and its name free."""
        self._bytes -= self.files.pop(path).size
        del self._places[path]
        self._seen = paths.Seen()
        for other in self.files:
            self._seen.add(other)


class Sink:
    """A file being written."""

    def __init__(self, staging: Staging, path: str | None, place: pathlib.Path) -> None:
        self._staging = staging
        self._path = path
        self._place = place
        self._hash = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self._file = self._place.open("xb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        with self._file as file:
            file.flush()
            if kind is None and self._path is not None:
                os.fsync(file.fileno())  # what a version refers to must outlive a power cut
        if kind is None and self._path is not None:
            found = specs.File(path=self._path, sha256=self._hash.hexdigest(), size=self._size)
            self._staging.take(self._path, found, self._place)

    def write(self, data: bytes) -> None:
        """Write on. Raises TooLarge."""
        self._staging.count_bytes(len(data))
        if self._path is None or self._file is None:
            return
        self._hash.update(data)
        self._size += len(data)
        self._file.write(data)


def copy(read: Callable[[int], bytes], sink: Sink) -> None:
    """Write everything that `read` gives."""
    while chunk := read(CHUNK):
        sink.write(chunk)


def too_large(limit: int) -> errors.TooLarge:
    """The one error of a bundle over the limit."""
    return errors.TooLarge(
        f"the bundle is larger than {limit:,} bytes; leave out what predict.py does not need, or raise "
        "PANINI_UPLOAD_BYTES"
    )
