"""A connection of aiokafka's from which fetches are answered as their bytes come.

The library reads through a stream, in a task of its own, and gives every request a timer and two futures: three turns
of the loop, 90 µs of a job that is alone. Here the socket's protocol cuts the answers out itself. What others ask on
the connection is handed on to the library, and so is its end.

Names inside aiokafka are used here; `fetching.check_library()` proves that it is what this was written for.
"""

import asyncio
import time
from typing import Any, Final

import aiokafka.errors
from aiokafka.conn import CloseReason

from results import waiting
from workers import fetch_frames

_LENGTH: Final = 4


class Wire(asyncio.Protocol):
    """Takes the place of the library's protocol; the one that it was given stays beside it."""

    def __init__(self, connection: Any, before: Any) -> None:
        self._connection = connection
        self._before = before
        self._buffer = bytearray()
        self._missing = _LENGTH
        """Bytes that the buffer needs before anything can be cut out of it."""

    @classmethod
    def of(cls, connection: Any) -> "Wire | None":
        """A connection's; none while the library waits for an answer on it, or has not connected it."""
        if not connection.connected():
            return None
        transport = connection._writer.transport  # noqa: SLF001
        before = transport.get_protocol()
        if isinstance(before, Wire):
            return before
        if connection._requests or connection._reader._buffer:  # noqa: SLF001  its reader may have a part of an answer
            return None
        made = cls(connection, before)
        transport.set_protocol(made)
        return made

    async def ask(self, wanted: fetch_frames.Wanted) -> fetch_frames.Answer:
        """Fetch. Raises KafkaError: the connection was lost, or did not answer in its time and is closed."""
        connection = self._connection
        if connection._writer is None:  # noqa: SLF001
            raise aiokafka.errors.KafkaConnectionError("the connection is closed")
        future: asyncio.Future[fetch_frames.Answer] = asyncio.get_running_loop().create_future()
        number = connection._next_correlation_id()  # noqa: SLF001
        connection._writer.write(fetch_frames.request(wanted, number=number, client=connection._client_id))  # noqa: SLF001
        connection._requests.append((number, wanted, future))  # noqa: SLF001
        try:
            return await waiting.within(future, connection._request_timeout)  # noqa: SLF001
        except TimeoutError as error:
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise aiokafka.errors.RequestTimedOutError from error

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        buffer, start = self._buffer, 0
        buffer += data
        while len(buffer) - start >= self._missing:
            end = start + _LENGTH + int.from_bytes(buffer[start : start + _LENGTH], "big")
            if end > len(buffer):
                self._missing = end - start
                break
            with memoryview(buffer) as view:
                frame = bytes(view[start + _LENGTH : end])
            self._missing, start = _LENGTH, end
            self._frame(frame)
        del buffer[:start]

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        kept: bool | None = self._before.eof_received()
        return kept

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._before.connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._before.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._before.resume_writing()

    def _frame(self, frame: bytes) -> None:
        """One answer, to what was asked first."""
        connection = self._connection
        asked = connection._requests  # noqa: SLF001
        if not asked:  # closed meanwhile, or nobody's
            connection.close(reason=CloseReason.OUT_OF_SYNC)
            return
        number, wanted, future = asked[0]
        if type(wanted) is not fetch_frames.Wanted:
            connection._handle_frame(frame)  # noqa: SLF001
        elif fetch_frames.number(frame) != number:
            connection.close(reason=CloseReason.OUT_OF_SYNC)
        else:
            answer = fetch_frames.answer(
                frame
            )  # where it cannot be read, its question stays, and fails with the socket
            connection._last_action = time.monotonic()  # noqa: SLF001
            asked.popleft()
            if not future.done():
                future.set_result(answer)
