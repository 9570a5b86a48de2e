"""Which rule should decide how many jobs go into a batch? Arrival patterns against models of several costs, simulated.

    python benchmarks/batching_sim.py [--markdown] [--draw]

One runner executes batches in order; a batch's answers are there when it ends. Claiming a batch and storing it cost
CLAIM and STORE before and after, beside the runner where a rule has several places in flight.
Prints, for each model and arrival pattern, p50 and p99 of the latency in milliseconds and the jobs done a second;
`--draw` draws latency against throughput for a rising load, as text. Simulated time only: nothing here is measured.
"""

import argparse
import heapq
import itertools
import math
import random
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workers import settings, sizing, waiting

CLAIM, STORE, EACH = 0.0006, 0.0006, 0.000015
"""Seconds to claim a batch, to store it, and for each of its jobs."""
MOST = 64
FEW: int = settings.Settings.model_fields["worker_in_flight"].default
"""Batches of a worker on their way at once; more while they are short."""
NOISE = 0.1

Cost = Callable[[int], float]

MODELS: dict[str, Cost] = {
    "iris: 0.05 + 0.004 n ms": lambda n: 0.00005 + 0.000004 * n,
    "matrix: 4 + 0.1 n ms": lambda n: 0.004 + 0.0001 * n,
    "GPU: 20 ms a step of 16": lambda n: 0.020 * math.ceil(n / 16),
    "loop: 5 n ms": lambda n: 0.005 * n,
    "slow loop: 200 n ms": lambda n: 0.2 * n,
    "cliff: 5 + 0.5 n, past 16 + 4 ms each": lambda n: 0.005 + 0.0005 * n + 0.004 * max(0, n - 16),
}


def capacity(cost: Cost) -> float:
    """The most jobs a second of any size."""
    return max(n / cost(n) for n in range(1, MOST + 1))


# -- rules ------------------------------------------------------------------------------------------------------


class Rule:
    """Takes all that waits, at once, whenever a place is free."""

    places = 2
    window = 0.0
    """Seconds from the first waiting job until a batch that is not full is taken."""

    def limit(self) -> int:
        """Jobs of the next batch at most."""
        return MOST

    def lead(self) -> float:
        """Seconds before the running batch should end, at which the next is taken; infinite: at once."""
        return math.inf

    def took(self, size: int, seconds: float) -> None:
        """A batch took so long in the runner."""

    def expected(self, size: int) -> float:  # noqa: ARG002  rules that learn use it
        """Seconds that a batch should take."""
        return 0.0


class Window(Rule):
    """A fixed window of so many milliseconds, or a full batch; one batch at a time."""

    places = 1

    def __init__(self, milliseconds: float) -> None:
        self.window = milliseconds / 1000


class OneAtATime(Rule):
    """Takes all that waits when the runner is idle; one batch at a time."""

    places = 1


class Clipper(Rule):
    """AIMD as in Clipper: one more while batches keep within the objective, a tenth less when one does not."""

    places = 1

    def __init__(self, objective_ms: float) -> None:
        self._objective = objective_ms / 1000
        self._size = 1.0

    def limit(self) -> int:
        return max(1, min(MOST, int(self._size)))

    def took(self, size: int, seconds: float) -> None:
        if seconds > self._objective:
            self._size = max(1.0, self._size * 0.9)
        elif size >= self.limit():
            self._size = min(MOST, self._size + 1)


class Late(Rule):
    """Learns times; takes the next batch shortly before the runner should be idle, with as many places as a worker."""

    places: int = FEW

    def __init__(self) -> None:
        self._sizes = sizing.Sizes()

    def lead(self) -> float:
        return sizing.LEAD

    def took(self, size: int, seconds: float) -> None:
        self.places = 2 * FEW - 1 if 1000 * seconds <= waiting.SHORT else FEW
        self._sizes.took(size, seconds)

    def expected(self, size: int) -> float:
        return self._sizes.expected(size)


class Line(Late):
    """`Late`, up to the size at which a line fitted to time over size reaches 90 % of its throughput."""

    def __init__(self) -> None:
        super().__init__()
        self._weight = self._x = self._y = self._xx = self._xy = 0.0

    def took(self, size: int, seconds: float) -> None:
        super().took(size, seconds)
        fade, sums = 0.95, (1.0, size, seconds, size * size, size * seconds)
        held = (self._weight, self._x, self._y, self._xx, self._xy)
        self._weight, self._x, self._y, self._xx, self._xy = (fade * a + b for a, b in zip(held, sums, strict=True))

    def limit(self) -> int:
        spread = self._weight * self._xx - self._x**2
        if self._weight < 2 or spread <= 1e-9:
            return MOST
        slope = max(1e-9, (self._weight * self._xy - self._x * self._y) / spread)
        fixed = max(0.0, (self._y - slope * self._x) / self._weight) + sizing.OVERHEAD
        return max(1, min(MOST, math.ceil(9 * fixed / slope)))


