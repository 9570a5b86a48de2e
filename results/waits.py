"""How long a client wants its answer to wait: `Prefer: wait=20` (RFC 7240) and `?wait=20`. Pure."""

import re
from typing import Final

from wire import problems

_SECONDS: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_ASKED: Final = re.compile(_SECONDS)
_PREFERRED: Final = re.compile(rf"(?:^|[,;\s])wait\s*=\s*\"?({_SECONDS})", re.IGNORECASE)


def preferred(prefer: str, *, most: float) -> float | None:
    """Seconds that a `Prefer` header asks for, `most` at most; none: it does not."""
    found = _PREFERRED.search(prefer)
    return min(float(found[1]), most) if found else None


def asked(query: str, *, most: float) -> float:
    """Seconds of a query's `wait`. Raises Problem 422."""
    if not _ASKED.fullmatch(query) or float(query) > most:
        raise problems.Problem(
            422, "Wait out of range", f"wait is a number of seconds from 0 to {most:g}, not {query[:40]!r}"
        )
    return float(query)
