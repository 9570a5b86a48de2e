"""predict.py, parsed and never run."""

from pathlib import Path

import pytest

from registry import errors, sources

LOAD = "def load(path):\n    return path\n"


def check(tmp_path: Path, source: str | bytes) -> None:
    """Check an entry file with this text."""
    place = tmp_path / "source"
    place.write_bytes(source if isinstance(source, bytes) else source.encode())
    sources.check(place, "predict.py")


@pytest.mark.parametrize(
    "source",
    [
        "def predict(inputs): ...",
        "async def predict(inputs): ...",
        "def predict(inputs, verbose=False): ...",
        "def predict(*inputs): ...",
        "def predict(inputs, /): ...",
        "def predict(inputs, *, flag=True): ...",
        LOAD + "def predict(model, inputs): ...",
        LOAD + "def predict(model, inputs, extra=1): ...",
        "async def load(path, device='cpu'): ...\nasync def predict(model, inputs): ...",
        "from model import predict",
        "from model import load, run as predict",
        "from model import *",
        "from base import *\ndef predict(model, inputs): ...",
        "predict = lambda inputs: inputs",
        "predict: object = print",
        "try:\n    import x\nexcept ImportError:\n    def predict(inputs): ...\nelse:\n    def predict(inputs): ...",
        "if True:\n    def predict(inputs): ...",
        "with open('x') as f:\n    def predict(inputs): ...",
        "import re\nx = re.compile('\\d')\ndef predict(inputs): ...",
    ],
)
def test_what_can_be_called(tmp_path: Path, source: str) -> None:
    check(tmp_path, source)


@pytest.mark.parametrize(
    ("source", "why", "line"),
    [
        ("def run(inputs): ...", r"has no function predict \(it defines run\); add def predict\(inputs\)", None),
        ("", "has no function predict; add", None),
        ("class A:\n    def predict(self, x): ...", "has no function predict", None),
        ("def predict(): ...", r"line 1: predict takes \(\); .*write def predict\(inputs\)", 1),
        ("\ndef predict(model, inputs): ...", r"line 2: .*there is no load\(\)", 2),
        (LOAD + "def predict(inputs): ...", r"line 3: .*write def predict\(model, inputs\)", 3),
        (LOAD + "def predict(model, inputs, more): ...", r"write def predict\(model, inputs\)", 3),
        ("def predict(inputs, *, flag): ...", r"write def predict\(inputs\)", 1),
        ("def load(): ...\ndef predict(model, inputs): ...", r"load takes \(\); .*write def load\(path\)", 1),
        ("def load(a, b): ...\ndef predict(model, inputs): ...", r"load takes \(a, b\)", 1),
        ("x = 1\ndef predict(inputs)\n    pass", r"predict\.py, line 2: expected ':'", 2),
        ("def predict(inputs):\nreturn 1", "line 2: expected an indented block", 2),
        ("print 'hello'", "line 1: Missing parentheses", 1),
    ],
)
def test_what_cannot(tmp_path: Path, source: str, why: str, line: int | None) -> None:
    with pytest.raises(errors.BadBundle, match=why) as raised:
        check(tmp_path, source)
    assert (raised.value.file, raised.value.line) == ("predict.py", line)


@pytest.mark.parametrize(
    "source",
    [b"\x00", b"\xff\xfe\x00", b"x = " + b"-" * 200_000 + b"1", b"x = " + b"(" * 5000],
    ids=["null", "utf-16", "deep", "brackets"],
)
def test_what_is_no_source(tmp_path: Path, source: bytes) -> None:
    with pytest.raises(errors.BadBundle, match=r"predict\.py"):
        check(tmp_path, source)


def test_data_in_the_source(tmp_path: Path) -> None:
    with pytest.raises(errors.BadBundle, match="4 MiB"):
        check(tmp_path, b"#" * (sources.MAX_BYTES + 1))
