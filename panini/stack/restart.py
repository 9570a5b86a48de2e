"""When a process that ended is started again: a pure policy of plain values."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Exponential backoff that forgets after a healthy run."""

    first: float = 0.5  # seconds before the first restart
    factor: float = 2.0  # each further wait is this much longer
    longest: float = 30.0  # seconds; no wait is longer
    healthy_after: float = 20.0  # seconds; a run this long was healthy, and the streak of failures ends


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What to do after a process ended."""

    streak: int  # failures in a row, this one included
    delay: float  # seconds to wait before the next start


def after(policy: Policy, *, streak: int, ran: float) -> Decision:
    """The decision after a run of `ran` seconds that followed `streak` failures in a row."""
    streak = 1 if ran >= policy.healthy_after else streak + 1
    growth = min(streak - 1, 64)  # beyond, the power would only overflow
    return Decision(streak, min(policy.first * policy.factor**growth, policy.longest))
