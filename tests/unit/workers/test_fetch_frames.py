"""Our bytes of a fetch are the library's own, and its answers are read as the library reads them."""

import io
from types import SimpleNamespace
from typing import Any

from aiokafka.protocol import fetch

from workers import fetch_frames

TOPICS = [("jobs", [(0, 5, 100), (3, 1 << 40, 100)]), ("ünicode", [(1, 0, 100)])]
NOTHING: list[Any] = []


def answer(*topics: Any) -> fetch_frames.Answer:
    """What is read of an answer that the library wrote."""
    written: bytes = fetch.FetchResponse_v11(0, 0, 0, list(topics)).encode()
    return fetch_frames.Answer.decode(io.BytesIO(written))


def partition(number: int, records: bytes | None, *, error: int = 0, aborted: Any = NOTHING) -> tuple[Any, ...]:
    """One partition's part."""
    return (number, error, 70, 69, 3, aborted, -1, records)


def test_a_request_is_the_librarys_byte_for_byte() -> None:
    theirs = fetch.FetchRequest(250, 1, 1 << 20, 1, TOPICS).prepare({1: (4, 17)})
    ours = fetch_frames.Request(TOPICS, wait_ms=250, least=1, most=1 << 20, isolation=1).prepare({})
    for request in (theirs, ours):
        assert request.API_VERSION == fetch_frames.VERSION
    assert ours.encode() == theirs.encode()
    named: dict[str, Any] = {"correlation_id": 7, "client_id": "worker"}
    assert ours.build_request_header(**named).encode() == theirs.build_request_header(**named).encode()


def test_of_an_answer_is_kept_what_has_records_or_an_error() -> None:
    found = answer(
        ("jobs", [partition(0, b""), partition(1, b"records"), partition(2, None, aborted=None)]),
        ("ünicode", [partition(0, b"", error=6), partition(3, b"more", aborted=[(9, 4), (8, 5)])]),
    ).found
    assert found == [
        fetch_frames.Found("jobs", 1, 0, [], b"records"),
        fetch_frames.Found("ünicode", 0, 6, [], b""),
        fetch_frames.Found("ünicode", 3, 0, [(9, 4), (8, 5)], b"more"),
    ]


def test_an_answer_without_topics_has_nothing() -> None:
    assert answer().found == []


def test_an_answer_is_read_from_behind_its_header() -> None:
    """The library hands its own reader on, which stands there."""
    data = io.BytesIO(b"head" + fetch.FetchResponse_v11(0, 0, 0, [("jobs", [partition(0, b"x")])]).encode())
    data.seek(4)
    assert [one.records for one in fetch_frames.Answer.decode(data).found] == [b"x"]


def test_a_broker_that_knows_other_versions_only_is_left_to_the_library() -> None:
    for versions, known in (({1: (4, 17)}, True), ({1: (0, 10)}, False), ({1: (12, 17)}, False), ({}, False)):
        assert fetch_frames.known(SimpleNamespace(_versions=versions)) is known
