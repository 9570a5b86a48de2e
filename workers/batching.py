"""Which waiting jobs go to the runner next. Pure.

A batch never mixes versions. It is taken at once when a place in flight is free: collecting happens by itself while the
runner is busy, so an idle model answers a lone job without waiting and a busy one is handed all that came meanwhile.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from workers import jobs

T = TypeVar("T")

BYTES: Final = 16 << 20
"""Of inputs in a batch: a runner holds all of them at once, decoded, which often takes several times as much."""


def take(
    waiting: deque[jobs.Job], *, limit_of: Callable[[int], int], version_of: Callable[[jobs.Job], int]
) -> tuple[int, list[jobs.Job]]:
    """Remove and return the next batch and its version: the first job, and those behind it that share its version,
    `limit_of(version)` together at most, and BYTES of inputs. Jobs of another version keep their places. `waiting` must
    not be empty.
    """
    first = waiting.popleft()
    version = version_of(first)
    batch, limit, room = [first], limit_of(version), BYTES - first.size
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
