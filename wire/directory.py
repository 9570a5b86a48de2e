"""The directory of keys and endpoints: what every HTTP process holds of the registry, at most seconds old.

Look-ups are plain dict reads of the last snapshot, so the hot path neither waits nor asks. A background task keeps the
snapshot fresh; a look-up that misses may ask once more (`fresh`), so that a key or model made a moment ago is found.
When the registry is away the last snapshot stays: accepting a job depends on Kafka alone.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable

from wire import specs

log = logging.getLogger(__name__)

Fetch = Callable[[str | None], Awaitable[specs.Snapshot | None]]
"""Given the etag one has: the newer snapshot, or None where nothing changed. OSError: the registry is away."""

INTERVAL = 2.0
"""Seconds between refreshes: well inside the 5 s in which a change holds everywhere."""

MISS_INTERVAL = 0.2
"""Seconds between refreshes that misses may cause, so that a stranger's guesses cost nothing."""


class Directory:
    """Keys and endpoints by their names."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._etag: str | None = None
        self._keys: dict[str, specs.Key] = {}
        self._by_name: dict[tuple[str, str], specs.Endpoint] = {}
        self._by_uid: dict[int, specs.Endpoint] = {}
        self._known: dict[str, specs.Key] = {}
        self.generation = 0
        """Another number with every snapshot: what was looked up before may not hold any more."""
        self._asked = -MISS_INTERVAL
        """When the last question to the registry began (monotonic seconds)."""
        self._lock = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """Whether a snapshot was ever received: the readiness of an HTTP process."""
        return self._etag is not None

    def key(self, presented: str) -> specs.Key | None:
        """Whose `presented` API key is. A revoked key is gone with the next snapshot."""
        known = self._known.get(presented)
        if known is not None:
            return known
        found = self._keys.get(hashlib.sha256(presented.encode()).hexdigest())
        if found is not None:
            self._known[presented] = found
        return found

    def endpoint(self, account: str, model: str) -> specs.Endpoint | None:
        """The model's endpoint, if it exists."""
        return self._by_name.get((account, model))

    def endpoint_by_uid(self, uid: int) -> specs.Endpoint | None:
        """The endpoint whose model has this uid."""
        return self._by_uid.get(uid)

    def endpoints(self, account: str) -> list[specs.Endpoint]:
        """Every endpoint of an account, by name."""
        return sorted((e for e in self._by_name.values() if e.account == account), key=lambda e: e.model)

    def every(self) -> list[specs.Endpoint]:
        """Every endpoint of every account."""
        return list(self._by_uid.values())

    async def fresh(self) -> None:
        """After a miss: return with a snapshot that was taken after this call.

        However many miss, the registry is asked once an interval; the others wait for that answer.
        """
        asked = time.monotonic()
        async with self._lock:
            if self._asked > asked:
                return
            await asyncio.sleep(self._asked + MISS_INTERVAL - time.monotonic())
            await self._refresh()

    async def refresh(self) -> None:
        """Take the registry's newest snapshot. An unreachable registry is logged and the last one kept."""
        async with self._lock:
            await self._refresh()

    async def _refresh(self) -> None:
        self._asked = time.monotonic()
        try:
            snapshot = await self._fetch(self._etag)
        except OSError as error:
            log.warning("registry unreachable, keeping the last snapshot: %s", error)
            return
        if snapshot is not None:
            self._take(snapshot)

    async def run(self) -> None:
        """Refresh for ever; cancel to stop."""
        while True:
            await self.refresh()
            await asyncio.sleep(INTERVAL)

    def _take(self, snapshot: specs.Snapshot) -> None:
        self.generation += 1
        self._keys = snapshot.keys
        self._known = {}
        self._by_name = {(e.account, e.model): e for e in snapshot.endpoints}
        self._by_uid = {e.model_uid: e for e in snapshot.endpoints}
        self._etag = snapshot.etag
