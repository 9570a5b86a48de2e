"""The events of a history, joined into the life of each job. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults import history
from wire import jobs

TERMINAL = frozenset(status.value for status in jobs.TERMINAL)


@dataclass(kw_only=True, slots=True)
class Life:
    """All that was seen of one job."""

    submitted: history.Submitted
    """The first time that it was sent."""
    answers: list[history.Answered] = field(default_factory=list)
    seen: list[history.Observed] = field(default_factory=list)
    """In the order of the answers."""
    cancels: list[history.Canceled] = field(default_factory=list)
    places: list[history.Placed] = field(default_factory=list)
    calls: list[history.Called] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether a client was told so."""
        return any(answer.code in {200, 202} for answer in self.answers)

    @property
    def ends(self) -> list[history.Observed]:
        """Every time that it was seen ended."""
        return [one for one in self.seen if one.status in TERMINAL]

    @property
    def end(self) -> history.Observed | None:
        """How it ended, as first seen: with its output where that was shown at all."""
        ends = self.ends
        return next((one for one in ends if one.whole), ends[0] if ends else None)


@dataclass(kw_only=True, slots=True)
class Book:
    """A whole history, joined."""

    lives: dict[str, Life]
    starts: dict[int, list[history.Started]]
    """By input, in the order of time."""
    sharing: dict[int, list[Life]]
    """Jobs by input."""
    faults: list[history.Fault]
    commits: list[history.Committed]
    settled: history.Settled | None

    @property
    def stood_still(self) -> float:
        """Seconds that workers and runners were stopped in all: what one had in hand happens so much later at most."""
        return sum(one.until - one.at for one in self.faults if one.what == "stop" and one.whom in {"worker", "runner"})

    def faults_in(self, life: Life, what: str, *whom: str) -> int:
        """How many such faults came while the job lived."""
        end = life.end
        until = end.completed if end is not None and end.completed is not None else float("inf")
        return sum(
            one.what == what and one.whom in whom and one.at <= until and one.until >= life.submitted.at
            for one in self.faults
        )


def of(events: Iterable[history.Event]) -> Book:
    """Join a history. An event of a job that nobody sent is an error of the test."""
    book = Book(lives={}, starts=defaultdict(list), sharing=defaultdict(list), faults=[], commits=[], settled=None)
    everything = list(events)
    for event in everything:
        if isinstance(event, history.Submitted) and event.ref not in book.lives:
            book.lives[event.ref] = life = Life(submitted=event)
            book.sharing[event.n].append(life)
    for event in everything:
        _write(book, event)
    for life in book.lives.values():
        life.seen.sort(key=lambda one: one.at)
    for lines in book.starts.values():
        lines.sort(key=lambda one: one.at)
    return book


def _write(book: Book, event: history.Event) -> None:
    match event:
        case history.Answered() | history.Observed() | history.Canceled() | history.Placed() | history.Called():
            _write_of_job(book.lives[event.ref], event)
        case history.Started():
            book.starts[event.n].append(event)
        case history.Fault():
            book.faults.append(event)
        case history.Committed():
            book.commits.append(event)
        case history.Settled():
            book.settled = event


def _write_of_job(life: Life, event: history.Event) -> None:
    match event:
        case history.Answered():
            life.answers.append(event)
        case history.Observed():
            life.seen.append(event)
        case history.Canceled():
            life.cancels.append(event)
        case history.Placed():
            life.places.append(event)
        case history.Called():
            life.calls.append(event)
