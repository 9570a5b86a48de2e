"""The checker itself: for each way to break a promise a history written by hand that must be found, and good ones."""

import pathlib
from typing import Any, Final

import msgspec
import pytest

from tests.faults import checker, history, models

T = 1_000_000.0
GOOD_OUTPUT = {"y": models.answer(7), "v": 1, "by": "r1"}


def submitted(**more: Any) -> history.Submitted:
    words: dict[str, Any] = {"at": T, "ref": "a", "n": 7, "way": "post"}
    return history.Submitted(**words | more)


def accepted(code: int = 202) -> history.Answered:
    return history.Answered(at=T + 0.1, ref="a", code=code)


def seen(status: str = "succeeded", at: float = T + 2, **more: Any) -> history.Observed:
    words: dict[str, Any] = {"asked": at - 0.1, "at": at, "ref": "a", "status": status}
    if status != "queued":
        words |= {"completed": T + 1.5, "attempt": 1, "version": 1, "started": T + 1}
    if status == "succeeded":
        words["output"] = GOOD_OUTPUT
    return history.Observed(**words | more)


def line(at: float = T + 1, **more: Any) -> history.Started:
    words: dict[str, Any] = {"at": at, "n": 7, "runner": "r1", "worker": "w1", "version": 1}
    return history.Started(**words | more)


def fault(what: str = "kill", whom: str = "worker", at: float = T + 1, until: float | None = None) -> history.Fault:
    return history.Fault(at=at, until=until or at, what=what, whom=whom, worker="w1")


def canceled(status: str = "canceled") -> history.Canceled:
    return history.Canceled(asked=T + 0.4, at=T + 0.5, ref="a", status=status)


PLACE = history.Placed(ref="a", topic="t", partition=0, offset=10)


def committed(at: float, offset: int) -> history.Committed:
    return history.Committed(at=at, topic="t", partition=0, offset=offset, end=20)


GOOD: Final[list[history.Event]] = [submitted(), accepted(), line(), seen()]
STOPPED: Final[list[history.Event]] = [fault("stop", at=T + 1.1, until=T + 10)]
TAKEN_OVER: Final[list[history.Event]] = [
    submitted(),
    accepted(),
    line(),
    line(T + 9, runner="r2", worker="w2"),
    *STOPPED,
]

BROKEN: dict[str, tuple[str, list[history.Event]]] = {
    "an accepted job never ends": ("accept", [submitted(), accepted(), seen("queued")]),
    "an accepted job is never seen at all": ("accept", [submitted(), accepted()]),
    "an end changes its status": ("end", [*GOOD, seen("failed", T + 3, error="timeout")]),
    "an end changes its time": ("end", [*GOOD, seen(at=T + 3, completed=T + 2.9)]),
    "an end changes its output": ("end", [*GOOD, seen(at=T + 3, output=GOOD_OUTPUT | {"by": "r2"})]),
    "an ended job runs again": ("end", [*GOOD, seen("running", T + 3)]),
    "an ended job is queued again": ("end", [*GOOD, seen("queued", T + 3)]),
    "predict is given an input too often": ("run", [*GOOD, line(T + 1.1)]),
    "a fourth start is charged": ("run", [submitted(), accepted(), line(), seen(attempt=4)]),
    "an answer comes without a run": ("run", [submitted(), accepted(), seen()]),
    "a worker taken for lost answers": ("fence", [*TAKEN_OVER, seen(at=T + 11)]),
    "a worker taken for lost fails its job": (
        "fence",
        [*TAKEN_OVER, seen("failed", T + 11, error="timeout", completed=T + 10.1)],
    ),
    "an answer is another job's": ("swapped", [submitted(), accepted(), line(), seen(output={"y": 1, "v": 1})]),
    "an answer is nothing of the model's": ("swapped", [submitted(), accepted(), line(), seen(output=None)]),
    "a good input fails beside a bad one": (
        "neighbours",
        [submitted(), accepted(), line(), seen("failed", error="predict_error")],
    ),
    "a good input is exhausted without lost workers": (
        "neighbours",
        [submitted(), accepted(), line(), fault(), seen("failed", error="attempts_exhausted")],
    ),
    "a good input crashes though nobody killed its runner": (
        "neighbours",
        [submitted(), accepted(), line(), fault(), seen("failed", error="crashed")],
    ),
    "a bad input fails with another's error": (
        "neighbours",
        [submitted(do="raise"), accepted(), line(), seen("failed", error="crashed")],
    ),
    "a bad input succeeds": ("neighbours", [submitted(do="exit"), accepted(), line(), seen()]),
    "a job starts after its deadline": ("deadline", [submitted(deadline=T - 2), accepted(), line(), seen()]),
    "a job without a deadline expires": ("deadline", [submitted(), accepted(), seen("expired")]),
    "a job expires before its deadline": ("deadline", [submitted(deadline=T + 60), accepted(), seen("expired")]),
    "a canceled job starts": (
        "cancel",
        [submitted(), accepted(), canceled(), line(), seen("canceled", started=None)],
    ),
    "a canceled job is answered": ("cancel", [submitted(), accepted(), canceled(), line(), seen()]),
    "an offset is committed past an unfinished job": ("commit", [*GOOD, PLACE, committed(T + 1.2, 11)]),
    "an offset is committed past a gap": ("commit", [*GOOD, PLACE, committed(T + 1, 10), committed(T + 1.2, 13)]),
    "an offset is committed past a lost job": ("commit", [submitted(), PLACE, committed(T + 3, 11)]),
    "records are left": ("commit", [*GOOD, history.Settled(at=T + 9, lag=1)]),
    "a job says another version than answered": ("version", [submitted(), accepted(), line(), seen(version=2)]),
    "a job changes its version": (
        "version",
        [submitted(), accepted(), line(), line(T + 1.1, version=2), fault("kill", "runner"), seen(attempt=2)],
    ),
    "a pin is not kept": ("version", [submitted(version=2), accepted(), line(), seen()]),
    "the cache answers for another version": (
        "cache",
        [submitted(), accepted(), line(version=2), seen(cached=True)],
    ),
    "the cache answers before anything ran": ("cache", [submitted(), accepted(), line(T + 1.9), seen(cached=True)]),
    "a webhook never comes": ("push", [submitted(webhook=True), accepted(), line(), seen()]),
    "a webhook comes under two ids": (
        "push",
        [
            *[submitted(webhook=True), accepted(), line(), seen()],
            *[history.Called(at=T + 3, ref="a", id=one, status="succeeded") for one in ("m1", "m2")],
        ],
    ),
    "a webhook tells another end": (
        "push",
        [
            *[submitted(webhook=True), accepted(), line(), seen()],
            history.Called(at=T + 3, ref="a", id="m1", status="failed"),
        ],
    ),
}

