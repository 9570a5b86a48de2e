"""One end of the stream socket to a runner, on the event loop's low level: it is on every job's way."""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from workers import errors, protocol

_USUAL: Final = 1 << 16
"""Bytes of the read buffer, kept for the channel's life; a larger frame gets a larger one for its time."""


class Channel(asyncio.BufferedProtocol):
    """Cuts what arrives into messages. `on_message` may raise ProtocolError; then, as for broken frames, the channel
    closes itself and `on_lost` is called with the words. It is called once, with None where the other side closed.
    """

    def __init__(
        self, *, on_message: Callable[[list[Any]], None], on_lost: Callable[[str | None], None], limit: int
    ) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._limit = limit
        self._buffer = bytearray(_USUAL)
        self._view = memoryview(self._buffer)
        self._end = 0
        self._broken: str | None = None
        self._transport: asyncio.Transport | None = None

    def send(self, frame: bytes) -> None:
        """Send a whole frame; nothing happens where the channel is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def close(self) -> None:
        """Close this end at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the loop's interface
        return self._view[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        view, end, start = self._view, self._end + nbytes, 0
        while end - start >= 4:
            stop = start + 4 + int.from_bytes(view[start : start + 4], "big")
            if stop - start > self._limit:
                self._break(f"a message of {stop - start:,} bytes, more than {self._limit:,}")
                return
            if stop > end:
                break
            try:
                self._on_message(protocol.decode(view[start + 4 : stop]))
            except errors.ProtocolError as error:
                self._break(str(error))
                return
            start = stop
        self._keep(start, end)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  an abort by the runner is no other end
        self._view = memoryview(b"")
        self._on_lost(self._broken)

    def _keep(self, start: int, end: int) -> None:
        """Move what is left of a message to the front, into a buffer that can hold it whole."""
        left = end - start
        if not left:
            self._end = 0
            if len(self._buffer) > _USUAL:
                self._resize(_USUAL, b"")
            return
        size = 4 + int.from_bytes(self._view[start : start + 4], "big") if left >= 4 else 0
        rest = bytes(self._view[start:end])
        if size > len(self._buffer) or (size <= _USUAL < len(self._buffer)):
            self._resize(max(size, _USUAL), rest)
        elif start:
            self._view[:left] = rest
        self._end = left

    def _resize(self, size: int, rest: bytes) -> None:
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._view[: len(rest)] = rest

    def _break(self, why: str) -> None:
        self._broken = why
        self._end = 0
        self.close()
