"""Which offsets may be committed: contiguous, never past a record that is unfinished.

Pure bookkeeping, one `Partition` for each assigned partition. Records are added in the order they were fetched; they
finish in any order; what may be committed is the smallest unfinished offset, or, when all are finished, the position
that the consumer reached (which steps over transaction markers and compacted offsets).
"""

from collections import deque


class Partition:
    """The records of one partition between the committed offset and the fetch position."""

    __slots__ = ("_finished", "_open", "committed", "position")

    def __init__(self, committed: int | None = None) -> None:
        self._open: deque[int] = deque()
        self._finished: set[int] = set()
        self.committed = committed
        """The offset last committed, i.e. the next one to read after a restart; None: never."""
        self.position: int | None = None
        """The next offset that the consumer will fetch."""

    def fetched(self, *offsets: int) -> None:
        """Records were fetched. Offsets come in rising order."""
        self._open.extend(offsets)
        self.position = offsets[-1] + 1

    def finished(self, offset: int) -> None:
        """All jobs of that record are finished or durably parked."""
        self._finished.add(offset)

    @property
    def unfinished(self) -> int:
        """How many fetched records are not finished."""
        return len(self._open) - len(self._finished)

    def committable(self) -> int | None:
        """The offset to commit now; None where it would not move."""
        while self._open and self._open[0] in self._finished:
            self._finished.discard(self._open.popleft())
        reached = self._open[0] if self._open else self.position
        if reached is None or (self.committed is not None and reached <= self.committed):
            return None
        return reached