class Knee(Late):
    """workers/sizing.py: `Late`, up to the smallest size with 90 % of the best throughput measured."""

    def limit(self) -> int:
        return self._sizes.limit(MOST, within=10.0)


RULES: dict[str, Callable[[], Rule]] = {
    "one by one": lambda: _capped(1),
    "window 5 ms": lambda: Window(5),
    "window 50 ms": lambda: Window(50),
    "Clipper 20 ms": lambda: Clipper(20),
    "Clipper 100 ms": lambda: Clipper(100),
    "when idle, all": OneAtATime,
    "two in flight, all": Rule,
    "late, all": Late,
    "late, fitted line": Line,
    "late, knee": Knee,
}


def _capped(most: int) -> Rule:
    rule = Rule()
    rule.limit = lambda: most  # type: ignore[method-assign]
    return rule


# -- arrivals ---------------------------------------------------------------------------------------------------


def poisson(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Independent arrivals."""
    source, now = random.Random(seed), 0.0
    while (now := now + source.expovariate(rate)) < seconds:
        yield now


def bursts(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """The same load in bursts: as many as arrive in a second, within 50 ms."""
    source = random.Random(seed)
    each = max(1, round(rate))
    for number in range(int(seconds)):
        yield from sorted(number + source.random() * 0.05 for _ in range(each))


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a simulation."""

    p50: float
    """Milliseconds from arrival to stored, as p99."""
    p99: float
    rate: float
    """Jobs done a second."""


class Simulation:
    """One runner, one rule."""

    def __init__(self, cost: Cost, rule: Rule, *, users: int, seconds: float) -> None:
        self._cost = cost
        self._rule = rule
        self._users = users
        self._seconds = seconds
        self._noise = random.Random(7)
        self._events: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._order = itertools.count()
        self._waiting: deque[float] = deque()
        self._claimed: deque[list[float]] = deque()
        self._taken = 0
        self._running = False
        self._coming: list[float] = []
        """Seconds that each batch should take which is being claimed; as workers/pacing.py, like the next two."""
        self._flying: deque[float] = deque()
        self._until = 0.0
        self._wakes = -1.0
        self._now = 0.0
        self.latencies: list[float] = []
        self.last = 0.0

    def play(self, arrivals: Iterator[float]) -> None:
        """Until all is done, or it is plain that it never will be."""
        for when in arrivals:
            self._at(when, self._arrive)
        while self._events and self._now <= 4 * self._seconds:
            self._now, _, act, arguments = heapq.heappop(self._events)
            act(*arguments)
            self._take()

    def _at(self, when: float, act: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._events, (when, next(self._order), act, arguments))

    def _arrive(self) -> None:
        self._waiting.append(self._now)

    def _take(self) -> None:
        while self._waiting and self._taken < self._rule.places:
            limit = self._rule.limit()
            if self._rule.window and len(self._waiting) < limit and self._later(self._waiting[0] + self._rule.window):
                return
            if self._later(self._now + self._left() - self._rule.lead()):
                return
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), limit))]
            self._taken += 1
            if (expected := self._rule.expected(len(batch))) > sizing.LEAD:
                self._coming.append(expected)
            self._at(self._now + CLAIM + EACH * len(batch), self._claim, batch, expected)

    def _later(self, when: float) -> bool:
        """Whether `when` is still to come; then it is looked again at that time."""
        if self._now >= when - 1e-9:
            return False
        if self._wakes != when:
            self._wakes = when
            self._at(when, lambda: None)
        return True

    def _left(self) -> float:
        return (max(self._until - self._now, 0.0) if self._flying else 0.0) + sum(self._coming)

    def _claim(self, batch: list[float], expected: float) -> None:
        if expected in self._coming:
            self._coming.remove(expected)
        expected = self._rule.expected(len(batch))
        self._until = (max(self._now, self._until) if self._flying else self._now) + expected
        self._flying.append(expected)
        self._claimed.append(batch)
        self._run()

    def _run(self) -> None:
        if self._claimed and not self._running:
            batch = self._claimed.popleft()
            spent = self._cost(len(batch)) * (1 + NOISE * self._noise.uniform(-1, 1))
            self._running = True
            self._at(self._now + spent, self._end, batch, spent)

    def _end(self, batch: list[float], spent: float) -> None:
        self._running = False
        self._flying.popleft()
        self._until = self._now + sum(self._flying)
        self._rule.took(len(batch), spent)
        self._at(self._now + STORE + EACH * len(batch), self._store, batch)
        self._run()

    def _store(self, batch: list[float]) -> None:
        self._taken -= 1
        self.last = self._now
        for came in batch:
            self.latencies.append(self._now - came)
            if self._users and self._now < self._seconds:
                self._at(self._now + 0.0002, self._arrive)


