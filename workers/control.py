"""What clients ask of a model's running jobs, heard from the model's control channel."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from results import channels, errors, keys, link

log = logging.getLogger(__name__)

_RETRY: Final = 0.5
"""Seconds until a look for missed cancels that failed is tried again."""


class Control:
    """Listens for cancels from `run()` on."""

    def __init__(
        self,
        over: link.Link,
        account: str,
        model: str,
        *,
        cancel: Callable[[str], None],
        look: Callable[[], Awaitable[None]],
    ) -> None:
        """`cancel` gets a job's id; `look` finds the cancels that were asked while nobody listened."""
        self._cancel = cancel
        self._look = look
        self._missed = asyncio.Event()
        self._listener = channels.Listener(
            over, keys.control(account, model), on_message=self._heard, on_subscribed=self._missed.set
        )

    async def run(self) -> None:
        """Listen; cancel to stop."""
        await asyncio.gather(self._listener.run(), self._catch_up())

    def _heard(self, message: str) -> None:
        word, _, job_id = message.partition(" ")
        if word == "cancel":
            self._cancel(job_id)

    async def _catch_up(self) -> None:
        while True:
            await self._missed.wait()
            self._missed.clear()
            try:
                await self._look()
            except errors.ResultsError as error:
                log.warning("cannot look for cancels, trying again: %s", error)
                self._missed.set()
                await asyncio.sleep(_RETRY)
