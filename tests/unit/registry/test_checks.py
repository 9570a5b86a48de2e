"""A bundle as a whole, its options and its sample."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from registry import checks, errors
from tests.unit.registry import kit
from wire import jobs, specs

PREDICT = {"predict.py": kit.PREDICT}


def check(
    tmp_path: Path, files: Mapping[str, bytes], given: Mapping[str, str] | None = None, sample: bytes | None = None
) -> checks.Checked:
    """Check a bundle given as bytes."""
    return checks.bundle(kit.on_disk(tmp_path, files), given=given, sample=sample)


def test_the_defaults(tmp_path: Path) -> None:
    checked = check(tmp_path, PREDICT)
    assert (checked.entry, checked.sample, checked.options.weights) == ("predict.py", None, None)
    assert (checked.options.input, checked.options.batch) == (jobs.InputType.JSON, "verified")


def test_main_is_the_entry_only_without_predict(tmp_path: Path) -> None:
    assert check(tmp_path, {"main.py": kit.PREDICT}).entry == "main.py"
    assert check(tmp_path, {"main.py": b"broken(", **PREDICT}).entry == "predict.py"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "the bundle is empty"),
        ({"notes.txt": b""}, r"no predict\.py and no main\.py in the bundle; add a predict\.py"),
        ({"model.py": b""}, r"model\.py is there: rename"),
        ({"a.txt": b"", "src/predict.py": kit.PREDICT}, r"but src/predict\.py; upload what is in its folder"),
    ],
)
def test_no_entry(tmp_path: Path, files: Mapping[str, bytes], why: str) -> None:
    with pytest.raises(errors.BadBundle, match=why):
        check(tmp_path, files)


@pytest.mark.parametrize("name", ["m.pth", "m.pt", "m.pkl", "m.joblib", "m.onnx", "deep/m.safetensors", "M.PTH"])
def test_one_weights_file_is_found(tmp_path: Path, name: str) -> None:
    assert check(tmp_path, {**PREDICT, name: b"w"}).options.weights == name


def test_several_weights_files_need_a_name(tmp_path: Path) -> None:
    files = {**PREDICT, "a.pt": b"", "b.pt": b""}
    with pytest.raises(errors.BadBundle, match=r'2 weights files \(a\.pt, b\.pt\); write `weights = "a\.pt"`'):
        check(tmp_path, files)
    assert check(tmp_path, files, {"weights": "b.pt"}).options.weights == "b.pt"
    assert check(tmp_path, {**files, "panini.toml": b'weights = "./a.pt"'}).options.weights == "a.pt"


def test_named_weights_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(errors.BadBundle, match=r"'c\.pt' is not in the bundle"):
        check(tmp_path, {**PREDICT, "panini.toml": b'weights = "c.pt"'})


def test_panini_toml_wins_over_the_deploy(tmp_path: Path) -> None:
    toml = b'input = "floats"\nbatch = true\nmax_batch = 8\n'
    given = {"input": "ints", "framework": "pytorch", "timeout": "2.5"}
    options = check(tmp_path, {**PREDICT, "panini.toml": toml}, given).options
    assert (options.input, options.framework) == (jobs.InputType.FLOATS, jobs.Framework.PYTORCH)
    assert (options.batch, options.max_batch, options.timeout) == (True, 8, 2.5)


def test_retries(tmp_path: Path) -> None:
    toml = b'[retry]\non = ["timeout", "crashed"]\nattempts = 5\nbackoff = [1, 2.5]\n'
    assert check(tmp_path, PREDICT).options.retry == specs.Retry()
    assert check(tmp_path, {**PREDICT, "panini.toml": toml}).options.retry == specs.Retry(
        on=(jobs.ErrorType.TIMEOUT, jobs.ErrorType.CRASHED), attempts=5, backoff=(1, 2.5)
    )


@pytest.mark.parametrize(
    ("toml", "why", "line"),
    [
        ("inptu = 'json'", "panini.toml has an unknown option 'inptu'; did you mean 'input'", None),
        ("zzz = 1", "unknown option 'zzz'; the names are input", None),
        ("[batch]\nx = 1", "batch is", None),
        ("input = 'image'", "input is 'image'; it is one of bytes, ints", None),
        ("framework = 'keras'", "framework is 'keras'; it is one of pytorch", None),
        ("batch = 'always'", 'batch is .*true, false or "verified"', None),
        ("max_batch = 0", "max_batch is 0; it must be 1 to 10,000", None),
        ("max_batch = 2.5", "max_batch", None),
        ("timeout = -1", "timeout is -1", None),
        ("timeout = nan", "timeout is nan", None),
        ("timeout = 'long'", "timeout", None),
        ("memory_mb = 1", "memory_mb is 1; it must be 16", None),
        ("cache = 'never'", "cache is 'never'; it is true, false or seconds", None),
        ("cache = -1", "cache is -1; it must be 0 to 604,800", None),
        ("cache = nan", "cache is nan", None),
        ("retry = 3", r"retry is a table of panini\.toml", None),
        ("[retry]\ntimes = 3", "retry has an unknown option 'times'; the names are on", None),
        ("[retry]\non = ['invalid_input']", r"retry\.on is .*; it is a list of predict_error", None),
        ("[retry]\non = [3]", r"retry\.on is", None),
        ("[retry]\nattempts = 2.5", r"retry\.attempts is 2\.5; it is a whole number from 1 to 20", None),
        ("[retry]\nattempts = true", r"retry\.attempts is True", None),
        ("[retry]\nbackoff = []", r"retry\.backoff is \[\]; it is a list of seconds", None),
        ("[retry]\nbackoff = [1, nan]", r"retry\.backoff is", None),
        ("x = 1\ny = = 2", "panini.toml is no TOML: .*line 2", 2),
    ],
)
def test_wrong_options(tmp_path: Path, toml: str, why: str, line: int | None) -> None:
    with pytest.raises(errors.BadBundle, match=why) as raised:
        check(tmp_path, {**PREDICT, "panini.toml": toml.encode()})
    assert (raised.value.file, raised.value.line) == ("panini.toml", line)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"inptu": "json"}, "the deploy has an unknown option 'inptu'"),
        ({"input": "image"}, "the deploy: input is 'image'"),
        ({"max_batch": "many"}, "the deploy: .*max_batch"),
        ({"batch": "perhaps"}, "the deploy: batch is 'perhaps'"),
        ({"cache": "perhaps"}, "the deploy: cache is 'perhaps'"),
    ],
)
def test_wrong_options_of_the_deploy(tmp_path: Path, given: dict[str, str], why: str) -> None:
    with pytest.raises(errors.BadBundle, match=why):
        check(tmp_path, PREDICT, given)


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False), ("Verified", "verified")])
def test_batch_as_text(tmp_path: Path, text: str, expected: object) -> None:
    assert check(tmp_path, PREDICT, {"batch": text}).options.batch == expected


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("False", False), ("30", 30), ("0.5", 0.5)])
def test_cache_as_text(tmp_path: Path, text: str, expected: object) -> None:
    assert check(tmp_path, PREDICT, {"cache": text}).options.cache == expected


@pytest.mark.parametrize(("toml", "expected"), [(b"cache = false", False), (b"cache = 30", 30), (b"", True)])
def test_cache_in_panini_toml(tmp_path: Path, toml: bytes, expected: object) -> None:
    assert check(tmp_path, {**PREDICT, "panini.toml": toml}).options.cache == expected


def test_samples(tmp_path: Path) -> None:
    assert check(tmp_path, PREDICT, sample=b" [1, 2] ").sample == "[1, 2]"
    assert check(tmp_path, PREDICT, sample=b"null").sample == "null"
    assert check(tmp_path, PREDICT, {"input": "bytes"}, b'"aGk="').sample == '"aGk="'


@pytest.mark.parametrize(
    ("sample", "given", "why"),
    [
        (b"{", {}, "the sample is no JSON"),
        (b"NaN", {}, "the sample is no JSON"),
        (b"[" * 2000 + b"]" * 2000, {}, "nests deeper"),
        (b"[1]", {"input": "bytes"}, "base64"),
        (b'"?"', {"input": "bytes"}, "base64"),
    ],
)
def test_wrong_samples(tmp_path: Path, sample: bytes, given: dict[str, str], why: str) -> None:
    with pytest.raises(errors.BadBundle, match=why):
        check(tmp_path, PREDICT, given, sample)


def test_a_folder_as_panini_check_sees_it(tmp_path: Path) -> None:
    # Given
    (tmp_path / "sub" / "__pycache__").mkdir(parents=True)
    (tmp_path / "predict.py").write_bytes(kit.PREDICT)
    (tmp_path / "sub" / "a.txt").write_text("")
    (tmp_path / "sub" / "__pycache__" / "a.pyc").write_text("")
    # When
    found = checks.folder(tmp_path)
    # Then
    assert list(found) == ["predict.py", "sub/a.txt"]
    assert checks.bundle(found).entry == "predict.py"
