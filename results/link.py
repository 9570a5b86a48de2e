"""One connection to Redis that all calls of a process share, and the wire below it.

Calls made in one tick of the event loop travel together; nothing is checked out of a pool. So a call costs 40 µs of CPU
where redis-py's client costs 100 (benchmarks/store.py): it matters at one job a batch. hiredis packs and parses.

Whatever is called must be repeatable: a call is sent again when its connection was lost under it.
"""

import asyncio
import collections
import itertools
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis

from results import errors, settings, urls
from wire import settings as wire_settings

Argument = str | bytes | int | float

_AWAY: Final = (
    "LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS", "NOAUTH",
    "WRONGPASS", "NOPERM", "UNKILLABLE", "ERR max number of clients", "ERR AUTH",
)  # fmt: skip
"""Error replies that say "not now" or "not you", and nothing about the command."""


class _Replies:
    """Stands in the row of what waits for replies, as often as it has commands: one future for all of them."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self._count = count
        self._got: list[Any] = []
        self.all: asyncio.Future[list[Any]] = loop.create_future()
        self.done = self.all.done
        self.set_exception = self.all.set_exception

    def set_result(self, reply: Any) -> None:
        """One of them came."""
        self._got.append(reply)
        if len(self._got) == self._count:
            self.all.set_result(self._got)


class Wire(asyncio.Protocol):
    """One socket: replies come in the order of the commands; what nobody asked for is pushed."""

    def __init__(self, timeout: float, *, on_push: Callable[[Any], None] | None = None) -> None:
        self._timeout = timeout
        self._on_push = on_push
        self._reader = hiredis.Reader()
        self._pending: collections.deque[asyncio.Future[Any] | _Replies] = collections.deque()
        self._outgoing: list[bytes] = []
        self._replies = 0
        self._seen = -1
        self._watch: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.lost = self._loop.create_future()
        """Done when the socket is no more."""

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command with this tick's others. The reply may be a hiredis.ReplyError; ConnectionError: lost."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None or self.lost.done():
            reply.set_exception(ConnectionError("the connection to Redis is closed"))
            return reply
        self._pending.append(reply)
        self.push(*command)
        self._expect()
        return reply

    def send_all(self, commands: Sequence[tuple[Argument, ...]]) -> asyncio.Future[list[Any]]:
        """As `send`, of several at the cost of one future."""
        replies = _Replies(len(commands), self._loop)
        if self._transport is None or self.lost.done():
            replies.set_exception(ConnectionError("the connection to Redis is closed"))
            return replies.all
        self._pending.extend(itertools.repeat(replies, len(commands)))
        self._leaves()
        self._outgoing.extend(map(hiredis.pack_command, commands))  # type: ignore[arg-type]  # as in push
        self._expect()
        return replies.all

    def push(self, *command: Argument) -> None:
        """Send a command whose answer comes as a push, such as SUBSCRIBE."""
        self._leaves()
        self._outgoing.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub names a 1-tuple

    def close(self) -> None:
        """Drop the socket; what waits for a reply gets ConnectionError."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._transport is not None:
            self._transport.abort()

    async def aclose(self) -> None:
        """Drop the socket, and return when it is gone."""
        self.close()
        if self._transport is not None:
            await self.lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol: the socket is there."""
        self._transport = transport  # type: ignore[assignment]  # a stream transport, given to BaseProtocol's signature

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol: some bytes came."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._replies += 1
                if self._pending:
                    waiting = self._pending.popleft()
                    if not waiting.done():
                        waiting.set_result(reply)
                elif self._on_push is not None:
                    self._on_push(reply)
        except hiredis.ProtocolError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol: the socket is gone."""
        if not self.lost.done():
            self.lost.set_result(None)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._pending:
            waiting = self._pending.popleft()
            if not waiting.done():
                waiting.set_exception(ConnectionError(f"the connection to Redis was lost: {exc or 'closed'}"))

    def _leaves(self) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._flush)

    def _expect(self) -> None:
        if self._watch is None:
            self._seen = -1
            self._watch = self._loop.call_later(self._timeout, self._check)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None and not self.lost.done():
            self._transport.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))

    def _check(self) -> None:
        """Every timeout while replies are due: if none came since the last look, the server is dead."""
        self._watch = None
        if not self._pending:
            return
        if self._replies == self._seen:
            self.close()
            return
        self._seen = self._replies
        self._watch = self._loop.call_later(self._timeout, self._check)


