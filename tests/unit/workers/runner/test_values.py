"""Inputs on their way to predict(), without a process."""

import base64
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import envelope
from workers.runner import values

KINDS = ["json", "bytes", "strings", "ints", "floats", "doubles"]


@pytest.mark.parametrize("kind", KINDS)
@given(raw=st.binary(max_size=200))
def test_no_bytes_whatever_do_more_than_be_refused(kind: str, raw: bytes) -> None:
    with contextlib.suppress(values.WrongInput):
        values.decoder(kind)(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=json_values)
def test_json_arrives_as_it_was_however_it_travels(value: Any) -> None:
    decode = values.decoder("json")
    assert decode(bytes(envelope.value_input(value))) == value
    text = msgspec.json.encode(value)
    assert decode(bytes(envelope.json_input(text))) == msgspec.json.decode(text)


@given(data=st.binary(max_size=100_000))
def test_bytes_arrive_as_they_were(data: bytes) -> None:
    decode = values.decoder("bytes")
    text = msgspec.json.encode(base64.b64encode(data).decode())
    assert decode(bytes(envelope.json_input(text))) == data
    assert decode(bytes(envelope.value_input(data))) == data


@pytest.mark.parametrize("text", [b"[1, 2]", b" \n[1, 2]", b"[1, 2]\t ", b"\r[1,2]\n"])
def test_white_space_around_json_is_none_of_it(text: bytes) -> None:
    assert values.decoder("json")(bytes(envelope.json_input(text))) == [1, 2]


@pytest.mark.parametrize("text", [b"[1, 2] 3", b"", b" ", b"[1, 2", b"[NaN]", b"nul"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(values.WrongInput):
        values.decoder("json")(bytes(envelope.json_input(text)))
