"""Streams of a page: what is written to the browser while it stays open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from fastapi.responses import StreamingResponse

from dashboard import errors, eventstream

HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment is sent, so that proxies keep the connection."""

RETRY: Final = b"retry: 2000\n\n"
"""Milliseconds after which a browser that lost the stream comes back."""


def response(stream: AsyncIterator[eventstream.Event], closing: asyncio.Event) -> StreamingResponse:
    """Answer with events until the stream ends, the visitor leaves, or `closing` is set.

    A stream that ends in an error ends quietly: the browser comes back, and the page then says what is the matter.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_bytes(stream, closing), media_type="text/event-stream", headers=headers)


async def _bytes(stream: AsyncIterator[eventstream.Event], closing: asyncio.Event) -> AsyncIterator[bytes]:
    yield RETRY
    closed = asyncio.ensure_future(closing.wait())
    following = asyncio.ensure_future(_next(stream))
    try:
        while not closing.is_set():
            await asyncio.wait({following, closed}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                event = following.result()
                if event is None:
                    return
                yield eventstream.write(event)
                following = asyncio.ensure_future(_next(stream))
            elif not closing.is_set():
                yield eventstream.write(eventstream.HEARTBEAT)
    finally:
        for task in (following, closed):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _next(stream: AsyncIterator[eventstream.Event]) -> eventstream.Event | None:
    try:
        return await anext(stream, None)
    except errors.DashboardError:
        return None
