"""A worker's own small HTTP: `/healthz`, `/readyz` and `/metrics` on a port of its own, off unless it is given one."""

import asyncio
from collections.abc import Callable

from wire import metrics

Answer = tuple[int, str, bytes]
_PLAIN = "text/plain; charset=utf-8"
_REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}
_DEADLINE = 5.0
"""Seconds a request may take to arrive."""


async def serve(host: str, port: int, *, healthy: Callable[[], bool], ready: Callable[[], bool]) -> asyncio.Server:
    """Listen; close the server to stop. Raises OSError where the port is taken."""

    def answer(path: str) -> Answer:
        if path == "/metrics":
            return 200, metrics.CONTENT_TYPE, metrics.text()
        if path in {"/healthz", "/readyz"}:
            well = healthy() if path == "/healthz" else ready()
            return (200, _PLAIN, b"ok\n") if well else (503, _PLAIN, b"not yet\n")
        return 404, _PLAIN, b"/healthz, /readyz and /metrics are here\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_DEADLINE):
                request = await reader.readuntil(b"\r\n")
                parts = request.split()
                status, kind, body = answer(parts[1].decode("latin-1") if len(parts) > 1 else "")
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                )
                writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(handle, host, port)
