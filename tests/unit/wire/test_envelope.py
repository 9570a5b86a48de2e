"""The codec of records, whatever comes."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import envelope, names

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
IDS = st.from_regex(names.CLIENT_JOB_ID, fullmatch=True)
JSON_VALUES = VALUES.filter(lambda value: "Infinity" not in json.dumps(value))
ENVELOPES = st.fixed_dictionaries(
    {"input": JSON_VALUES},
    optional={
        "id": IDS,
        "version": st.integers(1, 10**6),
        "deadline": st.integers(0, 2**53),
        "timeout": st.floats(0.001, 1e6),
        "metadata": st.dictionaries(st.text(max_size=5), st.integers(-5, 5), max_size=3),
        "traceparent": st.text(max_size=60),
    },
)


def job(found: list[envelope.Envelope | envelope.Invalid], place: int = 0) -> envelope.Envelope:
    one = found[place]
    assert isinstance(one, envelope.Envelope), one
    return one


def invalid(found: list[envelope.Envelope | envelope.Invalid], place: int = 0) -> envelope.Invalid:
    one = found[place]
    assert isinstance(one, envelope.Invalid), one
    return one


def input_of(one: envelope.Envelope) -> Any:
    value = msgspec.msgpack.decode(one.input)
    return json.loads(bytes(value.data)) if isinstance(value, msgspec.msgpack.Ext) else value


@given(ENVELOPES)
def test_a_job_reads_the_same_from_msgpack_and_from_json(fields: dict[str, Any]) -> None:
    # When the same envelope comes in both codings
    from_msgpack = job(envelope.decode_record(msgspec.msgpack.encode(fields)))
    from_json = job(envelope.decode_record(json.dumps(fields).encode()))
    # Then every field is the same, and the input is the value that was sent
    for name in fields.keys() - {"input"}:
        assert getattr(from_msgpack, name) == getattr(from_json, name) == fields[name]
    assert input_of(from_msgpack) == input_of(from_json) == fields["input"]


@given(st.lists(ENVELOPES, min_size=1, max_size=20))
def test_a_list_keeps_its_jobs_in_order(many: list[dict[str, Any]]) -> None:
    for value in (msgspec.msgpack.encode(many), json.dumps(many).encode(), b"\n " + json.dumps(many).encode()):
        found = envelope.decode_record(value)
        assert [input_of(job(found, place)) for place in range(len(many))] == [one["input"] for one in many]


@pytest.mark.parametrize("count", [1, 2, 15, 16, 300, 10_000])
def test_a_records_jobs_are_counted_without_reading_them(count: int) -> None:
    jobs = [{"input": n} for n in range(count)]
    assert envelope.jobs_in(msgspec.msgpack.encode(jobs)) == count
    assert envelope.jobs_in(envelope.join_record([msgspec.msgpack.encode(job) for job in jobs])) == count
    assert envelope.jobs_in(json.dumps(jobs).encode()) == count
    assert envelope.jobs_in(b"\xdd%b" % count.to_bytes(4, "big")) == count


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"\x90", b"[]", b"\xdd", msgspec.msgpack.encode({"input": 1}), b"?"]
)
def test_what_is_no_list_of_jobs_counts_as_one(value: bytes | None) -> None:
    assert envelope.jobs_in(value) == 1


def test_a_record_that_claims_too_many_counts_as_full() -> None:
    assert envelope.jobs_in(b"\xdd\xff\xff\xff\xff") == envelope.MAX_JOBS_A_RECORD


@given(st.lists(st.binary(max_size=70_000) | JSON_VALUES, min_size=1, max_size=3), IDS)
def test_what_ingest_writes_is_what_a_worker_reads(inputs: list[Any], job_id: str) -> None:
    # Given envelopes with raw and with JSON inputs, joined to one record
    wrapped = [
        envelope.value_input(one) if isinstance(one, bytes) else envelope.json_input(json.dumps(one).encode())
        for one in inputs
    ]
    contents = [envelope.encode(envelope.Envelope(id=job_id, input=one)) for one in wrapped]
    # When the record is read
    found = envelope.decode_record(envelope.join_record(contents))
    # Then each is what it was
    assert [(job(found, i).id, input_of(job(found, i))) for i in range(len(inputs))] == [(job_id, x) for x in inputs]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(value: bytes) -> None:
    found = envelope.decode_record(value)
    assert found
    assert all(isinstance(one, (envelope.Envelope, envelope.Invalid)) for one in found)


@given(st.binary(max_size=60), ENVELOPES)
def test_a_broken_tail_or_head_never_raises(noise: bytes, fields: dict[str, Any]) -> None:
    good = msgspec.msgpack.encode(fields)
    for value in (noise + good, good + noise, good[: len(good) // 2] + noise):
        assert envelope.decode_record(value)


@given(st.text('[]{}"\\a', max_size=300), st.integers(0, 70))
def test_depth_is_exact(text: str, limit: int) -> None:
    # Given any text; When its brackets outside strings are followed one by one
    depth, deepest, inside, escaped = 0, 0, False, False
    terminated = text.count('"') == 0
    for character in text:
        if inside:
            inside, escaped = character != '"' or escaped, character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth, deepest = depth + 1, max(deepest, depth + 1)
        elif character in "]}":
            depth -= 1
    # Then the quick way says the same of every text whose strings end (JSON that was decoded before has no others)
    if terminated or not inside:
        try:
            json.loads(text)
        except ValueError:
            return
        assert envelope.depth_exceeds(text.encode(), limit) == (deepest > limit)


@pytest.mark.parametrize(
    ("text", "deeper"),
    [
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'"' + b"[" * 500 + b'"', False),
        (b'"\\"' + b"[" * 500 + b'"', False),
        (b'["\\\\",' + b"[" * 64 + b"]" * 65, True),
        (b"[" + b"[]," * 500 + b"[]]", False),
        (b'{"a":' * 65 + b"1" + b"}" * 65, True),
    ],
)
def test_depth_at_its_bounds(text: bytes, deeper: bool) -> None:
    assert envelope.depth_exceeds(text) is deeper


@pytest.mark.parametrize("deep", [2_000, 100_000])
def test_nesting_too_deep_is_refused_in_either_coding(deep: int) -> None:
    # Given an input of so many nested lists, which recursive parsers die of
    as_json = b'{"id":"deep","input":' + b"[" * deep + b"]" * deep + b"}"
    as_msgpack = b"\x82\xa2id\xa4deep\xa5input" + b"\x91" * deep + b"\xc0"
    # Then both are invalid, and never an error
    for value in (as_json, as_msgpack):
        found = invalid(envelope.decode_record(value))
        assert "deep" in found.message


def test_a_list_of_jobs_with_a_deep_one_keeps_the_others() -> None:
    deep = b'{"id":"deep","input":' + b"[" * 65 + b"]" * 65 + b"}"
    found = envelope.decode_record(b'[{"input":1},' + deep + b',{"input":3}]')
    assert [input_of(job(found, place)) for place in (0, 2)] == [1, 3]
    assert invalid(found, 1).id == "deep"


def test_an_id_is_read_from_what_is_no_job() -> None:
    for value in (b'{"id":"mine","input":1,"version":"x"}', msgspec.msgpack.encode({"id": "mine", "version": 1})):
        assert invalid(envelope.decode_record(value)).id == "mine"
    for value in (b'{"id":"not legal!","version":1}', b'{"id":7}', b"{", b"\xff\xfe", b"\x81"):
        assert invalid(envelope.decode_record(value)).id is None


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value_is_one_invalid_job(value: bytes | None) -> None:
    assert "no value" in invalid(envelope.decode_record(value)).message


def test_more_jobs_than_a_record_may_hold_are_one_invalid_job() -> None:
    many = [{"input": 1}] * (envelope.MAX_JOBS_A_RECORD + 1)
    for value in (msgspec.msgpack.encode(many), json.dumps(many).encode()):
        found = envelope.decode_record(value)
        assert len(found) == 1
        assert "more than 10000" in invalid(found).message
    assert len(envelope.decode_record(msgspec.msgpack.encode(many[1:]))) == envelope.MAX_JOBS_A_RECORD


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_json_has_no_such_numbers(number: str) -> None:
    invalid(envelope.decode_record(b'{"input":[%b]}' % number.encode()))


def test_msgpack_carries_them_to_the_model() -> None:
    found = job(envelope.decode_record(msgspec.msgpack.encode({"input": math.inf})))
    assert input_of(found) == math.inf


@pytest.mark.parametrize("size", [0, 1, 253, 254, 255, 256, 65_534, 65_535, 65_536, 200_000])
def test_json_text_of_every_length_is_wrapped_right(size: int) -> None:
    text = b'"' + b"x" * max(size - 2, 0) + b'"'
    found = msgspec.msgpack.decode(envelope.json_input(text))
    assert isinstance(found, msgspec.msgpack.Ext)
    assert (found.code, bytes(found.data)) == (envelope.JSON_TEXT, text)
