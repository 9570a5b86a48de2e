"""uvicorn's HTTP protocol, with a short way for the hot addresses.

A request that `hot` takes is answered from the parser's callbacks with one write and at most one task: ASGI's scope,
messages and cycle cost three times what the rest of the protocol does (40 of 54 us). One whose head came before
(`heads`) does without the parser too. Every other request, and all that is odd about a connection (pipelining,
upgrades, 100-continue, HTTP/1.0, a request that ends it), goes uvicorn's own way.

Built on attributes of HttpToolsProtocol that uvicorn does not promise; `PARTS` names them and a test looks for each.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http import httptools_impl

from panini import heads, hot
from results import answers, looking
from wire import problems

log = logging.getLogger(__name__)

PARTS: Final = (
    *("data_received", "on_message_begin", "on_headers_complete", "on_body", "on_message_complete"),
    *("on_response_complete", "shutdown", "flow", "pipeline"),
    *("timeout_keep_alive_handler", "timeout_keep_alive_task", "timeout_keep_alive"),
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

    def __init__(self, *args: Any, addresses: hot.Hot, known: heads.Heads, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses = addresses
        self._heads = known
        self._way: hot.Way | None = None
        """Of the request that is being parsed; none: it goes the library's way."""
        self._between = True
        """Whether the parser is sure to be between two requests: it is new, or has just read one of ours."""
        self._begun = b""
        """Bytes that a request begins with, whose head is not parsed yet."""
        self._own = _Cycle()
        """Of all requests that are ours: one at a time."""
        self._then: Callable[[asyncio.Future[Any]], hot.Said] = asyncio.Future.result
        """What follows when its answer's future is there."""
        self._usual: list[tuple[bytes, bytes]] = []
        """The headers of all answers, and as they are sent."""
        self._usual_bytes = b""
        self._answered = 0.0
        """When the last of them was answered; seconds of the loop's clock."""

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._begun = b""
        if self._between and (self.cycle is None or self.cycle.response_complete):
            known = self._heads.find(data)
            if known is not None:
                self._take_up()
                self._go_on(known[0].begin, known[1])
                return
            self._begun = data
        super().data_received(data)

    def on_message_begin(self) -> None:
        """See httptools."""
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See httptools."""
        begun, self._begun = self._begun, b""
        self._way = self._taken()
        if self._way is None:
            super().on_headers_complete()
            return
        if begun:
            self._heads.learn(begun, self._way)
        self._take_up()

    def _taken(self) -> hot.Way | None:
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.expect_100_continue or self.root_path:
            return None
        parser = self.parser
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive() or parser.should_upgrade():
            return None
        first = dict(reversed(self.headers))  # of a header that comes twice the first counts, as in the application
        return self._addresses.take(parser.get_method(), self.url, first)

    def _take_up(self) -> None:
        """A request is ours: the connection is busy with it."""
        self._own.response_complete = False
        self.cycle = cast("httptools_impl.RequestResponseCycle", self._own)  # has what the protocol needs of one

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        if self._way is None:
            super().on_body(body)
        else:
            self._own.body += body  # its length was announced and is bounded

    def on_message_complete(self) -> None:
        """See httptools."""
        if self._way is None:
            super().on_message_complete()
        else:
            way, self._way = self._way, None
            body, self._own.body = self._own.body, bytearray()
            self._between = True
            said = self.url[len(hot.JOB) :] if self.url.startswith(hot.JOB) else bytes(body)
            self._go_on(way.begin, said)

    def _go_on(self, step: Callable[[Any], hot.Said], given: Any) -> None:
        """Take the next step to the answer; send it, or wait for what comes before the one after."""
        try:
            said = step(given)
        except Exception:  # the boundary: as the application answers it
            log.exception("a request ended with an error of ours")
            self._own.keep_alive = False
            said = answers.refused(problems.OURS)
        if isinstance(said, looking.Later):
            self._then = said.then
            self.tasks.add(cast("asyncio.Task[None]", said.future))  # the server cancels it when its grace is over
            said.future.add_done_callback(self._there)
        else:
            self._send(said)

    def _there(self, future: asyncio.Future[Any]) -> None:
        self.tasks.discard(cast("asyncio.Task[None]", future))
        if future.cancelled():
            self.transport.close()
        else:
            self._go_on(self._then, future)

    def _send(self, response: hot.Response) -> None:
        self._own.response_complete = True
        if self.transport.is_closing():
            return
        if self.server_state.default_headers is not self._usual:  # such as the date: another list each second
            self._usual = self.server_state.default_headers
            self._usual_bytes = b"".join([b"%b: %b\r\n" % pair for pair in self._usual])
        own = "".join([f"{name.lower()}: {content}\r\n" for name, content in response.headers.items()])
        parts = [httptools_impl.STATUS_LINE[response.status], self._usual_bytes, own.encode("latin-1")]
        if not self._own.keep_alive:
            parts.append(b"connection: close\r\n")
        if response.status != _NOT_MODIFIED:
            parts.append(b"content-length: %d\r\n" % len(response.body))
        parts += (b"\r\n", response.body)
        self.transport.write(b"".join(parts))
        if not self._own.keep_alive:
            self.transport.close()
        if self.pipeline or not self._own.keep_alive:
            self.on_response_complete()
        else:
            self._rest()

    def _rest(self) -> None:
        """As `on_response_complete`, but for its timer: one that is under way is good enough, and looks at its end."""
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._answered = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def timeout_keep_alive_handler(self) -> None:
        """See HttpToolsProtocol."""
        self.timeout_keep_alive_task = None
        if not self.cycle.response_complete:
            return  # the end of this request sets a new one
        left = self._answered + self.timeout_keep_alive - self.loop.time()
        if left > 0 and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()
