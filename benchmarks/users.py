"""What users do: generators that `benchmarks.client` plays."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Final

from benchmarks import client, inputs, targets

WAIT: Final = 30.0
"""Seconds a waiting POST asks for."""


CACHED: Final = b'"cached":true'
"""What Panini says of an answer that was known."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pace:
    """When a user who polls looks again: after `first` seconds, then `factor` times later each time, `most` at most.

    A pace that grows is kind to slow systems: with a fixed one their front would mostly answer polls.
    """

    first: float = 0.004
    factor: float = 1.5
    most: float = 0.05

    def delays(self) -> Iterator[float]:
        """The pauses before each look."""
        delay = self.first
        while True:
            yield delay
            delay = min(delay * self.factor, self.most)


AT_ONCE: Final = Pace(first=0.0, factor=1.0)
"""Look, and look again: the shortest time a poller can see."""


@dataclasses.dataclass
class Log:
    """What users saw since the last `clear`."""

    took: list[float] = dataclasses.field(default_factory=list)
    """Seconds from the start of each finished job to its answer."""
    looks: int = 0
    """GETs."""
    wrong: int = 0
    """Answers that were not the model's."""
    example: str = ""
    """One of them."""
    ends: list[float] = dataclasses.field(default_factory=list)
    """When each finished (time.perf_counter), in order."""
    known: bool = False
    """Whether answers may come from a cache; else such a one counts as wrong, as it is no job done."""

    def clear(self) -> None:
        """Forget what was seen; wrong answers stay."""
        self.took, self.ends, self.looks = [], [], 0

    def finished(self, began: float, item: inputs.Item, body: bytes) -> None:
        """A job ended with `body`."""
        now = time.perf_counter()
        self.took.append(now - began)
        self.ends.append(now)
        if not item.right(body) or (CACHED in body and not self.known):
            self.wrong += 1
            self.example = f"{item} got {body[:500]!r}"


Act = Callable[[targets.Target, inputs.Item, Log, float], client.User]
"""One job, from its POST to its answer; the float is when it began (time.perf_counter)."""


def poll(pace: Pace) -> Act:
    """Submit, then look until it ended."""

    def act(target: targets.Target, item: inputs.Item, log: Log, began: float) -> client.User:
        ask = target.get(targets.accepted((yield target.post(item.text))))
        for delay in pace.delays():
            if delay:
                yield delay
            log.looks += 1
            body = targets.ended((yield ask))
            if body is not None:
                log.finished(began, item, body)
                return

    return act


def wait(target: targets.Target, item: inputs.Item, log: Log, began: float) -> client.User:
    """One POST that waits for the job's end."""
    body = targets.ended((yield target.post(item.text, wait=WAIT)))
    if body is None:
        raise targets.Unexpected(f"a job took longer than {WAIT} s")
    log.finished(began, item, body)


def call(target: targets.Target, item: inputs.Item, log: Log, began: float) -> client.User:
    """One POST whose answer is the prediction itself."""
    reply = yield target.post(item.text)
    if reply is None or reply.status != 200:
        raise targets.Unexpected(f"no prediction: {reply}")
    log.finished(began, item, reply.body)


def again_and_again(
    act: Act, target: targets.Target, items: Iterator[inputs.Item], log: Log, stopped: Callable[[], bool]
) -> client.User:
    """One job after the other until `stopped`."""
    for _ in itertools.count():
        if stopped():
            return
        yield from act(target, next(items), log, time.perf_counter())


def touch(target: targets.Target, item: inputs.Item, log: Log, began: float) -> client.User:
    """One POST whose answer holds nothing: for floors."""
    reply = yield target.post(item.text)
    if reply is None or reply.status != 200:
        raise targets.Unexpected(f"not 200: {reply}")
    now = time.perf_counter()
    log.took.append(now - began)
    log.ends.append(now)
