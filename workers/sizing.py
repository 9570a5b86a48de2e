"""How many inputs the next batch may have, and when it is taken, from the times that batches took. Pure.

Nobody waits while the runner is idle. While it is busy the next batch is taken LEAD seconds before it should end, no
earlier: what comes meanwhile joins it. Larger batches are worth their wait only while they raise throughput; beyond,
each input just waits for its neighbours. So sizes are compared by what they were measured to do: of the sizes tried,
the smallest that reaches ENOUGH of the best throughput is the *knee*, and while the largest tried is best, the next may
be twice as large. Times are kept by powers of two and fade, so that a model whose cost is a staircase, or falls off a
cliff where memory ends, is found out, and a change is followed.

`benchmarks/batching_sim.py` compares this with fixed windows, AIMD (Clipper, NSDI 2017, section 4.3) and a fitted line;
docs/batching.md has the table.
"""

from collections.abc import Sequence
from typing import Final

ENOUGH: Final = 0.9
"""Of the best throughput measured."""
LEAD: Final = 0.002
"""Seconds before the runner should have nothing to do, at which the next batch is taken: claiming takes about that."""
OVERHEAD: Final = 0.0012
"""Seconds that a batch costs beside the runner (claim, store): what makes tiny batches of fast models poor."""
FADE: Final = 0.2
"""Weight of the newest time of a size."""
SOONER: Final = 0.5
"""The same for a time below what was known: one slow batch (a first call, a busy machine) is soon forgotten."""
AGAIN: Final = 25
"""Batches, of which one may be twice as large as the knee and one half as large, so that a change is noticed."""
PATIENCE: Final = 200
"""Batches as large as the ceiling allows, after which it is doubled; twice as many after each time it failed."""
STEPS: Final = 11
"""Powers of two that are kept apart: 1, 2, 3-4, 5-8, … 513-1024."""


class Sizes:
    """What one way of running one version (alone or together) was measured to take."""

    __slots__ = ("_best", "_count", "_largest", "_left", "_patience", "_sizes", "_times", "ceiling")

    def __init__(self) -> None:
        self._sizes = [0.0] * STEPS
        self._times = [0.0] * STEPS
        self._count = 0
        self._best = 1
        self._largest = 0
        self.ceiling = 1 << STEPS
        """Inputs that a batch may have since a larger one ran out of memory or time."""
        self._left = self._patience = PATIENCE

    def took(self, size: int, seconds: float) -> None:
        """A batch of `size` took `seconds` in the runner."""
        step = min((size - 1).bit_length(), STEPS - 1)
        if self._sizes[step] == 0.0:
            self._sizes[step], self._times[step] = float(size), seconds
            self._largest = max(self._largest, size)
        else:
            self._sizes[step] += FADE * (size - self._sizes[step])
            weight = SOONER if seconds < self._times[step] else FADE
            self._times[step] += weight * (seconds - self._times[step])
            self._largest = max(self._largest, size)
        if size >= self.ceiling:
            self._left -= 1
            if self._left == 0:
                self.ceiling, self._left = 2 * self.ceiling, self._patience
        self._count += 1
        if self._count & 7 == 0 or self._count < 16:
            self._best = self._knee()

    def failed(self, size: int) -> None:
        """A batch of `size` was too large for the memory or the time there is, and its inputs in parts are not."""
        if size > self.ceiling:
            return  # it was on its way when another told the same
        self.ceiling = max(1, (size + 1) // 2)
        self._left = self._patience
        self._patience *= 2

    def limit(self, most: int, *, within: float) -> int:
        """Inputs of the next batch, `most` at most, so that it should not take longer than `within` seconds."""
        place = self._count % AGAIN
        size = self._best
        if place == 0 and self._count:
            size *= 2
        elif place == AGAIN // 2:
            size = max(1, size // 2)
        size = min(most, self.ceiling, size)
        while size > 1 and self.expected(size) > within:
            size //= 2
        return size

    def in_time(self, size: int, due: Sequence[tuple[int, float]]) -> int:
        """`size`, or less, where one of the inputs then has its answer in time.

        `due`: of inputs with a deadline, the place in the batch and the seconds left when it begins. Inputs behind the
        end of a smaller batch only wait longer, so they do not count; nor does a deadline cost half of the throughput.
        """
        late = self.expected(size)
        smaller = size // 2
        while smaller and 2 * self._rate(smaller) >= self._rate(size):
            soon = self.expected(smaller)
            if any(soon <= left < late for place, left in due if place < smaller):
                return smaller
            smaller //= 2
        return size

    def _rate(self, size: int) -> float:
        return size / (self.expected(size) + OVERHEAD)

    def expected(self, size: int) -> float:
        """Seconds that a batch of `size` should take: measured, or in proportion to the nearest size measured."""
        step = min((size - 1).bit_length(), STEPS - 1)
        for near in range(STEPS):
            for at in (step - near, step + near):
                if 0 <= at < STEPS and self._sizes[at]:
                    ratio = size / self._sizes[at]
                    return self._times[at] * (ratio if near and at < step else min(ratio, 1.0) if near else 1.0)
        return 0.0

    def _knee(self) -> int:
        """The size to go up to."""
        rates = [size / (seconds + OVERHEAD) for size, seconds in zip(self._sizes, self._times, strict=True)]
        best = max(rates)
        tried = [step for step in range(STEPS) if self._sizes[step]]
        knee = next(step for step in tried if rates[step] >= ENOUGH * best)
        if knee == tried[-1]:  # nothing larger was tried: go on
            return max(2 * self._largest, 1 << (knee + 1))
        return 1 << knee
