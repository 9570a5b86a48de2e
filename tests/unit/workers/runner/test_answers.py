"""Outputs on their way to JSON, without a process."""

import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.runner import answers

encode = answers.encoder(1 << 20)


class Colour(enum.Enum):
    RED = "red"


class Array:
    """What numpy's and torch's arrays have in common."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values
        self.shape = (len(values),)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> Any:
        return self.values[place]

    def tolist(self) -> list[Any]:
        return self.values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.timedelta(seconds=90), b"90.0"),
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), b'"2026-01-02T00:00:00+00:00"'),
        (decimal.Decimal("1.5"), b"1.5"),
        (uuid.UUID(int=0), b'"00000000-0000-0000-0000-000000000000"'),
        (pathlib.PurePosixPath("a/b"), b'"a/b"'),
        (Colour.RED, b'"red"'),
        (Array([1, 2]), b"[1,2]"),
        ({"é": "日本"}, '{"é":"日本"}'.encode()),
        (2**80, b"1208925819614629174706176"),
    ],
)
def test_what_becomes_json(value: Any, text: bytes) -> None:
    assert encode(value) == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "output is nan"),
        ({"a": Array([0.5, math.inf])}, "output['a'][1] is inf"),
        (object(), "output is a object"),
        ({"f": [len]}, "output['f'][0] is a builtin_function_or_method"),
        ({object(): 1}, "has a key of type object"),
        (Array([Array([b"", object()])]), "output[0][1] is a object"),
    ],
)
def test_what_does_not_says_where(value: Any, words: str) -> None:
    with pytest.raises(answers.WrongOutput) as caught:
        encode(value)
    assert words in str(caught.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    text = encode(value)
    assert isinstance(text, bytes)
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("result", "output"),
    [([1], 1), ((1,), 1), ([1, 2], [1, 2]), ([], []), ({"a": 1}, {"a": 1}), ("x", "x"), (None, None), ([[1]], [1])],
)
def test_one_result_is_unwrapped_and_another_handed_back_whole(result: Any, output: Any) -> None:
    assert answers.unwrap(result) == output
    assert answers.unwrap(Array([7])) == 7


def test_a_batch_is_split_only_where_it_fits() -> None:
    assert answers.split(Array([1, 2]), 2) == [1, 2]
    for wrong in ([1], "ab", {"a": 1, "b": 2}, None, 3):
        with pytest.raises(answers.WrongOutput, match="2 inputs"):
            answers.split(wrong, 2)


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"), (b"%PDF-1.7", "application/pdf"),
        (b"RIFF....WEBPVP8", "image/webp"), (b"", "application/octet-stream"),
    ],
)  # fmt: skip
def test_bytes_carry_their_media_type(data: bytes, media: str) -> None:
    assert encode(data) == (media, data)
    assert encode(bytearray(data)) == (media, data)
