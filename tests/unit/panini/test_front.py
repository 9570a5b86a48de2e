"""What the short way stands on."""

import asyncio
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from panini import front, hot


@pytest.mark.parametrize("part", front.PARTS)
async def test_the_library_has_what_is_used_of_it(part: str) -> None:
    made = httptools_impl.HttpToolsProtocol(Config(cast("Any", None), http="httptools"), ServerState(), {})
    made.on_message_begin()  # makes what belongs to a request

    assert hasattr(made, part)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


class Fails(hot.Hot):
    """Takes everything, and breaks."""

    def __init__(self) -> None:
        super().__init__(None)

    def take(self, method: bytes, target: bytes, headers: hot.Headers) -> hot.Work | None:
        async def work(body: bytes) -> hot.Response:
            raise RuntimeError(f"{method!r} {target!r} {len(headers)} {body!r}")

        return work


async def test_an_error_of_ours_is_a_500_that_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    state, wire = ServerState(), Wire()
    config = Config(cast("Any", lambda *_: None), http="httptools")
    made = front.Front(config, state, {}, addresses=Fails())
    made.connection_made(wire)

    made.data_received(b"GET /v1/jobs/x HTTP/1.1\r\nHost: here\r\n\r\n")
    await asyncio.gather(*state.tasks)

    assert wire.written.startswith(b"HTTP/1.1 500 ")
    assert b"connection: close\r\n" in wire.written
    assert wire.closed
    assert "an error of ours" in caplog.text
