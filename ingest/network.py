"""kafka-python's connections in asyncio's own loop: no thread of the library's, and no hand-over to one.

The library talks to brokers in coroutines of its own kind, and feeds its connections as asyncio feeds a protocol. So
its loop (`Network`) turns only when one of its coroutines or timers is due, which no record needs, and its connections
are given asyncio's transports (`Transport`). Everything here happens in the thread of the loop.
"""

import asyncio
import ssl
import time
from collections.abc import Coroutine
from typing import Any, Final, cast

import kafka.errors
import kafka.future
from kafka.net import manager, selector, transport

WRITE_BUFFER: Final = 1 << 30
"""Bytes above which a connection would call itself full and refuse; the producer's own budget bounds what waits."""


class Network(selector.NetworkSelector):  # type: ignore[misc]  # the library is untyped
    """The library's loop, turned by asyncio's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(slow_task_threshold_secs=0)
        self._loop = loop
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timed = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    def settled(self, future: kafka.future.Future) -> "asyncio.Future[Any]":
        """The library's future as asyncio's."""
        waiting = self._loop.create_future()
        future.add_callback(lambda value: None if waiting.done() else waiting.set_result(value))
        future.add_errback(lambda error: None if waiting.done() else waiting.set_exception(error))
        return waiting

    def awaited(self, coroutine: Coroutine[Any, Any, Any]) -> kafka.future.Future:
        """asyncio's coroutine as the library's future."""
        future = kafka.future.Future()

        def end(task: "asyncio.Task[Any]") -> None:
            self._tasks.discard(task)
            if task.cancelled():
                future.failure(kafka.errors.Cancelled())
            elif (error := task.exception()) is not None:
                future.failure(error)
            else:
                future.success(task.result())

        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(end)
        return future

    def wakeup(self) -> None:
        """Nobody sleeps in another thread."""

    def call_at(self, when: float, task: Any) -> Any:
        """See NetworkSelector."""
        made = super().call_at(when, task)
        self._plan()
        return made

    def close(self) -> None:
        """Let nothing turn any more."""
        for handle in (self._turn, self._timer, *self._tasks):
            if handle is not None:
                handle.cancel()
        super().close()

    def _add_ready_task(self, task: Any) -> None:
        super()._add_ready_task(task)
        self._soon()

    def _soon(self) -> None:
        if self._turn is None and not self._closed:
            self._turn = self._loop.call_soon(self._turned)

    def _turned(self) -> None:
        self._turn = None
        self._poll_once(0)
        if self._ready:
            self._soon()
        self._plan()

    def _plan(self) -> None:
        """Be woken for the earliest timer. One that was canceled is found out when it would have been due."""
        if not self._scheduled or self._closed:
            return
        when = self._scheduled[0][0]
        if self._timer is not None:
            if self._timed <= when:
                return
            self._timer.cancel()
        self._timed = when
        self._timer = self._loop.call_later(max(0.0, when - time.monotonic()), self._elapsed)

    def _elapsed(self) -> None:
        self._timer = None
        self._soon()


class Manager(manager.KafkaConnectionManager):  # type: ignore[misc]  # the library is untyped
    """The library's connections and what they know of the cluster, on asyncio's transports."""

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> "Transport":
        opened: Transport = await self._net.awaited(self._open(node, timeout_at))
        return opened

    async def _open(self, node: Any, timeout_at: float | None) -> "Transport":
        secured = None
        if self.ssl_enabled:
            options = {name: value for name, value in self.config.items() if name.startswith("ssl_")}
            secured = transport.KafkaSSLTransport._build_ssl_context(options)  # noqa: SLF001  so both read them alike
        try:
            async with asyncio.timeout(None if timeout_at is None else max(0.0, timeout_at - time.monotonic())):
                _, made = await asyncio.get_running_loop().create_connection(
                    lambda: Transport(node.host, self.config["socket_options"]), node.host, node.port, ssl=secured
                )
        except (OSError, TimeoutError, ssl.CertificateError) as error:
            raise kafka.errors.KafkaConnectionError(f"{node.host}:{node.port}: {error!r}") from error
        return made


class Transport(asyncio.Protocol):
    """asyncio's transport with the names by which the library's connections call it; feeds them what comes."""

    def __init__(self, host: str, options: list[tuple[int, int, int]]) -> None:
        self.host = host
        self.last_activity = time.monotonic()
        """Monotonic seconds."""
        self._options = options
        self._transport: asyncio.Transport | None = None
        self._connection: Any = None

    # -- asyncio's side ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        for option in self._options:
            transport.get_extra_info("socket").setsockopt(*option)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self.last_activity = time.monotonic()
        if self._connection is not None:
            try:
                self._connection.data_received(data)
            except kafka.errors.KafkaProtocolError as error:
                self.abort(error)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._lost(kafka.errors.KafkaConnectionError(str(error or "closed by the broker")))

    # -- the library's side --------------------------------------------------------------------------------------------

    def get_protocol(self) -> Any:
        """The library's connection, if it has one."""
        return self._connection

    def set_protocol(self, connection: Any) -> None:
        """Feed this one."""
        self._connection = connection

    def resume_reading(self) -> None:
        """It never paused."""

    def write(self, data: bytes) -> None:
        """Send. Raises KafkaConnectionError."""
        if self._transport is None or self._transport.is_closing():
            raise kafka.errors.KafkaConnectionError("the connection is closed")
        self.last_activity = time.monotonic()
        self._transport.write(data)

    def close(self) -> None:
        """Send what is written, then close."""
        if self._transport is not None:
            self._transport.close()
        self._lost(None)

    def abort(self, error: Exception | None = None) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        self._lost(error)

    def getPeer(self) -> tuple[Any, ...]:  # noqa: N802  the library's name
        """The broker's address."""
        found: tuple[Any, ...] = self._transport.get_extra_info("peername") if self._transport is not None else ()
        return found

    def host_port(self) -> str:
        """For logs."""
        return ":".join(str(part) for part in self.getPeer()[:2])

    def _lost(self, error: Exception | None) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.connection_lost(error)
