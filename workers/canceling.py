"""Whether a runner is killed for a canceled job, or the job let run to its end unheard. Pure."""

from dataclasses import dataclass
from typing import Final

SOON: Final = 1.0
"""Seconds: a job that is alone and about to end is let end, since a killed runner must load anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What is known of the runner at the moment."""

    others: int
    """Inputs of other jobs that it has and did not answer."""
    together: bool
    """Some of them are in the same predict() call, which would have to be made again for them."""
    elapsed: float
    """Seconds that the call takes so far."""
    usual: float | None
    """Seconds that a call of this version takes; None: not known yet."""
    load: float
    """Seconds that a new runner takes to load."""


def kills(seen: Seen) -> bool:
    """Whether killing is right: the job is alone in its runner, or waiting for its end would cost its neighbours more
    than a new runner, and doing their part again where they share its call."""
    left = remaining(seen)
    if not seen.others:
        return seen.usual is None or seen.elapsed > seen.usual or left > SOON
    again = 0.0
    if seen.together:
        again = seen.elapsed / 2 if seen.usual is None else seen.usual
    return left > seen.load + again


def remaining(seen: Seen) -> float:
    """Seconds until the call ends, as far as one can tell: one that is past its usual time takes as long again."""
    if seen.usual is not None and seen.elapsed < seen.usual:
        return seen.usual - seen.elapsed
    return seen.elapsed
