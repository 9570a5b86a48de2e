"""The blob store: every file of every bundle once, named by its sha256, under `blobs/sha256/ab/…`."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator

from registry import errors

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Store:
    """Blobs on one disk. Methods block: use a thread."""

    def __init__(self, root: pathlib.Path) -> None:
        self._blobs = root / "blobs" / "sha256"
        self._staging = root / "staging"

    def start(self) -> None:
        """Make the folders, and forget uploads that a crash cut off. Raises StorageFailed."""
        with translated():
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging.mkdir(parents=True, exist_ok=True)
            self._blobs.mkdir(parents=True, exist_ok=True)

    def fresh(self) -> pathlib.Path:
        """A new empty folder for one upload, on the store's disk. Raises StorageFailed."""
        with translated():
            return pathlib.Path(tempfile.mkdtemp(dir=self._staging))

    def path(self, sha256: str) -> pathlib.Path:
        """Where a blob lies. Raises UnknownBlob."""
        if not _SHA256.fullmatch(sha256) or not (found := self._place(sha256)).is_file():
            raise errors.UnknownBlob
        return found

    def adopt(self, staged: dict[str, pathlib.Path]) -> None:
        """Move staged files, already on the disk, into the store by their sha256. Raises StorageFailed."""
        with translated():
            folders = {self._place(sha256).parent for sha256 in staged}
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            for sha256, place in staged.items():
                place.replace(self._place(sha256))
            for folder in (*folders, self._blobs):
                _sync(folder)

    def remove(self, blobs: set[str]) -> None:
        """Forget blobs. Raises StorageFailed."""
        with translated():
            for sha256 in blobs:
                self._place(sha256).unlink(missing_ok=True)

    def every(self) -> set[str]:
        """The sha256 of every blob."""
        return {path.name for path in self._blobs.glob("??/*") if _SHA256.fullmatch(path.name)}

    def _place(self, sha256: str) -> pathlib.Path:
        return self._blobs / sha256[:2] / sha256


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns a disk's refusal into StorageFailed."""
    try:
        yield
    except OSError as error:
        raise errors.StorageFailed(
            f"the registry's folder cannot be used ({error.strerror or error}); free space on its disk or mend its "
            "permissions, then try again"
        ) from error


def _sync(folder: pathlib.Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
