"""Clearing away what a removed model leaves behind, in the background: its topics and its consumer group, everything
that results keep of its jobs, its logs.

Every step may be done again, and the model's row in `removals` goes last: a registry that is killed in the middle goes
on where it was. Only the registry does this, as only it opens that table.

Nothing is touched before every process has had time to hear of the removal and the last worker has left the group, so
that nobody writes anew what was cleared; until all is gone the name cannot be given again, so that nothing of another
model is ever met.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from registry import errors, service, tables, topics

log = logging.getLogger(__name__)

HEARD: Final = 5.0
"""Seconds after which every process knows that a model is gone: the promise of every change."""

LATEST: Final = 600.0
"""Seconds after which its topics go though a worker is still in its group: no worker drains so long."""

TICK: Final = 0.5
"""Seconds between looks while something is to be done."""

IDLE: Final = 60.0
"""Seconds between looks while nothing is."""

Forget = Callable[[str, str], Awaitable[int]]
"""Given account and model: drops all that is kept of its jobs; how many things. Raises ResultsUnavailable."""


class Purger:
    """Purges from `run()` on."""

    def __init__(
        self,
        registry: service.Registry,
        topics: topics.Topics,
        forget: Forget,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._topics = topics
        self._forget = forget
        self._clock = clock
        self._said: dict[int, str] = {}

    async def run(self) -> None:
        """Purge for ever; cancel to stop."""
        changes = self._registry.changes
        while not changes.released:
            seen, left = changes.number, True
            try:
                left = await self.tick()
            except errors.DatabaseUnavailable as error:
                log.warning("removed models stay for the moment: %s", error)
            if left:
                await asyncio.sleep(TICK)
            else:
                await changes.wait(seen, IDLE)

    async def tick(self) -> bool:
        """Do what can be done now; whether something is left to do. Raises DatabaseUnavailable."""
        left = await self._registry.removals()
        for one in left:
            try:
                if await self._purge(one):
                    self._said.pop(one.model_uid, None)
            except errors.DatabaseUnavailable:
                raise
            except errors.RegistryError as error:
                self._say(one, f"trying again: {error}")
        return bool(left)

    async def _purge(self, one: tables.Removal) -> bool:
        """Whether nothing of it is left. Raises KafkaUnavailable, KafkaRefused, ResultsUnavailable, StorageFailed."""
        age = self._clock() - one.removed_at / 1000
        if age < HEARD:
            return False
        if not await self._topics.remove(one.account, one.name, members_too=age >= LATEST):
            if age > 2 * HEARD:
                self._say(one, "waiting for its workers to leave the consumer group")
            return False
        count = await self._forget(one.account, one.name)
        await self._registry.logs.remove(one.model_uid)
        await self._registry.purged(one.model_uid)
        log.info("%s of %s is gone: topics, group, logs and %d keys of results", one.name, one.account, count)
        return True

    def _say(self, one: tables.Removal, words: str) -> None:
        """Log a trouble once, and again when its words change."""
        if self._said.get(one.model_uid) != words:
            self._said[one.model_uid] = words
            log.warning("%s of %s is removed and not yet gone: %s", one.name, one.account, words)
