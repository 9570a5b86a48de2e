"""Log lines on their way to the registry: collected for a moment, sent together, bounded while the registry is away."""

import asyncio
import collections
import contextlib
import logging
from typing import Final

from registry import client
from registry import errors as registry_errors

log = logging.getLogger(__name__)

PAUSE: Final = 0.15
"""Seconds that lines are collected: a person who watches a build sees it live."""

MOST: Final = 5000
"""Lines held while the registry is away; older ones are dropped."""


class Shipper:
    """Lines of a model's versions; `put` never waits."""

    def __init__(self, to: client.Client, account: str, model: str) -> None:
        self._to = to
        self._account = account
        self._model = model
        self._lines: collections.deque[tuple[int, str]] = collections.deque(maxlen=MOST)
        self._some = asyncio.Event()

    def put(self, version: int, line: str) -> None:
        """Send a line some time soon."""
        self._lines.append((version, line))
        self._some.set()

    async def run(self) -> None:
        """Send for ever; cancel to stop, then `flush`."""
        while True:
            await self._some.wait()
            await asyncio.sleep(PAUSE)
            await self.flush()

    async def flush(self) -> None:
        """Send what is there now."""
        self._some.clear()
        while self._lines:
            version = self._lines[0][0]
            same = []
            while self._lines and self._lines[0][0] == version:
                same.append(self._lines.popleft()[1])
            try:
                await self._to.append_log(self._account, self._model, version, "\n".join(same) + "\n")
            except registry_errors.NotFound:
                continue
            except registry_errors.RegistryError as error:
                log.warning("log lines wait for the registry: %s", error)
                room = MOST - len(self._lines)
                self._lines.extendleft((version, line) for line in reversed(same[-room:] if room else []))
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(1.0)
                return
