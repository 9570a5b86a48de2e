"""Whether Redis has room for more results: looked at in the background, so that accepting a job asks Redis nothing.

Near the bound new jobs are refused and nothing is ever dropped; between the bound and what Redis may take at most there
is room for the ends of the jobs that were accepted before.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from results import errors, link
from wire import metrics

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""Seconds between looks."""

SHARE: Final = 0.8
"""Of Redis' `maxmemory` that the bound is at most."""

UNBOUNDED: Final = 4 << 30
"""Bytes that are the bound where neither the operator nor Redis has one."""

AGAIN: Final = 0.95
"""Of the bound: below it jobs are accepted again, so that the answer does not change with every result."""


def bound(asked: int | None, maxmemory: int) -> int:
    """Bytes that results may take: what was `asked` for, but never near what Redis may take (0: all it finds)."""
    share = int(maxmemory * SHARE)
    if asked is None:
        return share or UNBOUNDED
    return min(asked, share) if share else asked


def full(used: int, most: int, *, was: bool) -> bool:
    """Whether jobs are refused at so many bytes in use; `was`: whether they have been."""
    return used >= most * (AGAIN if was else 1.0)


class Budget:
    """What this process knows of Redis' memory. While Redis is away nothing is: then jobs are accepted."""

    def __init__(self, over: link.Link, *, asked: int | None) -> None:
        self._link = over
        self._asked = asked
        self._told = False
        self.full = False
        """Whether jobs are to be refused."""
        self.used = 0
        """Bytes in use when it was looked last."""
        self.most = 0
        """Bytes that may be."""

    async def run(self) -> None:
        """Look for ever; cancel to stop."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Look once."""
        try:
            found = parsed(await self._link.call("INFO", "memory"))
        except errors.ResultsError as error:
            log.debug("the memory of results is not known: %s", error)
            self._is(full=False)
            return
        maxmemory = found.get("maxmemory", 0)
        # what Redis itself leaves out when it compares: buffers of its replicas and of its log
        self.used = found.get("used_memory", 0) - found.get("mem_not_counted_for_evict", 0)
        self.most = bound(self._asked, maxmemory)
        if not maxmemory and not self._told:
            self._told = True
            log.warning(
                "Redis has no maxmemory: results may take %d MiB, then jobs are refused (PANINI_RESULT_BUDGET)",
                self.most >> 20,
            )
        metrics.RESULTS_BYTES.set(self.used)
        metrics.RESULTS_BUDGET.set(self.most)
        self._is(full=full(self.used, self.most, was=self.full))

    def _is(self, *, full: bool) -> None:
        if full != self.full:
            log.warning(
                "results take %d of %d MiB: jobs are %s",
                self.used >> 20, self.most >> 20, "refused until there is room" if full else "accepted again",
            )  # fmt: skip
        self.full = full
        metrics.RESULTS_FULL.set(full)


def parsed(info: bytes) -> Mapping[str, int]:
    """The whole numbers of an INFO reply."""
    pairs = (line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
    return {name: int(value) for name, value in pairs if value.isdecimal()}
