import json

import pytest

from panini.client import errors, logs


def lines(watch: logs.Follow, *pieces: bytes) -> list[tuple[int, str]]:
    return [(line.number, line.text) for piece in pieces for line in watch.feed(piece)]


def test_lines_come_whole_however_they_are_cut() -> None:
    stream = "event: line\nid: 1\ndata: über\n\nevent: line\r\nid: 2\r\ndata:  two\r\n\r\n: ping\n\n".encode()
    watch = logs.Follow("iris", 1)

    found = lines(watch, *(stream[at : at + 1] for at in range(len(stream))))

    assert found == [(1, "über"), (2, " two")]


def test_a_line_may_hold_what_python_calls_line_ends() -> None:
    watch = logs.Follow("iris", 1)

    assert lines(watch, "event: line\nid: 1\ndata: a\x0cb\u2028c\n\n".encode()) == [(1, "a\x0cb\u2028c")]


def test_the_state_ends_the_log() -> None:
    watch = logs.Follow("iris", 2)
    document = {"version": 2, "state": "failed", "error": "no such package", "failed_step": "environment"}

    lines(watch, b"event: state\ndata: %s\n\n" % json.dumps(document).encode())

    assert watch.ended
    assert watch.state is not None
    assert (watch.state.state, watch.state.failed_step) == ("failed", "environment")


def test_a_models_log_goes_on_after_a_state() -> None:
    watch = logs.Follow("iris", None)

    found = lines(watch, b'event: state\ndata: {"version":1,"state":"live"}\n\nid: 1\nevent: line\ndata: x\n\n')

    assert found == [(1, "x")]
    assert not watch.ended


def test_a_lost_connection_goes_on_after_the_last_line() -> None:
    watch = logs.Follow("iris", 2)
    lines(watch, b"event: line\nid: 7\ndata: x\n\nevent: line\nid: 8\ndata: ha")
    watch.lost(errors.Unreachable("gone"))

    request = watch.request()

    assert request.headers["Last-Event-ID"] == "7"
    assert request.path == "/v1/models/iris/versions/2/log"
    assert request.pause > 0
    assert lines(watch, b"event: line\nid: 8\ndata: half\n\n") == [(8, "half")]


def test_connections_that_bring_nothing_end_the_following() -> None:
    watch = logs.Follow("iris", None)
    for _ in range(logs.MOST_FAILURES):
        watch.lost(errors.Unreachable("gone"))

    with pytest.raises(errors.Unreachable, match="gone"):
        watch.lost(errors.Unreachable("gone"))


def test_a_broken_state_is_not_understood() -> None:
    watch = logs.Follow("iris", 1)

    with pytest.raises(errors.NotUnderstood):
        lines(watch, b"event: state\ndata: {\n\n")