def simulate(cost: Cost, rule: Rule, arrivals: Iterator[float], *, users: int = 0, seconds: float = 60.0) -> Result:
    """Play arrivals; with `users` that many clients who send their next job when they have the last answer."""
    played = Simulation(cost, rule, users=users, seconds=seconds)
    played.play(iter([user * 1e-5 for user in range(users)]) if users else arrivals)
    latencies = played.latencies[len(played.latencies) // 10 :]  # while it learns nothing is counted
    if len(latencies) < 2:
        return Result(math.inf, math.inf, 0.0)
    cuts = statistics.quantiles(latencies, n=100)
    return Result(1000 * cuts[49], 1000 * cuts[98], len(latencies) / 0.9 / played.last)


SEEDS = 5
PATTERNS = ("10 %", "50 %", "90 %", "bursts 40 %", "64 users")


def play(cost: Cost, make: Callable[[], Rule], pattern: str, seed: int = 1) -> Result:
    """One cell of the table. Loads are in per cent of the best throughput that this model has at any size."""
    most = min(capacity(cost), 3000.0)
    seconds = min(120.0, max(10.0, 3000 / most))
    if pattern == "64 users":
        return simulate(cost, make(), iter(()), users=64, seconds=min(seconds, 20.0) if most > 20 else 300.0)
    load = float(pattern.split()[-2]) / 100 * most
    arrive = bursts if pattern.startswith("bursts") else poisson
    return simulate(cost, make(), arrive(load, seconds, seed), seconds=seconds)


def median(found: list[Result]) -> Result:
    """Each figure's: near its capacity a model with a cliff has good and bad days."""
    return Result(*(statistics.median([getattr(one, name) for one in found]) for name in ("p50", "p99", "rate")))


def table(*, markdown: bool) -> None:
    """Print every cell."""
    for model, cost in MODELS.items():
        heading = f"{model} (at most {capacity(cost):,.0f} jobs/s)"
        print(f"\n**{heading}**\n" if markdown else f"\n{heading}")
        bar = " | " if markdown else "  "
        print(("| " if markdown else "") + bar.join([f"{'rule':20}"] + [f"{p:>18}" for p in PATTERNS]) + bar.rstrip())
        if markdown:
            print("| --- |" + " ---: |" * len(PATTERNS))
        for name, make in RULES.items():
            cells = []
            for pattern in PATTERNS:
                found = median([play(cost, make, pattern, seed) for seed in range(1, SEEDS + 1)])
                first = f"{found.rate:,.0f}/s" if pattern == "64 users" else _shown(found.p50)
                cells.append(f"{first + ' / ' + _shown(found.p99):>18}")
            print(("| " if markdown else "") + bar.join([f"{name:20}", *cells]) + bar.rstrip())


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:.2g}" if milliseconds < 10 else f"{milliseconds:,.0f}"


def draw(model: str) -> None:
    """The 99th percentile of latency (up, logarithmic) against throughput (right) of every rule, as text."""
    cost = MODELS[model]
    most = min(capacity(cost), 3000.0)
    points: dict[tuple[int, int], str] = {}
    marks = "1wWcCi2lfk"
    for mark, make in zip(marks, RULES.values(), strict=True):
        for percent in range(5, 120, 5):
            found = simulate(cost, make(), poisson(percent / 100 * most, 20, 1), seconds=20)
            row = round(8 * math.log10(max(found.p99, 0.1) / 0.1))
            points[row, min(75, round(70 * found.rate / most))] = mark
    print(f"\n{model}: p99 in ms against jobs/s (full width {most * 75 / 70:,.0f})")
    print(" ".join(f"{mark}={name}" for mark, name in zip(marks, RULES, strict=True)))
    for row in range(max(r for r, _ in points), -1, -1):
        label = f"{0.1 * 10 ** (row / 8):8.3g}" if row % 4 == 0 else " " * 8
        print(label + " |" + "".join(points.get((row, column), " ") for column in range(76)).rstrip())


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--draw", action="store_true")
    asked = parser.parse_args()
    if asked.draw:
        for model in MODELS:
            draw(model)
    else:
        table(markdown=asked.markdown)


if __name__ == "__main__":
    main()
