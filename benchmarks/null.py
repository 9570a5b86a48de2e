"""A server that does nothing: what the client itself costs. `python -m benchmarks.null PORT`."""

import asyncio
import sys
from typing import Final, cast

import uvloop

REPLY: Final = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n{"status":"succeeded"}'


class Null(asyncio.Protocol):
    """Answers whatever arrives: the client sends one request at a time, in one piece."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002  nothing is read
        """See asyncio.Protocol."""
        assert self._transport is not None
        self._transport.write(REPLY)


async def serve(port: int) -> None:
    """Serve on loopback until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Null, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
