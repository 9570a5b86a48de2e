"""What running jobs say, on its way to the store: gathered, and sent on in one call while the last one is under way."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from results import errors, words
from workers import runners

log = logging.getLogger(__name__)

MOST: Final = 200
"""Words of one call."""

HELD: Final = 5000
"""Words that wait at most; then the oldest are dropped: the job's result does not depend on them."""


class Saying:
    """Takes the events of runners from `run()` on."""

    def __init__(self, store: words.Words, account: str, model: str, *, token_of: Callable[[str], str | None]) -> None:
        """`token_of`: the token of the claim under which a job runs here; None: it does not."""
        self._store = store
        self._account = account
        self._model = model
        self._token_of = token_of
        self._waiting: deque[words.Word] = deque(maxlen=HELD)
        self._arrived = asyncio.Event()
        self._sending = asyncio.Lock()

    def hear(self, event: runners.Event) -> None:
        """A job said something."""
        if event.id is None or (token := self._token_of(event.id)) is None:
            return
        data = _data(event)
        if data is not None:
            self._waiting.append(words.Word(id=event.id, token=token, name=event.name, data=data))
            self._arrived.set()

    async def run(self) -> None:
        """Send on what is said; cancel to stop."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self.flush()

    @property
    def pending(self) -> bool:
        """Whether something is not sent on yet."""
        return bool(self._waiting) or self._sending.locked()

    async def flush(self) -> None:
        """Return when all that was said is sent on: before a job ends, since after it nobody listens any more."""
        async with self._sending:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                try:
                    await self._store.say(self._account, self._model, some)
                except errors.StoreUnavailable as error:
                    log.warning("%d words of running jobs are lost: %s", len(some), error)


def _data(event: runners.Event) -> bytes | None:
    """Its JSON; None where the runner sent something else."""
    match event.name, event.value:
        case "progress", [int() | float() as fraction, str(text)]:
            return words.progress(float(fraction), text)
        case "output", bytes(value):
            return words.output(value, None)
        case "output", [str(media), bytes(value)]:
            return words.output(value, media)
        case _:
            return None
