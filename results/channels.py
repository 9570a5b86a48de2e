"""Listening to one Redis channel for as long as the process lives, whatever becomes of the connection."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final

from results import errors, link

log = logging.getLogger(__name__)

_BACKOFF: Final = (0.05, 2.0)
"""Seconds before the first and at most before any later try to connect again."""

_PING: Final = 5.0
"""Seconds between signs of life asked of Redis; without one for two of them the connection counts as lost."""


class Listener:
    """Calls `on_message` for every message, and `on_subscribed` whenever listening (re)begins: what was said before
    then was perhaps missed and must be looked for."""

    def __init__(
        self,
        over: link.Link,
        channel: str,
        *,
        on_message: Callable[[str], None],
        on_subscribed: Callable[[], None] = lambda: None,
    ) -> None:
        self._link = over
        self._channel = channel
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._wire: link.Wire | None = None
        self._heard = False
        self._pause = _BACKOFF[0]

    async def run(self) -> None:
        """Listen; cancel to stop."""
        try:
            while True:
                try:
                    self._wire = await self._link.dial(self._pushed)
                    await self._listen(self._wire)
                except errors.ResultsError as error:
                    log.warning("not listening to %s, trying again: %s", self._channel, error)
                self._wire = None
                await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                self._pause = min(2 * self._pause, _BACKOFF[1])
        finally:
            if self._wire is not None:
                await self._wire.aclose()

    async def _listen(self, wire: link.Wire) -> None:
        wire.push("SUBSCRIBE", self._channel)
        while not wire.lost.done():
            self._heard = False
            wire.push("PING")
            await asyncio.wait([wire.lost], timeout=_PING)
            if not self._heard:
                await wire.aclose()

    def _pushed(self, message: Any) -> None:
        self._heard = True
        if isinstance(message, Exception) and self._wire is not None:
            log.warning("Redis refuses the subscription to %s: %s", self._channel, message)
            self._wire.close()
        if not isinstance(message, list) or len(message) < 3:
            return
        if message[0] == b"subscribe":
            self._pause = _BACKOFF[0]
            self._on_subscribed()
        elif message[0] == b"message":
            self._on_message(message[2].decode("utf-8", "replace"))
