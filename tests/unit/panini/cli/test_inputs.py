from pathlib import Path
from typing import Any

import pytest

from panini.cli import errors, inputs


def never() -> str:
    raise AssertionError("the model's input type was asked for without need")


@pytest.mark.parametrize(("text", "value"), [("[1, 2.5]", [1, 2.5]), ('"x"', "x"), ('{"a": null}', {"a": None})])
def test_json_is_taken_as_it_is(text: str, value: Any) -> None:
    assert inputs.read(text, never) == value


@pytest.mark.parametrize("text", ["hello", "", "[1", "Infinity", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(errors.WrongUse):
        inputs.read(text, never)


def test_a_text_without_quotes_is_told_how_it_is_quoted() -> None:
    with pytest.raises(errors.WrongUse, match="a text needs its quotes: '\"good film\"'"):
        inputs.read("good film", never)


def test_a_file_is_read_as_the_models_input_says(tmp_path: Path) -> None:
    file = tmp_path / "in.json"
    file.write_bytes(b"\xef\xbb\xbf[1]")

    assert inputs.read(f"@{file}", lambda: "floats") == [1]
    assert inputs.read(f"@{file}", lambda: "bytes") == b"\xef\xbb\xbf[1]"


def test_a_file_of_bytes_for_a_model_of_json_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "cat.jpg"
    file.write_bytes(b"\xff\xd8\xff")

    with pytest.raises(errors.WrongUse, match="--input bytes"):
        inputs.read(f"@{file}", lambda: "json")


def test_the_sample_of_a_folder(tmp_path: Path) -> None:
    for name in ("sample.json", "sample.png", "sample.py"):
        (tmp_path / name).write_text("x")

    assert inputs.sample_of(tmp_path, "floats") == tmp_path / "sample.json"
    assert inputs.sample_of(tmp_path, "bytes") == tmp_path / "sample.png"
    assert inputs.sample_of(tmp_path / "nothing", "bytes") is None
