"""Waking those who wait: a number that grows with every change, and a way to wait until it has grown."""

import asyncio


class Changes:
    """Counts changes of one thing. Used on the event loop only."""

    def __init__(self) -> None:
        self.number = 0
        """Grows with every change."""
        self.released = False
        """The process is going down: nobody should wait any more."""
        self._grown = asyncio.Event()

    def bump(self) -> None:
        """There was a change: everyone who waits goes on."""
        self.number += 1
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def release(self) -> None:
        """End every wait, now and from now on."""
        self.released = True
        self.bump()

    async def wait(self, seen: int, timeout: float) -> bool:
        """Wait until the number is another than `seen`; whether it is. `timeout` in seconds."""
        if self.number != seen or self.released:
            return self.number != seen
        try:
            async with asyncio.timeout(timeout):
                await self._grown.wait()
        except TimeoutError:
            return False
        return True
