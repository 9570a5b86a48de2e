"""Reading records: all reads of one tick of the event loop are one MGET a model, and while two are under way the next
ones gather."""

import asyncio
from typing import Final

from results import errors, link

AT_ONCE: Final = 2
"""MGETs of one model under way. One waits for the server while the other's keys gather."""

MOST: Final = 500
"""Keys of one MGET."""


class Reading:
    """Coalesces reads. Keyed by hash tag, as one command may name one slot only."""

    def __init__(self, over: link.Link) -> None:
        self._link = over
        self._wanted: dict[str, list[tuple[str, asyncio.Future[bytes | None]]]] = {}
        self._under_way: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def read(self, tag: str, key: str) -> asyncio.Future[bytes | None]:
        """The value of `key`. The future raises StoreUnavailable, StoreFault; cancel it freely."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | None] = loop.create_future()
        wanted = self._wanted.get(tag)
        if wanted is None:
            self._wanted[tag] = [(key, future)]
            loop.call_soon(self._start, tag)
        else:
            wanted.append((key, future))
        return future

    def _start(self, tag: str) -> None:
        if tag not in self._wanted or self._under_way.get(tag, 0) >= AT_ONCE:
            return
        wanted = self._wanted.pop(tag)
        if len(wanted) > MOST:
            self._wanted[tag] = wanted[MOST:]
            asyncio.get_running_loop().call_soon(self._start, tag)
        self._under_way[tag] = self._under_way.get(tag, 0) + 1
        task = asyncio.create_task(self._read(tag, wanted[:MOST]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, tag: str, wanted: list[tuple[str, asyncio.Future[bytes | None]]]) -> None:
        try:
            values = await self._link.call("MGET", *[key for key, _ in wanted])
            for (_, future), value in zip(wanted, values, strict=True):
                if not future.done():
                    future.set_result(value)
        except errors.ResultsError as error:
            for _, future in wanted:
                if not future.done():
                    future.set_exception(type(error)(*error.args))
        finally:
            self._under_way[tag] -= 1
            if not self._under_way[tag]:
                del self._under_way[tag]
            self._start(tag)
