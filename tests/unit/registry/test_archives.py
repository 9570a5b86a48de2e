"""Unpacking strangers' archives."""

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from registry import archives, errors, staging
from tests.unit.registry import kit

MIB = 1 << 20
FILES = {"predict.py": kit.PREDICT, "data/labels.txt": b"a\nb\n", "empty": b""}


@pytest.fixture
def staged(tmp_path: Path) -> staging.Staging:
    """An empty staging of 64 MiB and 50 files."""
    (tmp_path / "staging").mkdir()
    return staging.Staging(tmp_path / "staging", max_bytes=64 * MIB, max_files=50)


def unpack(staged: staging.Staging, data: bytes, ratio: int = 200) -> None:
    """Extract an archive given as bytes."""
    place = staged.fresh("archive")
    place.write_bytes(data)
    archives.extract(place, staged, max_ratio=ratio)


@pytest.mark.parametrize("pack", [kit.tar, kit.targz, kit.zipped])
def test_plain_archives_of_every_kind(staged: staging.Staging, pack: Callable[..., bytes]) -> None:
    # Given / When
    unpack(staged, pack(FILES))
    # Then
    assert {path: staged.place(path).read_bytes() for path in staged.files} == FILES


def test_folders_and_rubbish_are_left_out(staged: staging.Staging) -> None:
    data = kit.tar({"predict.py": kit.PREDICT, "__MACOSX/._predict.py": b"x", "a/__pycache__/b.pyc": b"x"})
    unpack(staged, data)
    assert list(staged.files) == ["predict.py"]


def test_folders_are_no_files(staged: staging.Staging) -> None:
    unpack(staged, kit.tar({"predict.py": kit.PREDICT}, kit.tar_entry("data", tarfile.DIRTYPE)))
    unpack(staged, kit.zipped({"empty/": b"", "empty/a.txt": b"a"}))
    assert list(staged.files) == ["predict.py", "empty/a.txt"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil", "leads out of the bundle"),
        ("a/../../evil", "leads out of the bundle"),
        ("/etc/passwd", "absolute"),
        ("C:/evil", "absolute"),
        ("a\\b", "/"),
        ("line\nbreak", "rename"),
        ("x/" * 600 + "y", "too long"),
        ("y" * 256, "too long"),
    ],
)
@pytest.mark.parametrize("pack", [kit.tar, kit.zipped])
def test_unsafe_paths(staged: staging.Staging, pack: Callable[..., bytes], name: str, why: str) -> None:
    with pytest.raises(errors.BadArchive, match=why):
        unpack(staged, pack({"predict.py": kit.PREDICT, name: b"x"}))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device or pipe"),
    ],
)
def test_links_and_devices_in_a_tar(staged: staging.Staging, kind: bytes, why: str) -> None:
    with pytest.raises(errors.BadArchive, match=f"'evil' is {why}"):
        unpack(staged, kit.tar({"predict.py": kit.PREDICT}, kit.tar_entry("evil", kind, "/etc/passwd")))


def test_a_link_in_a_zip(staged: staging.Staging) -> None:
    with pytest.raises(errors.BadArchive, match="'evil' is a link"):
        unpack(staged, kit.zipped({"evil": b"/etc/passwd"}, mode=0o120777))


def test_an_encrypted_zip(staged: staging.Staging) -> None:
    data = bytearray(kit.zipped({"predict.py": kit.PREDICT}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    with pytest.raises(errors.BadArchive, match="encrypted"):
        unpack(staged, bytes(data))


def test_an_unusual_method(staged: staging.Staging) -> None:
    with pytest.raises(errors.BadArchive, match="deflate"):
        unpack(staged, kit.zipped({"predict.py": kit.PREDICT}, method=zipfile.ZIP_LZMA))


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("a.txt", "a.txt", "is there twice"),
        ("a.txt", "./a.txt", "is there twice"),
        ("a.txt", "A.TXT", "only in case"),
        ("é", "e\u0301", "only in case or accents"),
        ("a", "a/b", "a file and a folder"),
        ("a/b", "A", "a file and a folder"),
    ],
)
def test_clashing_names(staged: staging.Staging, first: str, second: str, why: str) -> None:
    with pytest.raises(errors.BadArchive, match=why):
        unpack(staged, kit.tar({first: b"1", second: b"2"}) if first != second else _twice(first))


def _twice(name: str) -> bytes:
    first = kit.tar({name: b"1"})
    return first[:1024] + kit.tar({name: b"2"})


def test_too_many_files(staged: staging.Staging) -> None:
    with pytest.raises(errors.TooLarge, match="PANINI_UPLOAD_FILES"):
        unpack(staged, kit.tar({f"f{number}": b"" for number in range(51)}))


@pytest.mark.parametrize("pack", [kit.targz, kit.zipped])
def test_a_bomb(staged: staging.Staging, pack: Callable[..., bytes]) -> None:
    with pytest.raises(errors.BadArchive, match="bomb"):
        unpack(staged, pack({"zeros": bytes(40 * MIB)}))


@pytest.mark.parametrize("pack", [kit.tar, kit.targz, kit.zipped])
def test_larger_than_allowed(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    small = staging.Staging(tmp_path, max_bytes=MIB, max_files=5)
    with pytest.raises(errors.TooLarge, match="1,048,576"):
        unpack(small, pack({"zeros": bytes(3 * MIB)}), ratio=10**6)


def test_a_header_made_to_fill_the_memory(staged: staging.Staging) -> None:
    # Given a pax header that says it is 40 MiB long
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 40 * MIB
    data = header.tobuf(tarfile.USTAR_FORMAT) + bytes(40 * MIB)
    # When / Then
    with pytest.raises(errors.BadArchive, match="headers are too large"):
        unpack(staged, data)


def test_a_sparse_file(staged: staging.Staging) -> None:
    with pytest.raises(errors.BadArchive, match=r"sparse|cannot be read"):
        unpack(staged, kit.tar({}, kit.tar_entry("sparse", tarfile.GNUTYPE_SPARSE)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 no zip",
        b"\x1f\x8b no gzip",
        b"neither of them " * 100,
        kit.tar(FILES)[:700],
        kit.targz(FILES)[:-20],
        kit.zipped(FILES)[:-30],
        gzip.compress(b"no tar" * 200),
    ],
    ids=["empty", "zip", "gzip", "text", "cut tar", "cut tar.gz", "cut zip", "gzip of text"],
)
def test_broken_archives(staged: staging.Staging, data: bytes) -> None:
    with pytest.raises(errors.BadArchive, match=r"pack it anew|too large"):
        unpack(staged, data)


def test_a_damaged_header_is_not_the_end(staged: staging.Staging) -> None:
    # Given a tar whose second header is damaged: tarfile would take that for its end
    data = bytearray(kit.tar({"predict.py": kit.PREDICT, "weights.bin": b"x"}))
    data[1024 + 150] ^= 0xFF
    # When / Then
    with pytest.raises(errors.BadArchive, match="damaged"):
        unpack(staged, bytes(data))


def test_a_flipped_bit_in_a_zip(staged: staging.Staging) -> None:
    data = bytearray(kit.zipped({"predict.py": kit.PREDICT}, method=zipfile.ZIP_STORED))
    data[data.index(b"predict(inputs)")] ^= 1
    with pytest.raises(errors.BadArchive, match="CRC"):
        unpack(staged, bytes(data))
