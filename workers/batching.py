"""Which waiting jobs go to the runner next: out of a queue, by what is said of their versions. No I/O, no clock.

A batch never mixes versions. It is taken at once when a place in flight is free: collecting happens by itself while the
runner is busy, so an idle model answers a lone job without waiting and a busy one is handed all that came meanwhile.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from workers import jobs

T = TypeVar("T")

InTime = Callable[[int, int, list[tuple[int, float]]], int]
"""Of a version, a size, and the deadlines of jobs (places, and seconds left): the size that these allow."""

BYTES: Final = 16 << 20
"""Of inputs in a batch: a runner holds all of them at once, decoded, which often takes several times as much."""


def take(
    waiting: deque[jobs.Job],
    *,
    limit_of: Callable[[int], int],
    version_of: Callable[[jobs.Job], int],
    in_time: InTime = lambda _version, size, _due: size,
    now: int = 0,
) -> tuple[int, list[jobs.Job]]:
    """Remove and return the next batch and its version: the first job, and those behind it that share its version,
    `limit_of(version)` together at most, and BYTES of inputs. Jobs of another version keep their places. `waiting` must
    not be empty. Of jobs with deadlines `in_time` says how many; now: Unix ms.
    """
    version = version_of(waiting[0])
    limit = min(limit_of(version), len(waiting))
    due = [
        (place, (job.envelope.deadline - now) / 1000)
        for place, job in enumerate(itertools.islice(waiting, limit))
        if job.envelope is not None and job.envelope.deadline is not None
    ]
    if due:
        limit = in_time(version, limit, due)
    first = waiting.popleft()
    batch, room = [first], BYTES - first.size
    passed: list[jobs.Job] = []
    while waiting and len(batch) < limit:
        job = waiting.popleft()
        if version_of(job) != version:
            passed.append(job)
        elif (room := room - job.size) >= 0:
            batch.append(job)
        else:
            passed.append(job)
            break
    waiting.extendleft(reversed(passed))
    return version, batch


def apart(items: Iterable[T], version_of: Callable[[T], int]) -> dict[int, list[T]]:
    """The items by their version, in their order."""
    found: dict[int, list[T]] = {}
    for item in items:
        found.setdefault(version_of(item), []).append(item)
    return found
