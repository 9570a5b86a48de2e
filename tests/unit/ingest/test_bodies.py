"""The body of a POST: read strictly, checked against the model's input type, its JSON text kept as it came."""

import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import bodies, errors
from wire import envelope, jobs

KINDS = jobs.InputType


def opaque(text: str | bytes, kind: KINDS) -> Any:
    """What the runner will see of an input."""
    raw = text.encode() if isinstance(text, str) else text
    value = msgspec.msgpack.decode(bodies.opaque_input(msgspec.Raw(raw), kind))
    return bytes(value.data) if isinstance(value, msgspec.msgpack.Ext) else value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (KINDS.JSON, '{"a": [1, null, "x"]}'),
        (KINDS.JSON, "null"),
        (KINDS.JSON, "[" * 64 + "]" * 64),
        (KINDS.STRINGS, '"gr\\u00fc\\u00dfe"'),
        (KINDS.INTS, "[1, -2147483648, 2147483647]"),
        (KINDS.INTS, "[[1, 2], [3, 4]]"),
        (KINDS.INTS, "[]"),
        (KINDS.FLOATS, "[5.1, 3, -1e3]"),
        (KINDS.DOUBLES, "[[0.1], [2]]"),
    ],
)
def test_an_input_keeps_its_own_text(kind: KINDS, text: str) -> None:
    assert opaque(text, kind) == text.encode()


def test_base64_becomes_raw_bytes() -> None:
    assert opaque('"aGVsbG8="', KINDS.BYTES) == b"hello"


@pytest.mark.parametrize(
    ("kind", "text", "word"),
    [
        (KINDS.BYTES, '"not base64!"', "base64"),
        (KINDS.BYTES, "[1]", "base64"),
        (KINDS.STRINGS, "7", "a string"),
        (KINDS.INTS, "[1.5]", "whole numbers"),
        (KINDS.INTS, "[true]", "whole numbers"),
        (KINDS.INTS, "[[1], [true]]", "whole numbers"),
        (KINDS.INTS, "[2147483648]", "2147483647"),
        (KINDS.INTS, "[[2147483648]]", "2147483647"),
        (KINDS.INTS, "7", "whole numbers"),
        (KINDS.FLOATS, "5.1", "list of numbers"),
        (KINDS.FLOATS, '"5.1"', "list of numbers"),
        (KINDS.FLOATS, '["5.1"]', "list of numbers"),
        (KINDS.FLOATS, "[null]", "list of numbers"),
        (KINDS.DOUBLES, '{"a": [1]}', "list of numbers"),
        (KINDS.DOUBLES, '[["x"], [1]]', "list of numbers"),
        (KINDS.JSON, "[" * 65 + "]" * 65, "deeper than 64"),
        (KINDS.FLOATS, "[" * 2000 + "]" * 2000, "deep"),
        (KINDS.INTS, "[[" + "1," * 100_000 + "1]", "whole numbers"),
        (KINDS.JSON, "", '"input"'),
    ],
)
def test_an_input_of_the_wrong_type_is_refused_in_words(kind: KINDS, text: str, word: str) -> None:
    with pytest.raises(errors.InvalidJob) as caught:
        bodies.opaque_input(msgspec.Raw(text.encode()), kind)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.recursive(st.integers(-(2**31), 2**31 - 1), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_nested_whole_numbers_pass_as_ints_and_as_floats(value: Any) -> None:
    text = json.dumps(value)
    for kind in (KINDS.INTS, KINDS.FLOATS, KINDS.DOUBLES):
        if isinstance(value, list):
            assert opaque(text, kind) == text.encode()
        else:
            with pytest.raises(errors.InvalidJob):
                opaque(text, kind)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"input": "\xff"}',
        b'{"input": NaN}',
        b'{"input": Infinity}',
        b'{"input": 1, "inputs": 2}',
        b'{"input": 1, "version": 0}',
        b'{"input": 1, "version": "1"}',
        b'{"input": 1, "timeout": 0}',
        b'{"input": 1, "timeout": 1e9}',
        b'{"input": 1, "metadata": []}',
        b'{"input": 1, "webhook": ""}',
        b'{"input": 1, "webhook_events": ["done"]}',
        b'{"input": ' + b"[" * 100_000 + b"}",
    ],
)
def test_a_body_that_is_no_job_is_refused_in_words(raw: bytes) -> None:
    with pytest.raises(errors.InvalidJob) as caught:
        bodies.parse(raw)
    assert str(caught.value)


def test_every_field_is_read() -> None:
    body = bodies.parse(
        b'{"input": [1], "id": "j_x", "version": 2, "timeout": 1.5, "deadline": 1.7e9, "metadata": {"a": 1},'
        b' "webhook": "https://x", "webhook_events": ["failed"], "reply_to": "t", "cache": false}'
    )
    assert (bytes(body.input), body.id, body.version, body.timeout) == (b"[1]", "j_x", 2, 1.5)
    assert body.webhook_events == [jobs.Status.FAILED]
    assert (body.deadline, body.metadata, body.webhook, body.reply_to, body.cache) == (
        1.7e9,
        {"a": 1},
        "https://x",
        "t",
        False,
    )


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [
        (None, None),
        (1_700_000_000.5, 1_700_000_000_500),
        (dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC), 1_700_000_000_000),
        (dt.datetime(2023, 11, 14, 22, 13, 20), 1_700_000_000_000),  # noqa: DTZ001  what a client without a zone means
        (dt.datetime(2023, 11, 14, 23, 13, 20, tzinfo=dt.timezone(dt.timedelta(hours=1))), 1_700_000_000_000),
    ],
)
def test_deadlines(deadline: dt.datetime | float | None, expected: int | None) -> None:
    assert bodies.deadline_ms(deadline) == expected


@pytest.mark.parametrize("deadline", [-1.0, 0.0, 1e12, float("inf")])
def test_deadlines_that_are_no_times(deadline: float) -> None:
    with pytest.raises(errors.InvalidJob, match="deadline"):
        bodies.deadline_ms(deadline)


def test_a_deadline_at_the_end_of_the_calendar_is_a_time() -> None:
    assert bodies.deadline_ms(bodies.parse(b'{"input":1,"deadline":"9999-12-31T23:59:59+00:00"}').deadline)
    assert bodies.deadline_ms(bodies.parse(b'{"input":1,"deadline":"0001-01-01T00:00:00+14:00"}').deadline) is not None


def test_every_type_is_said_in_words() -> None:
    assert set(bodies.EXPECTED) == set(jobs.InputType)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_body_or_refused(raw: bytes) -> None:
    try:
        body = bodies.parse(raw)
        for kind in KINDS:
            try:
                found = bodies.opaque_input(body.input, kind)
            except errors.InvalidJob:
                continue
            assert envelope.decode_record(envelope.encode(envelope.Envelope(input=found)))
    except errors.InvalidJob:
        pass
