"""Versions built for real: files by their digest, environments by uv, load, check. Needs a package registry."""

import asyncio
import hashlib
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from wire import jobs, specs
from workers import building, checking, environments, errors, folders, host, runner_settings

from .conftest import Bench, given, plain

PLAIN = "def predict(inputs):\n    return [len(x) for x in inputs]\n"
NUMPY = """
import dataclasses, msgpack, numpy
@dataclasses.dataclass
class Answer:
    label: numpy.int64
    score: numpy.float32
def load(path):
    return numpy.load("weights.npy")
def predict(model, inputs):
    x = numpy.asarray(inputs)
    assert x.dtype == numpy.float32 and x.ndim == 2, (x.dtype, x.shape)
    if x[0, 0] == 1:
        return x * model
    if x[0, 0] == 2:
        return [Answer(numpy.int64(3), numpy.float32(0.5))]
    if x[0, 0] == 3:
        return [{"nan": x / 0}]
    if x[0, 0] == 4:
        return numpy.zeros(())
    return [list(msgpack.version)]
"""


class Upload:
    """A version as the registry describes it, and its blobs."""

    def __init__(self, files: Mapping[str, bytes], *, sample: Any = None, **options: Any) -> None:
        self.blobs = {hashlib.sha256(data).hexdigest(): data for data in files.values()}
        self.fetched: list[str] = []
        described = [
            specs.File(path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
            for path, data in files.items()
        ]
        self.version = specs.Version(
            version=1, state=specs.VersionState.BUILDING, digest=hashlib.sha256(repr(described).encode()).hexdigest(),
            files=described, options=specs.Options(**options), created_at=0, sample=sample,
        )  # fmt: skip

    async def fetch(self, sha256: str, target: pathlib.Path) -> None:
        """The registry's side."""
        self.fetched.append(sha256)
        await asyncio.to_thread(target.write_bytes, self.blobs[sha256])


async def build(upload: Upload, bench: Bench, **more: Any) -> host.Spec:
    return await building.build(
        upload.version, fetch_blob=upload.fetch, home=folders.Folders(home=bench.home, owner="default.m"),
        log=bench.lines.append, environ={}, runs_on=host.LocalHost(bench.settings), settings=bench.settings, **more,
    )  # fmt: skip


async def test_a_plain_version(bench: Bench) -> None:
    # Given an upload with a large file, and a sample
    weights = b"w" * (2 << 20)
    files = {"predict.py": PLAIN.encode(), "deep/er/weights.pt": weights}
    upload = Upload(files, sample=[1, 2], weights="deep/er/weights.pt")
    # When it is built twice
    spec = await build(upload, bench)
    again = await build(upload, bench)
    # Then the second time fetched nothing, and each step is in the log
    assert again.bundle == spec.bundle
    assert len(upload.fetched) == 2
    assert [line.split(":")[0] for line in bench.lines[:4]] == ["files", "environment", "load", "check"]
    assert "the sample gave 2" in bench.lines[3]
    large = spec.bundle / "deep/er/weights.pt"
    assert large.stat().st_nlink == 2
    assert large.stat().st_mode & 0o777 == 0o444


async def test_an_environment_with_numpy_and_its_own_msgpack(bench: Bench) -> None:
    files = {"predict.py": NUMPY.encode(), "requirements.txt": b"numpy>=2  # arrays\nmsgpack==1.1.0\n"}
    head = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    files["weights.npy"] = head.ljust(127) + b"\n" + b"\0\0\0\x40" * 2
    upload = Upload(files, sample=[1, 2.5], input=jobs.InputType.FLOATS)
    spec = await build(upload, bench)
    assert any("numpy" in line for line in bench.lines)
    runner = await host.LocalHost(bench.settings).spawn(spec, on_log=bench.lines.append)
    bench.runners.append(runner)
    values = ([1, 2.5], [2, 0], [3, 0], [4, 0], [5, 0], [[1], [1, 2]], ["1", "2"])
    ran = await runner.run([given(value) for value in values], together=False, timeout=30)
    assert plain(ran.outcomes[0]) == [2, 5]
    assert plain(ran.outcomes[1]) == {"label": 3, "score": 0.5}
    assert "output['nan'][0][0] is inf" in str(ran.outcomes[2])
    assert plain(ran.outcomes[3]) == 0
    assert plain(ran.outcomes[4]) == [1, 1, 0]
    assert "equal lengths" in str(ran.outcomes[5])
    assert "a list with text" in str(ran.outcomes[6])
    # And the environment cannot be written by the model, nor is it made again
    assert (await asyncio.wait_for(build(upload, bench), 60)).interpreter == spec.interpreter
    assert runner.facts["arrays"] == "numpy"


async def test_requirements_that_cannot_be_had(bench: Bench) -> None:
    upload = Upload({"predict.py": PLAIN.encode(), "requirements.txt": b"panini-no-such-package-at-all==1.0\n"})
    with pytest.raises(errors.BuildFailed) as caught:
        await build(upload, bench)
    assert caught.value.step == "environment"
    assert "panini-no-such-package-at-all" in caught.value.message
    # And what failed is not taken for made
    with pytest.raises(errors.BuildFailed):
        await build(upload, bench)


async def test_one_environment_is_made_once_by_many(bench: Bench) -> None:
    home = folders.Folders(home=bench.home, owner="default.m")
    made = await asyncio.gather(
        *(environments.make(b"", home=home, settings=bench.settings, log=bench.lines.append) for _ in range(4))
    )
    assert len(set(made)) == 1
    assert made[0].exists()


@pytest.mark.parametrize(
    ("source", "sample", "step", "words"),
    [
        ("import sklearn\n" + PLAIN, None, "load", "add a line scikit-learn"),
        ("def load(p):\n    raise ValueError('bad weights')\ndef predict(m, i): pass\n", None, "load", "bad weights"),
        (PLAIN, 3, "check", "has no len()"),
        ("def predict(i):\n    return [float('nan')]\n", 3, "check", "invalid_output"),
        ("import os\ndef predict(i):\n    os._exit(1)\n", 3, "check", "ended the runner (crashed)"),
    ],
)
async def test_builds_that_fail(bench: Bench, source: str, sample: Any, step: str, words: str) -> None:
    with pytest.raises(errors.BuildFailed) as caught:
        await build(Upload({"predict.py": source.encode()}, sample=sample), bench)
    assert caught.value.step == step
    assert words in caught.value.message


async def test_a_declared_batch_is_checked_as_one(bench: Bench) -> None:
    source = b"def predict(inputs):\n    return ['cat', 1]\n"
    with pytest.raises(errors.BuildFailed, match="returned 2 outputs"):
        await build(Upload({"predict.py": source}, sample=1, batch=True), bench)


async def test_a_blob_that_arrives_broken(bench: Bench) -> None:
    upload = Upload({"predict.py": PLAIN.encode()})
    upload.blobs = dict.fromkeys(upload.blobs, b"else")
    with pytest.raises(errors.BuildFailed, match="arrived broken") as caught:
        await build(upload, bench)
    assert caught.value.step == "files"
    assert not list((bench.home / "cache" / "blobs").iterdir())


async def test_a_path_that_leaves_the_bundle(bench: Bench) -> None:
    with pytest.raises(errors.BuildFailed, match="leaves the bundle"):
        await build(Upload({"../predict.py": PLAIN.encode()}), bench)


async def test_check_needs_no_server(bench: Bench, tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "predict.py").write_text(PLAIN)
    version = await checking.check(
        folder, home=bench.home, log=bench.lines.append, sample=b'"abc"', settings=runner_settings.RunnerSettings()
    )
    assert version.entry == "predict.py"
    assert "the sample gave 3" in bench.lines[-2]
    assert "batches unproven" in bench.lines[-1]
    (folder / "predict.py").unlink()
    with pytest.raises(errors.BuildFailed) as caught:
        await checking.check(folder, home=bench.home, log=bench.lines.append)
    assert caught.value.step == "files"
    await asyncio.to_thread(shutil.rmtree, folder)
    with pytest.raises(errors.BuildFailed, match="is no folder"):
        await checking.check(folder, home=bench.home, log=bench.lines.append)
    assert msgspec.to_builtins(version)["state"] == "building"