class Link:
    """Calls to one Redis. Connects at the first call and again after a loss. Belongs to one event loop."""

    def __init__(self, connections: wire_settings.Connections, bounds: settings.Settings | None = None) -> None:
        self._connections = connections
        self._bounds = bounds or settings.Settings()
        self._wire: Wire | None = None
        self._dialing: asyncio.Task[Wire] | None = None

    async def call(self, *command: Argument) -> Any:
        """The reply to a repeatable command. Raises StoreUnavailable, NoScript, StoreFault."""
        for last in (False, True):
            wire = self._wire
            if wire is None or wire.lost.done():
                wire = await self._connect()
            try:
                reply = await wire.send(*command)
            except ConnectionError as error:
                if last:
                    raise errors.StoreUnavailable(str(error)) from error
                continue
            if isinstance(reply, hiredis.ReplyError):
                raise translated(reply)
            return reply
        raise AssertionError("the loop above returns or raises")

    def soon(self, *command: Argument) -> "asyncio.Future[Any] | None":
        """As `call`, once, without a task; none: not connected. The reply may be a hiredis.ReplyError; it raises
        ConnectionError. With either, `call` says what is to be done."""
        wire = self._wire
        return None if wire is None or wire.lost.done() else wire.send(*command)

    async def calls(self, *commands: tuple[Argument, ...]) -> list[Any]:
        """As `call`, of several that travel together, at the cost of no task each. Raises the first one's error."""
        for last in (False, True):
            wire = self._wire
            if wire is None or wire.lost.done():
                wire = await self._connect()
            try:
                replies = await wire.send_all(commands)
            except ConnectionError as error:
                if last:
                    raise errors.StoreUnavailable(str(error)) from error
                continue
            for reply in replies:
                if isinstance(reply, hiredis.ReplyError):
                    raise translated(reply)
            return replies
        raise AssertionError("the loop above returns or raises")

    async def dial(self, on_push: Callable[[Any], None] | None = None) -> Wire:
        """A new connection, logged in. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._bounds.redis_connect_timeout):
                return await dial(self._connections, self._bounds.redis_timeout, on_push)
        except (OSError, TimeoutError) as error:
            raise errors.StoreUnavailable(f"Redis does not answer at {_shown(self._connections)}: {error}") from error

    async def aclose(self) -> None:
        """Close the connection; a later call would open another."""
        if self._dialing is not None:
            self._dialing.cancel()
            await asyncio.wait([self._dialing])
        if self._wire is not None:
            await self._wire.aclose()
            self._wire = None

    async def _connect(self) -> Wire:
        """The connection that all callers who find none share; one caller's leaving does not end the others' dial."""
        if self._dialing is None or self._dialing.done():
            self._dialing = asyncio.create_task(self._redial())
            # where every caller has left, nobody asks how it went
            self._dialing.add_done_callback(lambda dialing: dialing.cancelled() or dialing.exception())
        return await asyncio.shield(self._dialing)

    async def _redial(self) -> Wire:
        # set before the task is done: a call in between would dial once more, and one of the two be forgotten
        self._wire = await self.dial()
        return self._wire


async def dial(
    connections: wire_settings.Connections, timeout: float, on_push: Callable[[Any], None] | None = None
) -> Wire:
    """Connect and log in. Raises OSError, or StoreUnavailable where the server refuses."""
    place = urls.parse(connections.redis)
    loop = asyncio.get_running_loop()
    password = connections.redis_password.get_secret_value() if connections.redis_password else place.password
    if place.path is not None:
        _, wire = await loop.create_unix_connection(lambda: Wire(timeout, on_push=on_push), place.path)
    else:
        tls = ssl.create_default_context() if place.tls else None
        _, wire = await loop.create_connection(lambda: Wire(timeout, on_push=on_push), place.host, place.port, ssl=tls)
    greetings: list[tuple[Argument, ...]] = []
    if password:
        greetings.append(("AUTH", place.username or "default", password))
    if place.db:
        greetings.append(("SELECT", place.db))
    try:
        answers = await asyncio.gather(*[wire.send(*greeting) for greeting in greetings])
    except BaseException:
        await wire.aclose()
        raise
    for answer in answers:
        if isinstance(answer, hiredis.ReplyError):
            await wire.aclose()
            raise errors.StoreUnavailable(f"Redis at {_shown(connections)} refuses the login: {answer}")
    return wire


def translated(reply: hiredis.ReplyError) -> errors.ResultsError:
    """Redis' error reply as an error of ours."""
    words = str(reply)
    if "NOSCRIPT" in words[:20]:
        return errors.NoScript(words)
    # an error inside a script comes with the script's name and line around it
    if any(words.startswith(word) or f"-{word}" in words for word in _AWAY):
        return errors.StoreUnavailable(f"Redis refuses: {words}")
    return errors.StoreFault(words)


def _shown(connections: wire_settings.Connections) -> str:
    """The address without what stands before an @."""
    return connections.redis.rsplit("@", 1)[-1].removeprefix("redis://").removeprefix("rediss://")
