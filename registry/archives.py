"""Unpacking tar, tar.gz and zip archives of strangers: plain files and folders only, bounded in every respect.

Nothing is ever extracted by `tarfile` or `zipfile` themselves: each entry's bytes are read and written to a name of
ours, so that no link, mode, owner or path of the archive takes effect.
"""

import gzip
import lzma
import pathlib
import stat
import tarfile
import zipfile
import zlib
from typing import IO, Any, BinaryIO, cast

from registry import errors, staging

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
MAX_HEADER = 8 << 20
"""Bytes that a library may read at once: more is a header made to fill the memory (tar's pax header, zip's list)."""
RATIO_FREE = 10 << 20
"""Bytes that may always be unpacked, whatever the ratio: small files of zeros are no bomb."""
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError)


def is_archive_name(name: str) -> bool:
    """Whether the file calls itself an archive."""
    return name.lower().endswith(SUFFIXES)


def extract(archive: pathlib.Path, into: staging.Staging, *, max_ratio: int) -> None:
    """Unpack an archive, told by its first bytes. Blocks.

    Raises:
        BadArchive: it is broken, or holds what a bundle must not hold.
        TooLarge: it unpacks to more than is allowed.
    """
    try:
        with archive.open("rb") as file:
            head = file.read(4)
        if head[:2] == b"\x1f\x8b":
            plain = into.fresh("tar")
            _gunzip(archive, plain, into, max_ratio)
            _tar(plain, into)
            plain.unlink()
        elif head in (b"PK\x03\x04", b"PK\x05\x06"):
            _zip(archive, into, max_ratio)
        else:
            _tar(archive, into)
    except (*BROKEN, gzip.BadGzipFile) as error:
        raise errors.BadArchive(f"the archive cannot be read ({error}); pack it anew as tar, tar.gz or zip") from error


class _Bounded:
    """A file that refuses to be read in one huge piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= MAX_HEADER else MAX_HEADER + 1)
        if len(data) > MAX_HEADER:
            raise errors.BadArchive("the archive's headers are too large; pack fewer files, with plain names")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _gunzip(archive: pathlib.Path, plain: pathlib.Path, into: staging.Staging, max_ratio: int) -> None:
    allowed = _allowed(archive, into, max_ratio)
    written = 0
    with gzip.open(archive, "rb") as source, plain.open("xb") as target:
        while chunk := source.read(staging.CHUNK):
            written += len(chunk)
            if written > allowed + into.max_files * 2 * tarfile.BLOCKSIZE:
                raise _bomb(into, allowed)
            target.write(chunk)


def _tar(archive: pathlib.Path, into: staging.Staging) -> None:
    with archive.open("rb") as file, tarfile.open(fileobj=cast("IO[bytes]", _Bounded(file)), mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile remembers every header else
            if member.isdir():
                into.count_entry()
                continue
            if not member.isreg() or member.issparse():
                raise errors.BadArchive(
                    f"{member.name!r} is {_tar_kind(member)}; pack plain files only (tar -h follows links)"
                )
            source = tar.extractfile(member)
            with into.open(member.name) as sink:
                if source is not None:
                    staging.copy(source.read, sink)
        file.seek(tar.offset)  # tarfile takes a damaged header for the end
        if any(file.read(tarfile.BLOCKSIZE)):
            raise errors.BadArchive("the archive is damaged; pack it anew as tar, tar.gz or zip")


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "a link"
    return "a sparse file" if member.issparse() else "a device or pipe"


def _zip(archive: pathlib.Path, into: staging.Staging, max_ratio: int) -> None:
    allowed = _allowed(archive, into, max_ratio)
    unpacked = 0
    with archive.open("rb") as file, zipfile.ZipFile(cast("IO[bytes]", _Bounded(file))) as bundle:
        for info in bundle.infolist():
            _check_zip_entry(info)
            if info.is_dir():
                into.count_entry()
                continue
            with bundle.open(info) as source, into.open(info.filename) as sink:
                while chunk := source.read(staging.CHUNK):
                    unpacked += len(chunk)
                    if unpacked > allowed:
                        raise _bomb(into, allowed)
                    sink.write(chunk)


def _check_zip_entry(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0  # 3: made on Unix
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device or pipe"
        raise errors.BadArchive(f"{name!r} is {what}; pack plain files only")
    if "\0" in name or "\\" in name:
        raise errors.BadArchive(f"{name!r} cannot be a file's name; separate folders with / and pack it anew")
    if info.flag_bits & 0x1:
        raise errors.BadArchive(f"{name!r} is encrypted; pack it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise errors.BadArchive(f"{name!r} is packed by an unusual method; pack it with deflate")


def _allowed(archive: pathlib.Path, into: staging.Staging, max_ratio: int) -> int:
    """Bytes that the archive may unpack to."""
    return min(into.max_bytes, max(RATIO_FREE, archive.stat().st_size * max_ratio))


def _bomb(into: staging.Staging, allowed: int) -> errors.RegistryError:
    if allowed == into.max_bytes:
        return staging.too_large(into.max_bytes)
    return errors.BadArchive(
        f"the archive unpacks to more than {allowed:,} bytes, far more than its size: it looks like a bomb; upload the "
        "files themselves, or raise PANINI_UPLOAD_RATIO"
    )
