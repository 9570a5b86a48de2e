"""The promises of a job (DESIGN §6), checked of a history: what was broken, and how. Pure.

What the promises allow under faults is stated here, each once:

- A good input may end `attempts_exhausted` where three of its workers were killed or stopped while it lived, `crashed`
  where its runner was killed, and `timeout` where a process was stopped: the system cannot tell our fault from the
  input's.
- predict() may be given one input again as often as a bisect needs (`repeats` times in each of the at most three
  charged starts), and once more for each kill of a runner.
- What a stopped process had in hand happens when it goes on: starts after a deadline or a cancel may be late by the
  time that workers and runners were stopped, and by `SLACK`. A bisect's further runs of a start are no starts.

    python -m tests.faults.checker FILE
"""

import pathlib
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.faults import history, lives, models

MOST_STARTS: Final = 3
SLACK: Final = 1.0
"""Seconds between a claim and the start of its batch behind the one that runs, and between two processes' clocks."""

GUILT: Final = {"raise": "predict_error", "exit": "crashed", "hang": "timeout"}
"""How each kind of poison ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A promise that was not kept."""

    promise: str
    ref: str
    what: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.ref}: {self.what}"


Found = Iterator[tuple[str, str]]
"""Jobs and what is wrong with them."""


def check(events: Iterable[history.Event], *, repeats: int = 1) -> list[Violation]:
    """Every promise that the history breaks.

    `repeats`: how often predict() is given an input in one start at most.
    """
    book = lives.of(events)
    found = []
    for promise, rule in RULES.items():
        found += [Violation(promise=promise, ref=ref, what=what) for ref, what in rule(book)]
    found += [Violation(promise="run", ref=ref, what=what) for ref, what in _run(book, repeats)]
    return found


def _accept(book: lives.Book) -> Found:
    """Every job that was accepted ended."""
    for ref, life in book.lives.items():
        if life.accepted and life.end is None:
            last = life.seen[-1].status if life.seen else "never seen"
            yield ref, f"was accepted and never ended: {last}"


def _end(book: lives.Book) -> Found:
    """The first terminal state stands, in status, time, error and output."""
    for ref, life in book.lives.items():
        ends = life.ends
        if not ends:
            continue
        first = ends[0]
        for later in ends[1:]:
            if (later.status, later.completed, later.error) != (first.status, first.completed, first.error):
                yield ref, f"ended as {_told(first)} and was {_told(later)} later"
                break
        outputs = [one.output for one in ends if one.whole]
        if any(one != outputs[0] for one in outputs):
            yield ref, f"its output changed: {outputs}"
        reopened = next((one for one in life.seen if one.status not in lives.TERMINAL and one.asked > first.at), None)
        if reopened is not None:
            yield ref, f"had ended and was {reopened.status} later"


def _swapped(book: lives.Book) -> Found:
    """An output is that of this very job's input."""
    for ref, life in book.lives.items():
        end = life.end
        if end is None or end.status != "succeeded" or not end.whole:
            continue
        found = end.output.get("y") if isinstance(end.output, dict) else None
        if found != models.answer(life.submitted.n):
            yield ref, f"was answered {end.output!r} for {life.submitted.n}"


def _neighbours(book: lives.Book) -> Found:
    """A good input succeeds whatever comes beside it, and a bad one fails with its own error."""
    for ref, life in book.lives.items():
        end = life.end
        if end is None or end.status in {"canceled", "expired"}:
            continue
        guilt = GUILT.get(life.submitted.do)
        if guilt is not None and end.status == "succeeded":
            yield ref, f"succeeded, and its input makes predict() {life.submitted.do}"
        if end.status == "failed" and end.error != guilt and not _excused(book, life, end.error):
            yield ref, f"failed with {end.error}, and its input does {life.submitted.do}"


def _excused(book: lives.Book, life: lives.Life, error: str | None) -> bool:
    """Whether our own faults explain that error."""
    match error:
        case "attempts_exhausted":
            lost = book.faults_in(life, "kill", "worker") + book.faults_in(life, "stop", "worker")
            return lost + book.faults_in(life, "kill", "runner") >= MOST_STARTS
        case "crashed":
            return book.faults_in(life, "kill", "runner") > 0
        case "timeout":
            return book.faults_in(life, "stop", "runner", "worker") > 0
    return False


def _deadline(book: lives.Book) -> Found:
    """Nothing starts after its deadline, and only a job that has one expires."""
    late = SLACK + book.stood_still
    for ref, life in book.lives.items():
        deadline, end = life.submitted.deadline, life.end
        if (
            end is not None
            and end.status == "expired"
            and (deadline is None or (end.completed or 0) < deadline - 0.002)
        ):
            yield ref, f"expired at {end.completed} with the deadline {deadline}"
        if deadline is None:
            continue
        first = {line.worker: line for line in reversed(_starts_of(book, life))}
        for line in first.values():
            if line.at > deadline + late:
                yield ref, f"started {line.at - deadline:.3f} s after its deadline"


def _cancel(book: lives.Book) -> Found:
    """What a client was told is canceled does not start after that, and stays canceled."""
    late = SLACK + book.stood_still
    for ref, life in book.lives.items():
        told = next((one for one in life.cancels if one.status == "canceled"), None)
        if told is None:
            continue
        if life.end is not None and life.end.status != "canceled":
            yield ref, f"was told to be canceled and ended as {life.end.status}"
        began = life.end.started if life.end is not None else None
        for line in _starts_of(book, life):
            if line.at > told.at + (late if began is not None else 0.0):
                yield ref, f"started {line.at - told.at:.3f} s after it was told to be canceled"


def _starts_of(book: lives.Book, life: lives.Life) -> list[history.Started]:
    """Lines of predict's log that are surely this job's."""
    return book.starts[life.submitted.n] if len(book.sharing[life.submitted.n]) == 1 else []


