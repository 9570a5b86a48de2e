"""The home folder: its layout, its lock, and what is said where it cannot be used."""

import os
from pathlib import Path

import pytest

from panini.stack import errors, home


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert home.Home.at(Path(".panini")).root == tmp_path / ".panini"


def test_prepare_makes_folders_that_only_the_owner_reads(tmp_path: Path) -> None:
    place = home.Home.at(tmp_path / "new" / "home")
    place.prepare()
    place.prepare()  # again: nothing changes
    for folder in (place.root, place.secrets, place.logs, place.run, place.kafka, place.valkey):
        assert folder.stat().st_mode & 0o077 == 0


def test_every_path_lies_in_the_home(tmp_path: Path) -> None:
    place = home.Home.at(tmp_path)
    properties = [name for name, value in vars(home.Home).items() if isinstance(value, property)]
    paths = [getattr(place, name) for name in properties] + [place.log("api"), place.pid_file("api")]
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(tmp_path) for path in paths)


def test_a_home_below_a_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.HomeUnusable, match=r"cannot be used: Not a directory.*PANINI_HOME"):
        home.Home.at(tmp_path / "file" / "home").prepare()


@pytest.mark.skipif(os.geteuid() == 0, reason="platform: root may write everywhere")
def test_an_unwritable_home_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(errors.HomeUnusable, match=r"Permission denied.*PANINI_HOME"):
        home.Home.at(tmp_path).prepare()


def test_a_home_on_a_full_or_read_only_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(home, "prove_writable", full)
    with pytest.raises(errors.HomeUnusable, match="No space left on device"):
        home.Home.at(tmp_path).prepare()


def test_two_on_one_home_is_an_error_that_names_the_other(tmp_path: Path) -> None:
    place = home.Home.at(tmp_path)
    with place.locked(), pytest.raises(errors.HomeBusy, match=f"process {os.getpid()}.*panini down"), place.locked():
        pass
    with place.locked():  # released
        pass


def test_the_shared_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home.shared_cache(None, home.Home.at(tmp_path)) == tmp_path / "cache" / "panini"


def test_without_a_users_cache_it_is_the_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert home.shared_cache(None, home.Home.at(tmp_path)) == tmp_path / "cache"


def test_a_cache_that_was_set_and_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.HomeUnusable, match="PANINI_CACHE"):
        home.shared_cache(tmp_path / "file", home.Home.at(tmp_path))
