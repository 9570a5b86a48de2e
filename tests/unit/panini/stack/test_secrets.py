"""The secrets of a home."""

from pathlib import Path

from panini.stack import secrets


def test_they_are_made_once_private_and_all_different(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = secrets.ensure(folder)
    assert secrets.ensure(folder) == first
    assert set(first) == set(secrets.NAMES)
    assert len(set(first.values())) == len(secrets.NAMES)
    assert all(len(bytes.fromhex(value)) == secrets.BYTES for value in first.values())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in folder.iterdir()) == sorted(secrets.NAMES)  # and nothing half made
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())


def test_one_that_is_missing_is_made_and_the_others_stay(tmp_path: Path) -> None:
    first = secrets.ensure(tmp_path)
    (tmp_path / "panini_internal_token").unlink()
    second = secrets.ensure(tmp_path)
    assert {name for name in first if first[name] != second[name]} == {"panini_internal_token"}


def test_one_that_is_empty_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "panini_signing_key").touch()
    assert secrets.ensure(tmp_path)["panini_signing_key"]
