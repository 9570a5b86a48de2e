"""The record's layout is dear to change: golden values of it, and whatever goes in comes out."""

import hypothesis
import msgspec
from hypothesis import strategies as st

from results import records
from wire import jobs

HEAD = b"S10" + b"0123456789abcdef" + b"00000003" + b"1700000000000" + b"1700000000005" + b"1700086400005"
FIRST = bytes.fromhex("99cf0000018bcfe56801c094cb3ff0000000000000c0c001c0c0c2c0c0c0")
SECOND = bytes.fromhex("9acf0000018bcfe56801c094cb3ff0000000000000c0c001c0c0c2c0c0c000")
THIRD = bytes.fromhex("9acf0000018bcfe56801c095cb3ff0000000000000c0c001c0c0c0c2c0c0c000")
DETAILS = bytes.fromhex("9ccf0000018bcfe56801c095cb3ff0000000000000c0c001c0c0c0c2c0c0c000c2c0")
# the head, the details' size, the details, the output
GOLDEN_FIRST = HEAD + b"00000030" + FIRST + b'{"a":1}'
GOLDEN_SECOND = HEAD + b"00000031" + SECOND + b'{"a":1}'
GOLDEN_THIRD = HEAD + b"000000%02d" % len(THIRD) + THIRD + b'{"a":1}'
GOLDEN = HEAD + b"000000%02d" % len(DETAILS) + DETAILS + b'{"a":1}'


def test_the_layout_stays() -> None:
    details = records.Details(started_at=1_700_000_000_001, timings=records.Timings(1.0, None, None, 1))

    head = records.head(
        jobs.Status.SUCCEEDED, starts=1, token="0123456789abcdef", version=3, created_at=1_700_000_000_000,
        completed_at=1_700_000_000_005, expires_at=1_700_086_400_005,
    )  # fmt: skip
    value = head + records.body(details, b'{"a":1}')

    assert len(head) == records.HEAD
    assert value == GOLDEN
    assert records.decode(GOLDEN_FIRST) == records.decode(value), "of a release without retries"
    assert records.decode(GOLDEN_SECOND) == records.decode(value), "of a release that told no cold starts"
    assert records.decode(GOLDEN_THIRD) == records.decode(value), "of a release without a cache"
    found = records.decode(value)
    assert (found.details, found.output, found.token, found.version) == (details, b'{"a":1}', "0123456789abcdef", 3)
    assert (found.created_at, found.completed_at, found.expires_at) == (
        1_700_000_000_000, 1_700_000_000_005, 1_700_086_400_005,
    )  # fmt: skip


@hypothesis.given(
    output=st.none() | st.binary(min_size=1),
    metadata=st.none() | st.dictionaries(st.text(), st.text() | st.integers(0, 2**53) | st.none()),
    message=st.text(),
    status=st.sampled_from(list(jobs.Status)),
    numbers=st.tuples(st.integers(0, 3), st.integers(0, 99_999_999)),
)
def test_what_goes_in_comes_out(
    output: bytes | None,
    metadata: dict[str, object] | None,
    message: str,
    status: jobs.Status,
    numbers: tuple[int, int],
) -> None:
    starts, version = numbers
    details = records.Details(metadata=metadata, error=records.Error(jobs.ErrorType.TIMEOUT, message))

    head = records.head(status, starts=starts, token="f" * 16, version=version, created_at=1)
    found = records.decode(head + records.body(details, output))

    assert (found.details, found.output, found.status) == (details, output, status)
    assert (found.starts, found.version) == (starts, version or None)


def test_metadata_that_cannot_be_kept_costs_nobody_the_job() -> None:
    head = records.head(jobs.Status.RUNNING, starts=1, token="f" * 16, version=1, created_at=1)
    endless: list[object] = []
    endless.append(endless)
    for metadata in ({"number": 1 << 70}, {"endless": endless}, {"thing": object()}):
        details = records.Details(started_at=5, metadata=metadata)

        found = records.decode(head + records.body(details, b"1"))

        assert found.details == records.Details(started_at=5, metadata=None)
        assert found.output == b"1"


def test_a_message_that_is_no_unicode_is_kept_as_far_as_it_is() -> None:
    details = records.Details(error=records.Error(jobs.ErrorType.PREDICT_ERROR, "a\ud800b", "\ud800"))

    found = records.decode(GOLDEN[: records.HEAD] + records.body(details))

    assert found.details.error == records.Error(jobs.ErrorType.PREDICT_ERROR, "a?b", "?")


def test_later_fields_are_stepped_over_and_missing_ones_have_their_defaults() -> None:
    head = records.head(jobs.Status.RUNNING, starts=1, token="f" * 16, version=1, created_at=1)
    for count, fields in enumerate(
        ([5], [5, None, None, None, None, False, None, None, None, 0, False, None, "later"]), 1
    ):
        packed = msgspec.msgpack.encode(fields)

        found = records.decode(head + b"%08d" % len(packed) + packed)

        assert found.details.started_at == 5, count
        assert found.details.metadata is None


def test_a_head_alone_is_a_job_past_its_time() -> None:
    head = records.head(
        jobs.Status.FAILED, starts=1, token="f" * 16, version=1, created_at=1, completed_at=2, expires_at=3
    )

    found = records.decode(head)

    assert (found.cut, found.terminal, found.output, found.gone(0)) == (True, True, None, True)
