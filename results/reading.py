"""Reading records: all reads of one tick of the event loop are one MGET a model, and while two are under way the next
ones gather."""

import asyncio
import functools
from typing import Any, Final

from results import errors, link

AT_ONCE: Final = 2
"""MGETs of one model under way. One waits for the server while the other's keys gather."""

MOST: Final = 500
"""Keys of one MGET."""

_Asked = list[tuple[str, asyncio.Future[bytes | None]]]


class Reading:
    """Coalesces reads. Keyed by hash tag, as one command may name one slot only."""

    def __init__(self, over: link.Link) -> None:
        self._link = over
        self._wanted: dict[str, _Asked] = {}
        self._under_way: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def read(self, tag: str, key: str) -> asyncio.Future[bytes | None]:
        """The value of `key`. The future raises StoreUnavailable, StoreFault; cancel it freely."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # asked each time it costs a system call
        future: asyncio.Future[bytes | None] = self._loop.create_future()
        wanted = self._wanted.get(tag)
        if wanted is None:
            self._wanted[tag] = [(key, future)]
            self._loop.call_soon(self._start, tag)
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
        asked = wanted[:MOST]
        reply = self._link.soon("MGET", *[key for key, _ in asked])
        if reply is None:
            self._call(tag, asked)
        else:
            reply.add_done_callback(functools.partial(self._came, tag, asked))

    def _came(self, tag: str, asked: _Asked, reply: asyncio.Future[Any]) -> None:
        values = reply.result() if reply.exception() is None else None
        if isinstance(values, list):
            _hand_out(asked, values)
            self._landed(tag)
        else:  # the link knows what is worth another try, and what the error means
            self._call(tag, asked)

    def _call(self, tag: str, asked: _Asked) -> None:
        task = asyncio.create_task(self._read(tag, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, tag: str, asked: _Asked) -> None:
        try:
            _hand_out(asked, await self._link.call("MGET", *[key for key, _ in asked]))
        except errors.ResultsError as error:
            for _, future in asked:
                if not future.done():
                    future.set_exception(type(error)(*error.args))
        finally:
            self._landed(tag)

    def _landed(self, tag: str) -> None:
        self._under_way[tag] -= 1
        if not self._under_way[tag]:
            del self._under_way[tag]
        self._start(tag)


def _hand_out(asked: _Asked, values: list[bytes | None]) -> None:
    for (_, future), value in zip(asked, values, strict=True):
        if not future.done():
            future.set_result(value)
