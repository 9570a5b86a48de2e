"""Which lane a job of a client goes to that has many unfinished ones: one client's flood never stands before others.

Accepting asks Redis nothing. The ids that this process accepted are kept, up to the bound; only then Redis is asked, in
the background and not more often than once a second, which of them have ended. What is not known (Redis away, a job
accepted by another process) counts in the client's favour: its jobs stay interactive.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from results import errors as store_errors

log = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds between two questions about one client."""

LONG: Final = 3600.0
"""Seconds after which an accepted job counts no more: Redis may have forgotten that it ended."""

CLIENTS: Final = 1000
"""Clients that are watched at once; past that the one that is silent for longest is forgotten."""

Unfinished = Callable[[str, str, list[str]], Awaitable[list[str]]]
"""Given an account, a model and ids: those that have not ended. Raises StoreUnavailable."""


class _Client:
    __slots__ = ("asked", "asking", "flooding", "ids")

    def __init__(self) -> None:
        self.ids: dict[str, float] = {}
        """Accepted and not known to have ended → monotonic seconds."""
        self.flooding = False
        self.asked = -INTERVAL
        self.asking: asyncio.Task[None] | None = None


class Floods:
    """The unfinished jobs of each key at each model, roughly."""

    def __init__(self, *, unfinished: Unfinished, most: int) -> None:
        self._unfinished = unfinished
        self._most = most
        self._clients: dict[Hashable, _Client] = {}

    def flooding(self, key: str, account: str, model: str) -> bool:
        """Whether the next job of that key goes to the bulk lane."""
        client = self._clients.get((key, account, model))
        if client is None or len(client.ids) < self._most:
            return False
        if client.asking is None and time.monotonic() - client.asked >= INTERVAL:
            client.asking = asyncio.create_task(self._ask(client, account, model))
        return client.flooding

    def accepted(self, key: str, account: str, model: str, job_id: str) -> None:
        """An interactive job of that key was accepted."""
        name = (key, account, model)
        client = self._clients.pop(name, None) or _Client()
        self._clients[name] = client  # the newest is last
        if len(client.ids) < 2 * self._most:
            client.ids[job_id] = time.monotonic()
        if len(self._clients) > CLIENTS:
            del self._clients[next(iter(self._clients))]

    async def _ask(self, client: _Client, account: str, model: str) -> None:
        young = time.monotonic() - LONG
        asked = {job_id: since for job_id, since in client.ids.items() if since > young}
        try:
            left = set(await self._unfinished(account, model, [*asked]))
            client.ids = {
                job_id: since
                for job_id, since in client.ids.items()
                if since > young and (job_id in left or job_id not in asked)
            }
            client.flooding = len(client.ids) >= self._most
        except store_errors.ResultsError as error:
            log.debug("unfinished jobs not counted: %s", error)
            client.flooding = False
        finally:
            client.asked = time.monotonic()
            client.asking = None
