"""One webhook over HTTP: to a checked address, in bounded time, without following anything it is told."""

import asyncio
import contextlib
import email.utils
import ssl
import time
from collections.abc import Iterable
from typing import Final

import httpcore
import msgspec
from httpcore import SOCKET_OPTION

from results import addresses, errors

SHOWN: Final = 1024
"""Bytes of a reply that the log of deliveries keeps."""

READ: Final = 64 << 10
"""Bytes of a reply that are read at most."""


class Reply(msgspec.Struct, frozen=True):
    """What a receiver answered."""

    status: int
    retry_after: float | None
    """Seconds."""
    body: str
    """Its beginning."""


class Sender:
    """Posts webhooks. `private`: addresses that are not public are allowed too. `timeout`: seconds for all of a try."""

    def __init__(self, *, private: bool, timeout: float, tls: ssl.SSLContext | None = None) -> None:
        self._timeout = timeout
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=0,  # every try resolves and checks its address anew
            network_backend=_Checked(private=private),
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Reply:
        """The reply. Raises SendFailed."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(url, headers, body)
        except TimeoutError as error:
            raise errors.SendFailed(f"no whole answer within {self._timeout:g} s") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise errors.SendFailed(f"{type(error).__name__} {error}".strip()) from error

    async def aclose(self) -> None:
        """Close what is open."""
        await self._pool.aclose()

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> Reply:
        async with self._pool.stream("POST", url, headers=[*headers.items()], content=body) as response:
            read = bytearray()
            async for piece in response.aiter_stream():
                read += piece
                if len(read) >= READ:
                    break
            told = {name.lower(): value for name, value in response.headers}
        return Reply(
            response.status,
            _seconds(told.get(b"retry-after", b"").decode("latin-1")),
            bytes(read[:SHOWN]).decode("utf-8", "replace"),
        )


class _Checked(httpcore.AnyIOBackend):
    """Connects to the very address that was checked; TLS and Host keep the name, which httpcore gives them itself."""

    def __init__(self, *, private: bool) -> None:
        super().__init__()
        self._private = private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See httpcore. Raises SendFailed."""
        found = await addresses.resolve(host, port, private=self._private)
        for address in found[:-1]:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
        return await super().connect_tcp(found[-1], port, timeout, local_address, socket_options)


def _seconds(text: str) -> float | None:
    """Retry-After: seconds, or a date."""
    if text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
