import datetime as dt
import json
from typing import Any

import pytest

from panini.client import calls, errors, exchange


class Clock:
    """Time that only moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reply(document: Any, status: int = 200) -> exchange.Reply:
    return exchange.Reply(status=status, headers={}, body=json.dumps(document).encode())


def queued() -> exchange.Reply:
    return reply({"id": "j_1", "status": "queued"})


def test_a_server_that_does_not_wait_is_asked_ever_more_slowly() -> None:
    clock = Clock()
    flow = calls.finished(calls.Options(clock=clock), "j_1", None, None)
    pauses = []

    request = next(flow)
    for _ in range(7):
        clock.now += request.pause  # answered at once, whatever wait was asked for
        pauses.append(request.pause)
        request = flow.send(queued())

    assert pauses == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0]


def test_a_server_that_waits_is_asked_again_at_once() -> None:
    clock = Clock()
    flow = calls.finished(calls.Options(clock=clock), "j_1", None, None)

    request = next(flow)
    clock.now += 20
    request = flow.send(queued())

    assert request.pause == 0.0
    assert request.query == {"wait": "20"}
    assert request.patience == 20


def test_waiting_ends_with_its_time() -> None:
    clock = Clock()
    flow = calls.finished(calls.Options(clock=clock), "j_1", None, 25)
    asked = []

    request = next(flow)
    while clock.now < 124.99:
        asked.append(request.query.get("wait"))
        clock.now += request.pause + float(request.query.get("wait", 0))
        request = flow.send(queued())
    clock.now += request.pause
    with pytest.raises(StopIteration) as stop:
        flow.send(queued())

    assert stop.value.value["status"] == "queued"
    assert asked[:2] == ["20", "5"]
    assert clock.now == pytest.approx(125, abs=0.2)


def test_a_naive_deadline_is_local_time_and_sent_as_utc() -> None:
    deadline = dt.datetime(2030, 1, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    assert json.loads(calls.body(1, {"deadline": deadline}))["deadline"] == "2030-01-01T10:00:00+00:00"


def test_a_wait_beyond_one_long_poll_takes_several() -> None:
    clock = Clock()
    flow = calls.submit(calls.Options(clock=clock), "iris", 1, {}, 45)

    request = next(flow)
    assert request.headers["Prefer"] == "wait=20"
    clock.now += 20
    request = flow.send(reply({"id": "j_1", "status": "queued"}, 202))
    assert request.query == {"wait": "20"}
    clock.now += 20
    request = flow.send(queued())

    assert request.query == {"wait": "5"}


@pytest.mark.parametrize("document", [[], {"jobs": 3}])
def test_a_list_that_is_none_is_not_understood(document: Any) -> None:
    flow = calls.models(calls.Options())
    next(flow)

    if document == []:
        with pytest.raises(StopIteration):
            flow.send(reply(document))
    else:
        with pytest.raises(errors.NotUnderstood):
            flow.send(reply(document))
