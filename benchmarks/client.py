"""A lean HTTP/1.1 client: one connection, one request at a time, driven by a generator that plays a user.

The user yields the bytes of a request and is sent the reply, or yields seconds to sleep and is sent None. No future, no
task and no header dictionary a request, so that the client is not what is measured: its own floor is measured against
`benchmarks.null`. Replies must carry Content-Length; a server that closes the connection is an error.
"""

import asyncio
from collections.abc import Callable, Generator
from typing import Final, NamedTuple, cast


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    body: bytes


User = Generator[bytes | float, Reply | None, None]
"""Yields a request or a pause; ends when it is done."""


class Lost(Exception):
    """The server closed the connection, or answered something that is not HTTP/1.1 with a length."""


_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"


class Connection(asyncio.Protocol):
    """One keep-alive connection, played by one user after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._user: User | None = None
        self._ended: Callable[[Connection, Exception | None], None] | None = None
        self._buffer = b""

    def play(self, user: User, ended: "Callable[[Connection, Exception | None], None]") -> None:
        """Let `user` act; `ended` is told when it is done, with the error where one ended it."""
        self._user, self._ended = user, ended
        self._resume(None)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._buffer:
            data = self._buffer + data
        try:
            reply = parse(data)
        except Lost as error:
            self._finish(error)
            return
        if reply is None:
            self._buffer = data
            return
        self._buffer = b""
        self._resume(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._finish(Lost(f"the server closed the connection: {exc}"))

    def _pause_over(self) -> None:
        self._resume(None)

    def _resume(self, reply: Reply | None) -> None:
        user, transport = self._user, self._transport
        if user is None or transport is None:
            return
        try:
            step = user.send(reply)
        except StopIteration:
            self._finish(None)
        except Exception as error:  # noqa: BLE001  whatever a user raises ends the run, where it is awaited
            self._finish(error)
        else:
            if isinstance(step, bytes):
                transport.write(step)
            else:
                self._loop.call_later(step, self._pause_over)

    def _finish(self, error: Exception | None) -> None:
        ended, self._ended, self._user = self._ended, None, None
        if ended is not None:
            ended(self, error)


async def connect(host: str, port: int) -> Connection:
    """A new connection."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(loop), host, port)
    return connection


def parse(data: bytes) -> Reply | None:
    """The reply that `data` is, None while it is incomplete. Raises Lost for what this client does not read."""
    end = data.find(_END)
    if end < 0:
        return None
    at = data.find(b"\r\nContent-Length:", 0, end)  # most servers write one of two ways
    if at < 0:
        at = data.find(_LENGTH, 0, end)
    if at < 0:
        at = data[:end].lower().find(_LENGTH)
    if at < 0:
        raise Lost(f"a reply without a length: {data[:200]!r}")
    stop = data.find(b"\r", at + len(_LENGTH), end)
    size = int(data[at + len(_LENGTH) : stop if stop > 0 else end])
    have = len(data) - end - len(_END)
    if have < size:
        return None
    if have > size or data[:9] != b"HTTP/1.1 ":
        raise Lost(f"not one HTTP/1.1 reply: {data[:200]!r}")
    return Reply(int(data[9:12]), data[end + len(_END) :])


def request(method: str, path: str, host: str, headers: str = "", body: bytes = b"") -> bytes:
    """A request's bytes; `headers` are whole lines, each ended by CRLF."""
    length = f"Content-Length: {len(body)}\r\n" if method != "GET" else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n".encode("ascii") + body
