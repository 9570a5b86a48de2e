"""What happened, as seen from outside the system: an append-only list of events, and its file.

Nothing in it is what Panini says of itself to itself: clients write down what they sent and what they were answered,
the model's predict() writes its own log (tests/faults/models.py), the test notes the faults it made and the offsets
that Kafka holds. `checker.check` reads it; a run that fails keeps its file, and `python -m tests.faults.checker FILE`
checks it again.

Times are Unix seconds of the one machine that everything runs on.
"""

import functools
import operator
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True):
    """Something that happened."""


class Submitted(Event, frozen=True, kw_only=True):
    """A client sends a job, or sends it again with the id that a 503 carried."""

    at: float
    ref: str
    """The client's own name of the job, which comes back in its metadata: everything is joined by it."""
    n: int
    """Its input. Equal numbers are identical inputs: each has one of its own, unless the cache is what is tested."""
    way: str
    """`post`, `wait`, `bulk` or `kafka`."""
    do: str = "answer"
    """What predict() does with it: `answer`, `raise`, `exit`, `hang`."""
    deadline: float | None = None
    version: int | None = None
    """Its pin."""
    webhook: bool = False


class Answered(Event, frozen=True, kw_only=True):
    """What a client was told of a job that it sent: of Kafka's own acknowledgement, 202."""

    at: float
    ref: str
    code: int


class Observed(Event, frozen=True, kw_only=True):
    """A job as a client was shown it."""

    asked: float
    """When it asked."""
    at: float
    """When it had the answer."""
    ref: str
    status: str
    attempt: int = 0
    version: int | None = None
    cached: bool = False
    error: str | None = None
    """Its error's type."""
    started: float | None = None
    completed: float | None = None
    output: Any = None
    whole: bool = True
    """Whether the output was shown: lists leave it out."""


class Canceled(Event, frozen=True, kw_only=True):
    """A client canceled a job and was answered with its status: `canceled` says that it never starts, or ended."""

    asked: float
    at: float
    ref: str
    status: str


class Started(Event, frozen=True, kw_only=True):
    """A line of predict()'s own log: it was given this input."""

    at: float
    n: int
    runner: str
    """A name that the runner gave itself."""
    worker: str
    """Whose runner it is: each worker's home has its own log."""
    version: int


class Placed(Event, frozen=True, kw_only=True):
    """Where Kafka holds a job's record."""

    ref: str
    topic: str
    partition: int
    offset: int


class Committed(Event, frozen=True, kw_only=True):
    """What Kafka holds as the group's offset of a partition, and its end."""

    at: float
    topic: str
    partition: int
    offset: int
    end: int


class Fault(Event, frozen=True, kw_only=True):
    """Something that the test did to a process."""

    at: float
    until: float
    what: str
    """`kill` (SIGKILL) or `stop` (SIGSTOP, then SIGCONT)."""
    whom: str
    """`worker`, `runner`, `ingest`, `results` or `registry`."""
    worker: str | None = None
    """Which worker, of a worker or its runner."""


class Called(Event, frozen=True, kw_only=True):
    """A webhook arrived."""

    at: float
    ref: str
    id: str
    """Its webhook-id."""
    status: str


class Settled(Event, frozen=True, kw_only=True):
    """The run is over: nothing was sent any more, and the test waited for everything that it could."""

    at: float
    lag: int
    """Records of the model's topics that were not finished then."""


class History:
    """Appended to by every client at once."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._lock = threading.Lock()

    def add(self, *events: Event) -> None:
        """Write down what happened."""
        with self._lock:
            self._events.extend(events)

    def __iter__(self) -> Iterator[Event]:
        with self._lock:
            return iter(self._events[:])

    def __len__(self) -> int:
        return len(self._events)

    def write(self, path: pathlib.Path) -> None:
        """One event a line."""
        path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in self))


def read(path: pathlib.Path) -> History:
    """What `History.write` wrote."""
    kinds: Any = functools.reduce(operator.or_, Event.__subclasses__())
    found, decoder = History(), msgspec.json.Decoder(kinds)
    found.add(*(decoder.decode(line) for line in path.read_bytes().splitlines()))
    return found
