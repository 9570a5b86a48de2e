import io
import os
import tarfile
from pathlib import Path

import pytest

from panini.client import bundle, errors


def model(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "predict.py").write_text("def predict(inputs):\n    return inputs\n")
    return folder


def packed(folder: Path) -> bytes:
    return b"".join(bundle.plan(folder))


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()


def test_the_length_is_known_before_and_right(tmp_path: Path) -> None:
    folder = model(tmp_path)
    (folder / "weights.pkl").write_bytes(os.urandom(1_000_001))
    (folder / ("n" * 120 + "ü.txt")).write_text("long names take a header of their own")

    archive = bundle.plan(folder)

    assert archive.length == len(b"".join(archive))


def test_it_is_a_tar_of_the_files(tmp_path: Path) -> None:
    folder = model(tmp_path)
    (folder / "data").mkdir()
    (folder / "data" / "labels.txt").write_bytes(b"setosa\n")

    with tarfile.open(fileobj=io.BytesIO(packed(folder))) as tar:
        assert tar.getnames() == ["data/labels.txt", "predict.py"]
        member = tar.extractfile("data/labels.txt")
        assert member is not None
        assert member.read() == b"setosa\n"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = model(tmp_path / "a"), model(tmp_path / "b")
    os.utime(second / "predict.py", (1, 1))
    (second / "predict.py").chmod(0o600)

    assert packed(first) == packed(second)


def test_caches_hidden_files_and_virtual_environments_stay_here(tmp_path: Path) -> None:
    folder = model(tmp_path)
    for place in (".git/config", "__pycache__/predict.cpython-311.pyc", "venv/pyvenv.cfg", "venv/lib/x.py", ".env"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("x")

    assert names(packed(folder)) == ["predict.py"]


def test_a_link_to_a_file_sends_the_file(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (tmp_path / "weights.pt").write_bytes(b"weights")
    (folder / "weights.pt").symlink_to(tmp_path / "weights.pt")

    with tarfile.open(fileobj=io.BytesIO(packed(folder))) as tar:
        assert tar.getmember("weights.pt").isfile()
        assert tar.getmember("weights.pt").size == 7


@pytest.mark.parametrize("target", ["folder", "missing"])
def test_other_links_are_refused(tmp_path: Path, target: str) -> None:
    folder = model(tmp_path / "m")
    (tmp_path / "folder").mkdir()
    (folder / "link").symlink_to(tmp_path / target)

    with pytest.raises(errors.BundleUnusable, match="link"):
        bundle.plan(folder)


def test_a_pipe_is_refused_and_not_waited_on(tmp_path: Path) -> None:
    folder = model(tmp_path)
    os.mkfifo(folder / "pipe")

    with pytest.raises(errors.BundleUnusable, match="no ordinary file"):
        bundle.plan(folder)


def test_a_folder_without_predict_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(errors.BundleUnusable, match=r"no predict\.py"):
        bundle.plan(tmp_path)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(errors.BundleUnusable, match="is no folder"):
        bundle.plan(tmp_path / "nothing")


def test_a_file_that_shrinks_while_it_is_sent_is_told(tmp_path: Path) -> None:
    folder = model(tmp_path)
    archive = bundle.plan(folder)
    (folder / "predict.py").write_text("")

    with pytest.raises(errors.BundleUnusable, match="became shorter"):
        list(archive)


def test_panini_toml_is_read(tmp_path: Path) -> None:
    (tmp_path / "panini.toml").write_text('input = "floats"\n')

    assert bundle.declared(tmp_path) == {"input": "floats"}


def test_a_broken_panini_toml_is_told(tmp_path: Path) -> None:
    (tmp_path / "panini.toml").write_text("input = ")

    with pytest.raises(errors.BundleUnusable, match=r"panini\.toml"):
        bundle.declared(tmp_path)
