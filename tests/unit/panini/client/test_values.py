import json
from typing import Any

import pytest

from panini.client import errors, values


class Array:
    """Stands in for numpy's arrays and torch's tensors: what has tolist()."""

    def tolist(self) -> list[float]:
        return [1.5, 2.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True, "ü"]}, '{"a":[1,2.5,null,true,"ü"]}'),
        (b"\x89PNG", '"iVBORw=="'),
        (bytearray(b"x"), '"eA=="'),
        (Array(), "[1.5,2.0]"),
        ([Array(), (1, 2)], "[[1.5,2.0],[1,2]]"),
    ],
)
def test_values_become_json(value: Any, text: str) -> None:
    assert values.encode(value) == text.encode()


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), [float("inf")], object(), {1, 2}, "\ud800", endless(), deep()],
    ids=lambda v: type(v).__name__,
)
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(errors.InvalidInput):
        values.encode(value)


def test_an_id_is_put_into_a_body() -> None:
    assert json.loads(values.with_id(b'{"input":1}', 'a"b')) == {"id": 'a"b', "input": 1}
