"""What is deleted of a home once models are gone, and what never is."""

import fcntl
import os
import pathlib

import pytest

from wire import specs
from workers import checking, environments, folders, leftovers

SHA = {name: f"{number:064x}" for number, name in enumerate(("shared", "iris", "tulip", "stray"))}


def model(name: str, *blobs: str, uid: int = 1) -> specs.Model:
    files = [specs.File(path=blob, sha256=SHA[blob], size=1) for blob in blobs]
    version = specs.Version(
        version=1,
        state=specs.VersionState.READY,
        digest=f"d-{name}",
        files=files,
        options=specs.Options(),
        created_at=0,
    )
    return specs.Model(
        account="default", account_uid=1, model=name, model_uid=uid, topic_uuid="t", live=1, versions=[version]
    )


IRIS, TULIP = model("iris", "shared", "iris"), model("tulip", "shared", "tulip")


class Place:
    """A home as two models' workers leave it."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        self.own = folders.Folders(home=home, owner="")
        for name, wanted in (("iris", b"only-iris\n"), ("tulip", b"only-tulip\n")):
            self.version(f"default.{name}", wanted)
            (self.own.cache / f"default.{name}").mkdir(parents=True)
            self.environment(wanted)
        self.own.blobs.mkdir(parents=True)
        for sha256 in SHA.values():
            (self.own.blobs / sha256).write_bytes(b"x")
        (self.own.blobs / ".fetch-x").mkdir()

    def version(self, owner: str, wanted: bytes) -> None:
        folder = self.own.versions / owner / "digest"
        folder.mkdir(parents=True)
        (folder / environments.REQUIREMENTS).write_bytes(wanted)

    def environment(self, wanted: bytes) -> pathlib.Path:
        folder = self.own.environments / environments.digest(wanted)
        (folder / "bin").mkdir(parents=True)
        return folder

    def there(self) -> set[str]:
        places = self.own.versions, self.own.cache, self.own.blobs, self.own.environments
        return {f"{place.name}/{path.name}" for place in places for path in place.iterdir() if path.suffix != ".lock"}

    def age(self, path: pathlib.Path) -> None:
        os.utime(path, (1, 1))


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    return Place(tmp_path / "home")


def test_what_only_the_removed_one_used_goes(place: Place) -> None:
    before = place.there()

    leftovers.clear(place.home, [TULIP], [IRIS])

    assert before - place.there() == {
        "versions/default.iris", "models/default.iris", f"blobs/{SHA['iris']}",
        f"environments/{environments.digest(b'only-iris' + bytes([10]))}",
    }  # fmt: skip
    assert place.there() <= before


def test_an_environment_that_another_version_wants_stays(place: Place) -> None:
    place.version("default.rose", b"only-iris\n")
    leftovers.clear(place.home, [TULIP, model("rose")], [IRIS])
    assert (place.own.environments / environments.digest(b"only-iris\n")).is_dir()


def test_after_a_start_what_nobody_knows_goes_if_it_is_old(place: Place) -> None:
    """Catches YOUNG: what a check or a build has just fetched or made would go under its hands."""
    folder = place.own.environments / environments.digest(b"only-iris\n")
    for age in (False, True):
        if age:
            place.age(place.own.blobs / SHA["iris"])
            place.age(folder)
        leftovers.clear(place.home, [TULIP])
        assert folder.exists() is not age
        assert (place.own.blobs / SHA["iris"]).exists() is not age
    assert not (place.own.versions / "default.iris").exists()
    assert (place.own.blobs / SHA["stray"]).exists()


def test_an_environment_that_is_being_made_stays(place: Place) -> None:
    folder = place.own.environments / environments.digest(b"only-iris\n")
    with folder.with_name(f"{folder.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        leftovers.clear(place.home, [TULIP], [IRIS])
        assert folder.is_dir()


def test_a_check_and_what_is_no_models_are_left_alone(place: Place) -> None:
    place.version(checking.OWNER, b"only-iris\n")
    (place.own.versions / "notes").mkdir()
    leftovers.clear(place.home, [TULIP], [IRIS])
    assert {"versions/check.check", "versions/notes"} <= place.there()
    assert (place.own.environments / environments.digest(b"only-iris\n")).is_dir()


def test_what_was_cut_off_is_gone_on_with(place: Place) -> None:
    (place.own.versions / ".gone-0123" / "digest").mkdir(parents=True)
    leftovers.clear(place.home, [IRIS, TULIP])
    assert not (place.own.versions / ".gone-0123").exists()


def test_an_empty_home(tmp_path: pathlib.Path) -> None:
    assert leftovers.clear(tmp_path, [], [IRIS]) == []
