"""A worker's or scaler's own small HTTP: `/healthz`, `/readyz` and `/metrics` on a port of its own."""

import asyncio
from collections.abc import Callable
from typing import Final

import pydantic

from wire import metrics, settings

Check = Callable[[], str | None]
"""What is missing, in words; none: all is well."""

_PLAIN: Final = "text/plain; charset=utf-8"
_REASONS: Final = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}
_DEADLINE: Final = 5.0
"""Seconds a request may take to arrive."""


class HealthSettings(settings.Base):
    """Where a process without an HTTP API tells how it is."""

    health_host: str = "127.0.0.1"
    """Address that /healthz, /readyz and /metrics listen on; 0.0.0.0 or the pod's own in Kubernetes."""
    health_port: int = pydantic.Field(default=0, ge=0, le=65535)
    """Their port; 0: they are off, as several workers share a laptop."""


class Health:
    """The three addresses, while the process runs."""

    def __init__(self, options: HealthSettings, *, alive: Check, ready: Check) -> None:
        self._options = options
        self._checks = {"/healthz": alive, "/readyz": ready}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, if there is a port. Raises OSError where it is taken."""
        if self._options.health_port:
            self._server = await asyncio.start_server(
                self._handle, self._options.health_host, self._options.health_port
            )

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, media type and body."""
        if path == "/metrics":
            return 200, metrics.CONTENT_TYPE, metrics.text()
        check = self._checks.get(path)
        if check is None:
            return 404, _PLAIN, b"/healthz, /readyz and /metrics are here\n"
        missing = check()
        return (200, _PLAIN, b"ok\n") if missing is None else (503, _PLAIN, f"waiting for {missing}\n".encode())

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_DEADLINE):
                parts = (await reader.readuntil(b"\r\n")).split()
                status, kind, body = self.answer(parts[1].decode("latin-1") if len(parts) > 1 else "")
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                )
                writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone
        finally:
            writer.close()