def _run(book: lives.Book, repeats: int) -> Found:
    """At most three charged starts, counted by predict's own log; and no answer without one."""
    for n, sharing in book.sharing.items():
        lines, most = len(book.starts[n]), 0
        ends = [life.end for life in sharing if life.end is not None]
        for life in sharing:
            attempt = life.end.attempt if life.end is not None else MOST_STARTS
            if attempt > MOST_STARTS:
                yield life.submitted.ref, f"was charged {attempt} starts"
            most += min(max(attempt, 1), MOST_STARTS) * repeats + book.faults_in(life, "kill", "runner")
        if lines > most:
            yield sharing[0].submitted.ref, f"predict() was given {n} {lines} times, {most} at most are allowed"
        ran = sum(end.status == "succeeded" and not end.cached for end in ends)
        if ran and not lines:
            yield sharing[0].submitted.ref, f"succeeded, and predict() was never given {n}"


def _fence(book: lives.Book) -> Found:
    """The answer of a worker that was taken for lost does not stand once another had started its job.

    Known from outside: a worker stood still, another's predict() began meanwhile, and the first one's did not begin
    again after it went on; then the first one's claim is void.
    """
    stops = [one for one in book.faults if one.what == "stop" and one.whom == "worker"]
    for ref, life in book.lives.items():
        end, lines = life.end, _starts_of(book, life)
        if end is None or end.status not in {"succeeded", "failed"} or len({line.worker for line in lines}) < 2:
            continue
        for stop in stops:
            own = [line for line in lines if line.worker == stop.worker]
            taken = [line for line in lines if line.worker != stop.worker and stop.at < line.at < stop.until]
            if not own or not taken or own[-1].at > stop.at:
                continue
            by = end.output.get("by") if isinstance(end.output, dict) else None
            if end.status == "failed" and end.error not in {None, GUILT.get(life.submitted.do)}:
                yield ref, f"failed with {end.error} although its second start was on its way"
            elif by is not None and by in {line.runner for line in own}:
                yield ref, f"was answered by {stop.worker}, which had been taken for lost"


def _commit(book: lives.Book) -> Found:
    """No committed offset was past a job that had not ended; in the end nothing is left."""
    held: dict[tuple[str, int], deque[tuple[int, str, lives.Life]]] = {}
    for ref, life in book.lives.items():
        for place in life.places:
            held.setdefault((place.topic, place.partition), deque()).append((place.offset, ref, life))
    for where, records in held.items():
        held[where] = deque(sorted(records, key=lambda one: one[:2]))
    for commit in sorted(book.commits, key=lambda one: one.at):
        records = held.get((commit.topic, commit.partition), deque())
        while records and records[0][0] < commit.offset:  # the first commit past a record is the one that counts
            offset, ref, life = records.popleft()
            end = life.end
            if end is None or end.completed is None or end.completed > commit.at:
                yield ref, f"its record {offset} was committed over ({commit.offset}) before it ended"
    if book.settled is not None and book.settled.lag:
        yield "-", f"{book.settled.lag} records were left when everything should have ended"


def _version(book: lives.Book) -> Found:
    """One version for all starts of a job: its pin, or what was live at its first claim; and it says so."""
    for ref, life in book.lives.items():
        end = life.end
        if end is None:
            continue
        pin = life.submitted.version
        if pin is not None and end.version not in {None, pin}:
            yield ref, f"was pinned to version {pin} and has version {end.version}"
        if end.status == "succeeded" and isinstance(end.output, dict) and end.output.get("v") != end.version:
            yield ref, f"says version {end.version}, and version {end.output.get('v')} answered"
        ran = {line.version for line in _starts_of(book, life)}
        if len(ran) > 1 or (ran and end.version is not None and ran != {end.version}):
            yield ref, f"ran on versions {sorted(ran)} and says {end.version}"


def _cache(book: lives.Book) -> Found:
    """An answer out of the cache is that of an earlier run of the same input on the same version."""
    for ref, life in book.lives.items():
        end = life.end
        if end is None or not end.cached or end.completed is None:
            continue
        lines = book.starts[life.submitted.n]
        if not any(line.version == end.version and line.at <= end.completed for line in lines):
            yield ref, f"was answered from the cache, and version {end.version} never ran {life.submitted.n} before"


def _push(book: lives.Book) -> Found:
    """A webhook comes at least once, with one id a job, and tells the end as it is."""
    for ref, life in book.lives.items():
        end = life.end
        if not life.submitted.webhook or end is None or not life.accepted:
            continue
        if not life.calls:
            yield ref, "ended, and its webhook never came"
        elif len({call.id for call in life.calls}) > 1:
            yield ref, f"its webhook came under several ids: {sorted({call.id for call in life.calls})}"
        elif any(call.status != end.status for call in life.calls):
            yield ref, f"ended as {end.status}, and its webhook said {life.calls[0].status}"


RULES: Final[dict[str, Callable[[lives.Book], Found]]] = {
    "accept": _accept,
    "end": _end,
    "swapped": _swapped,
    "neighbours": _neighbours,
    "deadline": _deadline,
    "cancel": _cancel,
    "commit": _commit,
    "fence": _fence,
    "version": _version,
    "cache": _cache,
    "push": _push,
}
"""Promises that need nothing but the history."""


def _told(one: history.Observed) -> str:
    return f"{one.status} ({one.error}) at {one.completed}"


def main(path: str) -> int:
    """Check a history that was written to a file; 1 where a promise was broken."""
    found = check(history.read(pathlib.Path(path)), repeats=models.REPEATS)
    for violation in found:
        print(violation)
    print(dict(Counter(violation.promise for violation in found)) or "every promise was kept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
