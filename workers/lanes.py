"""Which lane's jobs go to the runner next. Pure.

Interactive jobs go first, and bulk fills what they leave: a bulk batch enters the runner only while no interactive job
waits or runs (while one is stored it may), so that an interactive job which arrives finds at most one bulk batch before
it; and while there are interactive jobs at all, that batch is a short one. Bulk does not starve: after `PATIENCE`
interactive batches one bulk batch has its turn.
"""

from enum import StrEnum
from typing import Final

from wire import names

PATIENCE: Final = 8
"""Interactive batches that go before a bulk batch which waits."""

SHORT: Final = 0.005
"""Seconds. While bulk batches take less, two of them may be in the runner, so that it never idles between them:
together they still delay nobody by more than 10 ms."""

BESIDE: Final = 0.025
"""Seconds that a bulk batch should take at most while there are interactive jobs, which may have to wait for it."""

LATELY: Final = 10.0
"""Seconds after an interactive job in which there may be another: bulk batches stay short so long."""


class Lane(StrEnum):
    """The two ways into a model, each a topic of its own."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


def of_topic(topic: str, account: str, model: str) -> Lane:
    """The lane whose topic that is."""
    return Lane.BULK if topic == names.bulk_topic(account, model) else Lane.INTERACTIVE


class Turns:
    """Counts batches on their way, and says when a bulk batch may go."""

    __slots__ = ("_bulk", "_interactive", "_passed", "_usual")

    def __init__(self) -> None:
        self._interactive = 0
        self._bulk = 0
        self._passed = 0
        self._usual = float("inf")

    def interactive_began(self) -> None:
        """An interactive batch was taken from its queue."""
        self._interactive += 1
        self._passed += 1

    def interactive_ended(self) -> None:
        """It left the runner, or never needed it."""
        self._interactive -= 1

    def bulk_may(self, *, waiting: bool) -> bool:
        """Whether a bulk batch may enter the runner now; `waiting`: interactive jobs wait in their queue."""
        if self._bulk >= (2 if self._usual < SHORT else 1):
            return False
        return self._passed >= PATIENCE or not (waiting or self._interactive)

    def bulk_began(self) -> None:
        """A bulk batch enters the runner."""
        self._bulk += 1
        self._passed = 0

    def bulk_ended(self, seconds: float) -> None:
        """It left the runner, in which it took so long."""
        self._bulk -= 1
        self._usual = seconds
