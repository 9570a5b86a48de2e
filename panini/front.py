"""uvicorn's HTTP protocol, with a short way for the hot addresses.

A request that `hot` takes is answered from the parser's callbacks with one task and one write: ASGI's scope, messages
and cycle cost three times what the rest of the protocol does (40 of 54 us). Every other request, and all that is odd
about a connection (pipelining, upgrades, 100-continue, HTTP/1.0, a request that ends it), goes uvicorn's own way.

Built on attributes of HttpToolsProtocol that uvicorn does not promise; `PARTS` names them and a test looks for each.
"""

import asyncio
import logging
from typing import Any, Final, cast

from uvicorn.protocols.http import httptools_impl

from panini import hot

log = logging.getLogger(__name__)

PARTS: Final = (
    *("on_message_begin", "on_headers_complete", "on_body", "on_message_complete", "on_response_complete", "shutdown"),
    *("headers", "url", "cycle", "parser", "transport", "tasks", "server_state", "expect_100_continue", "loop"),
)
"""What of the library's protocol is used here."""

_NOT_MODIFIED: Final = 304


class _Cycle:
    """Stands where the protocol keeps the request that it is busy with, and looks to it like one of its own."""

    __slots__ = ("body", "disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self) -> None:
        self.body = bytearray()
        self.more_body = True
        self.disconnected = False
        self.keep_alive = True
        """Whether the connection stays; the server's shutdown says no."""
        self.response_complete = False
        self.message_event = _NOBODY


class _Nobody:
    def set(self) -> None:
        """Nobody waits for parts of a body."""


_NOBODY: Final = _Nobody()


class Front(httptools_impl.HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, addresses: hot.Hot, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses = addresses
        self._work: hot.Work | None = None
        """Of the request that is being parsed; none: it goes the library's way."""

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._work = self._taken()
        if self._work is None:
            super().on_headers_complete()
        else:
            self.cycle = cast("httptools_impl.RequestResponseCycle", _Cycle())  # has what the protocol needs of one

    def _taken(self) -> hot.Work | None:
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.expect_100_continue or self.root_path:
            return None
        parser = self.parser
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive() or parser.should_upgrade():
            return None
        return self._addresses.take(parser.get_method(), self.url, dict(self.headers))

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if self._work is None:
            super().on_body(body)
        else:
            self.cycle.body += body  # its length was announced and is bounded

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._work is None:
            super().on_message_complete()
        else:
            work, self._work = self._work, None
            task = self.loop.create_task(self._answer(work, self.cycle))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _answer(self, work: hot.Work, cycle: Any) -> None:
        try:
            response = await work(bytes(cycle.body))
        except asyncio.CancelledError:  # the server's grace is over
            self.transport.close()
            raise
        except Exception:  # the boundary: as uvicorn answers it
            log.exception("a request ended with an error of ours")
            cycle.keep_alive = False
            response = hot.Response(500, {"Content-Type": "text/plain; charset=utf-8"}, b"Internal Server Error")
        cycle.response_complete = True
        if self.transport.is_closing():
            return
        parts = [httptools_impl.STATUS_LINE[response.status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for text, content in response.headers.items():
            parts.append(f"{text.lower()}: {content}\r\n".encode("latin-1"))
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        if response.status != _NOT_MODIFIED:
            parts.append(b"content-length: %d\r\n" % len(response.body))
        parts += (b"\r\n", response.body)
        self.transport.write(b"".join(parts))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
