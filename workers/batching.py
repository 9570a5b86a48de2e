"""Which waiting jobs go to the runner next: out of a queue, by what is said of their versions. No I/O, no clock.

A batch never mixes versions. It is taken at once when a place in flight is free: collecting happens by itself while the
runner is busy, so an idle model answers a lone job without waiting and a busy one is handed all that came meanwhile.
"""

import operator
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from workers import jobs

T = TypeVar("T")

Due = list[tuple[int, float]]
"""Deadlines of jobs in a batch: their places, and the seconds left."""

BYTES: Final = 16 << 20
"""Of inputs in a batch: a runner holds all of them at once, decoded, which often takes several times as much."""


def take(
    waiting: deque[jobs.Job],
    *,
    limit_of: Callable[[int], int],
    version_of: Callable[[jobs.Job], int],
    in_time: Callable[[int, int, Due], int] | None = None,
    now: int = 0,
) -> tuple[int, list[jobs.Job]]:
    """Remove and return the next batch and its version: the first job, and those behind it that share its version,
    `limit_of(version)` together at most, and BYTES of inputs; where some have deadlines, as many as `in_time` says of
    that version, that size and these (None: they have no say). The others keep their places. `waiting` must not be
    empty. now: Unix ms.
    """
    first = waiting.popleft()
    version = version_of(first)
    batch, limit, room = [first], limit_of(version), BYTES - first.size
    passed: list[tuple[int, jobs.Job]] = []
    """Before which place of the batch each stood."""
    while waiting and len(batch) < limit:
        job = waiting.popleft()
        if version_of(job) != version:
            passed.append((len(batch), job))
        elif (room := room - job.size) >= 0:
            batch.append(job)
        else:
            passed.append((len(batch), job))
            break
    if in_time is not None and (due := _due(batch, now)) and (size := in_time(version, len(batch), due)) < len(batch):
        passed = sorted([*passed, *list(enumerate(batch))[size:]], key=operator.itemgetter(0))
        batch = batch[:size]
    waiting.extendleft([job for _, job in reversed(passed)])
    return version, batch


def _due(batch: list[jobs.Job], now: int) -> Due:
    return [
        (place, (job.envelope.deadline - now) / 1000)
        for place, job in enumerate(batch)
        if job.envelope is not None and job.envelope.deadline is not None
    ]


def apart(items: Iterable[T], version_of: Callable[[T], int]) -> dict[int, list[T]]:
    """The items by their version, in their order."""
    found: dict[int, list[T]] = {}
    for item in items:
        found.setdefault(version_of(item), []).append(item)
    return found
