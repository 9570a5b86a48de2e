"""When a webhook that did not arrive is tried again. Pure."""

import random
from typing import Final

DELAYS: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds before the second try, the third, …: ten tries over 75 hours (Standard Webhooks' schedule)."""

TRIES: Final = len(DELAYS) + 1

JITTER: Final = 0.1
"""A delay is longer by up to this part of it, so that a receiver that comes back is not met by all at once."""

LONGEST: Final = 86400.0
"""Seconds: a receiver's Retry-After counts up to here."""

SPAN_MS: Final = int(sum(DELAYS) * (1 + JITTER) + 3600) * 1000
"""Milliseconds that the tries may take in all, and some: so long a job's result is kept for them."""


def after(tries: int, *, retry_after: float | None = None, chance: random.Random) -> float | None:
    """Seconds until the next try, after so many tries; None: that was the last one."""
    if tries >= TRIES:
        return None
    delay = DELAYS[tries - 1] * (1 + JITTER * chance.random())
    return delay if retry_after is None else max(delay, min(retry_after, LONGEST))