KEPT: dict[str, list[history.Event]] = {
    "nothing": [],
    "a plain job": [*GOOD, PLACE, committed(T + 1, 10), committed(T + 2, 11), history.Settled(at=T + 9, lag=0)],
    "a job that was refused": [submitted(), accepted(503)],
    "a job that was refused and ran": [submitted(), accepted(503), line(), seen()],
    "an answer read twice, once without its output": [*GOOD, seen(at=T + 3, output=None, whole=False)],
    "an answer that was asked for before the end": [*GOOD, seen("running", T + 2.05, asked=T + 1.2)],
    "bad inputs": [submitted(do="hang"), accepted(), line(), seen("failed", error="timeout")],
    "a job whose worker was lost": [submitted(), accepted(), line(), fault(), line(T + 9), seen(attempt=2)],
    "a job whose three workers were lost": [
        *[submitted(), accepted(), line(), line(), line()],
        *[fault(at=T + part) for part in (1.1, 1.2, 1.3)],
        seen("failed", error="attempts_exhausted", attempt=3),
    ],
    "a job alone in a runner that was killed": [
        *[submitted(), accepted(), line(), fault("kill", "runner"), seen("failed", error="crashed")],
    ],
    "a job beside others in a runner that was killed": [*GOOD, fault("kill", "runner"), line(T + 1.2)],
    "a job taken over": [
        *TAKEN_OVER,
        seen(at=T + 11, completed=T + 9.5, attempt=2, output=GOOD_OUTPUT | {"by": "r2"}),
    ],
    "a job taken over and back": [*TAKEN_OVER, line(T + 12), seen(at=T + 14, completed=T + 13, attempt=3)],
    "a job that expired": [submitted(deadline=T + 1), accepted(), seen("expired", error=None)],
    "a job canceled while queued": [submitted(), accepted(), canceled(), seen("canceled", started=None)],
    "a job canceled while running": [submitted(), accepted(), line(), canceled("running"), seen("canceled")],
    "a job that ended before its cancel": [*GOOD, canceled("succeeded")],
    "an answer from the cache": [*GOOD, submitted(ref="b"), seen(ref="b", cached=True)],
    "a webhook that came twice": [
        *[submitted(webhook=True), accepted(), line(), seen()],
        *[history.Called(at=T + part, ref="a", id="m1", status="succeeded") for part in (3, 4)],
    ],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_found(name: str) -> None:
    promise, events = BROKEN[name]
    assert promise in {violation.promise for violation in checker.check(events)}, name


@pytest.mark.parametrize("name", KEPT)
def test_a_history_that_keeps_every_promise_is_passed(name: str) -> None:
    assert checker.check(KEPT[name]) == []


def test_every_promise_has_a_history_that_breaks_it() -> None:
    assert {promise for promise, _ in BROKEN.values()} == {*checker.RULES, "run"}


def test_a_bisect_may_repeat_an_input_and_no_more() -> None:
    lines = [line(T + part / 10) for part in range(4)]
    assert checker.check([submitted(), accepted(), *lines, seen(at=T + 5, completed=T + 4)], repeats=4) == []
    assert checker.check([submitted(), accepted(), *lines, seen(at=T + 5, completed=T + 4)], repeats=3) != []


def test_a_history_is_the_same_after_it_was_written_and_read(tmp_path: pathlib.Path) -> None:
    kept = history.History()
    for _, events in BROKEN.values():
        kept.add(*events)
    path = tmp_path / "history.jsonl"
    kept.write(path)
    assert [*history.read(path)] == [*kept]
    assert len(path.read_bytes().splitlines()) == len(kept)
    assert msgspec.json.decode(path.read_bytes().splitlines()[0])["type"] == "Submitted"


def test_a_file_is_checked_from_the_command_line(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = history.History()
    kept.add(*BROKEN["an accepted job never ends"][1])
    kept.write(tmp_path / "broken.jsonl")
    assert checker.main(str(tmp_path / "broken.jsonl")) == 1
    assert "accept: a: was accepted and never ended: queued" in capsys.readouterr().out
