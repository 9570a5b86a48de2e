"""How fast a queued job moves up, from where it stood when it was asked about before. Pure.

No prediction: a pace is told only where this process has seen this very job move within the last half minute.
"""

from collections import OrderedDict, deque
from typing import Final, NamedTuple

WINDOW: Final = 30.0
"""Seconds that a sight of a job counts."""

APART: Final = 1.0
"""Seconds between two sights at least."""

MOST: Final = 10_000
"""Jobs that are remembered; past that the one that was asked about longest ago is forgotten."""


class Place(NamedTuple):
    """Where a queued job stands."""

    position: int
    """Noted jobs up to this one, by acceptance, from 1."""
    eta: float | None
    """Seconds until it starts, at the pace of late; none: not known, or nothing moves."""


class Paces:
    """The jobs that this process was asked about lately."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[tuple[float, int]]] = OrderedDict()

    def place(self, job_id: str, position: int, now: float) -> Place:
        """A job is seen at `position` now (monotonic seconds)."""
        sights = self._seen.pop(job_id, None) or deque()
        self._seen[job_id] = sights
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)
        while sights and sights[0][0] < now - WINDOW:
            sights.popleft()
        if not sights or now - sights[-1][0] >= APART:
            sights.append((now, position))
        since, was = sights[0]
        if now - since < APART or was <= position:
            return Place(position, None)
        return Place(position, round(position * (now - since) / (was - position), 1))
