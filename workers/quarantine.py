"""When a version whose runner keeps failing to start is left alone for a while. Pure."""

from collections import deque
from typing import Final

FAILURES: Final = 5
WINDOW: Final = 60.0
"""Seconds. So many failed starts within them quarantine the version for as long again."""

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0


def wait(left: float) -> float:
    """Seconds after which a job tries again, of a version whose quarantine lasts `left`: by round numbers, as each odd
    rest of a parked backlog would be written to Kafka several times."""
    return WINDOW if left > WINDOW / 3 else left


class Quarantine:
    """The failed starts of one version."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self._streak = 0

    def failed(self, now: float) -> None:
        """A start failed at `now` (monotonic seconds)."""
        self._failures.append(now)
        self._streak += 1

    def succeeded(self) -> None:
        """A start succeeded: the version is as good as new."""
        self._failures.clear()
        self._streak = 0

    def until(self, now: float) -> float | None:
        """When the quarantine ends (monotonic seconds); None: there is none at `now`."""
        if len(self._failures) < FAILURES or self._failures[-1] - self._failures[0] > WINDOW:
            return None
        end = self._failures[-1] + WINDOW
        return end if now < end else None

    def pause(self) -> float:
        """Seconds to wait before the next start: none at first, then doubling."""
        return min(FIRST_PAUSE * 2.0 ** (self._streak - 1), LONGEST_PAUSE) if self._streak else 0.0
