"""When a version's next batch is taken and how large it may be: what `sizing` says, applied to a runner at work."""

import asyncio
import contextlib
import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from workers import outcomes, sizing

LONGEST: Final = 10.0
"""Seconds that a batch of several should take at most: a third of the time a stopping worker waits for it."""
OF_TIMEOUT: Final = 0.5
"""Of a version's timeout that a predict() call for several inputs should take at most."""


class Pace:
    """One version's runner: what it is at, and what its batches took."""

    __slots__ = ("_coming", "_flying", "_freed", "_until", "alone", "together")

    def __init__(self) -> None:
        self.alone = sizing.Sizes()
        """Of inputs that run one by one, in one go."""
        self.together = sizing.Sizes()
        self._coming: list[float] = []
        """Seconds that each batch should take which is being claimed."""
        self._flying: deque[float] = deque()
        """The same of those in the runner."""
        self._until = 0.0
        """When it should have done these."""
        self._freed = asyncio.Event()

    def limit(self, most: int, *, together: bool, timeout: float, within: float = LONGEST) -> int:
        """Inputs of the next batch: `most` at most, and so many that it takes no more than `within` seconds."""
        if together:
            return self.together.limit(most, within=min(LONGEST, OF_TIMEOUT * timeout, within))
        return self.alone.limit(most, within=min(LONGEST, within))

    def in_time(self, size: int, due: Sequence[tuple[int, float]], *, together: bool) -> int:
        """Inputs of the next batch, `size` at most, as their deadlines allow. `due`: places, and seconds left now."""
        before = self._left()
        sizes = self.together if together else self.alone
        return sizes.in_time(size, [(place, left - before) for place, left in due])

    async def turn(self) -> None:
        """Return when the next batch is to be taken: at once, unless the runner has more to do than claiming takes."""
        while (left := self._left() - sizing.LEAD) > 0:
            self._freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._freed.wait()

    def coming(self, size: int, *, together: bool) -> Callable[[], None]:
        """A batch was taken: what arrives while it is claimed shall not make a small one behind it. Returns what is to
        be called when it is claimed. One that is as short as its claim is counted only then, lest the runner idle."""
        expected = (self.together if together else self.alone).expected(size)
        if expected <= sizing.LEAD:
            return nothing
        self._coming.append(expected)
        return functools.partial(self._came, expected)

    def _came(self, expected: float) -> None:
        self._coming.remove(expected)
        self._freed.set()

    def begin(self, size: int, *, together: bool) -> None:
        """A batch goes to the runner."""
        expected = (self.together if together else self.alone).expected(size)
        now = time.monotonic()
        self._until = (max(now, self._until) if self._flying else now) + expected
        self._flying.append(expected)

    def _left(self) -> float:
        """Seconds of work that are there or coming."""
        there = max(self._until - time.monotonic(), 0.0) if self._flying else 0.0
        return there + sum(self._coming)

    def end(self, size: int, ran: outcomes.Ran | None, *, together: bool) -> None:
        """The batch that began first is back; None: it ended with an error of ours."""
        self._flying.popleft()
        self._until = time.monotonic() + sum(self._flying)
        self._freed.set()
        if ran is not None and not ran.asked and ran.predict_ms > 0 and ran.batch_error is None:
            (self.together if together else self.alone).took(size, ran.predict_ms / 1000)


def nothing() -> None:
    """Nobody waits for that batch."""
