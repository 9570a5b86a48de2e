"""A batch that was sent to a runner and is not answered yet."""

import asyncio
from collections.abc import Sequence

from workers import outcomes, process, protocol


class Batch:
    """One run() that has not ended."""

    __slots__ = ("future", "ids", "number", "outcomes", "size", "timeout", "together")

    def __init__(
        self, number: int, size: int, *, together: bool, timeout: float, ids: Sequence[str],
        future: "asyncio.Future[outcomes.Ran]",
    ) -> None:  # fmt: skip
        self.number = number
        self.size = size
        self.together = together
        self.timeout = timeout
        self.ids = ids
        self.future = future
        self.outcomes: list[outcomes.Outcome] = []

    def lose(self, verdict: process.Ended, journal: bytes, *, running: bool) -> None:
        """The runner ended: keep what it had answered, also in its journal, and give up the rest.

        Of a batch that was `running`, the first input without an answer is suspected; run together, all are.
        """
        if running:
            base, unsent = protocol.unsent(journal, batch=self.number)
            have = len(self.outcomes)
            if base <= have:
                self.outcomes += unsent[have - base :]
        del self.outcomes[self.size :]
        missing = self.size - len(self.outcomes)
        suspects = (missing if self.together else min(1, missing)) if running else 0
        self.outcomes += [outcomes.Lost(verdict.type, verdict.message)] * suspects
        self.outcomes += [outcomes.Lost(verdict.type, verdict.message, began=False)] * (missing - suspects)
        if not self.future.done():
            self.future.set_result(outcomes.Ran(self.outcomes, 0.0, asked=verdict.asked))
