"""What the short way stands on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from panini import api, front, heads, hot
from results import answers, looking


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


class Way:
    """Breaks, if it is asked to; else repeats what it was told, or what a header says."""

    lasting = True
    holds = True

    def __init__(self, headers: hot.Headers) -> None:
        self.length = int(headers.get(b"content-length", b"0"))
        self._breaks = b"x-break" in headers
        self._says = headers.get(b"x-say")
        self._waits = b"x-wait" in headers

    def begin(self, said: bytes) -> hot.Said:
        if self._waits:
            return looking.Later(asyncio.ensure_future(asyncio.sleep(0, said)), self._told)
        return self._tell(said)

    def _told(self, future: asyncio.Future[bytes]) -> hot.Said:
        return self._tell(future.result())

    def _tell(self, said: bytes) -> answers.Answer:
        if self._breaks:
            raise RuntimeError(said)
        return answers.Answer(200, {"X-Kind": "told"}, said if self._says is None else self._says)


class Takes(hot.Hot):
    """Takes everything, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked = 0

    def take(self, method: bytes, target: bytes, headers: hot.Headers) -> hot.Way | None:
        self.asked += 1
        return Way(headers) if method and target else None


class Connection:
    """One with a server that takes everything."""

    def __init__(self) -> None:
        self.state, self.wire, self.takes = ServerState(), Wire(), Takes()
        config = Config(cast("Any", lambda *_: None), http="httptools")
        self.made = front.Front(config, self.state, {}, addresses=self.takes, known=heads.Heads())
        self.made.connection_made(self.wire)

    async def says(self, data: bytes) -> bytes:
        """What comes back."""
        self.wire.written = b""
        self.made.data_received(data)
        while self.state.tasks:  # noqa: ASYNC110  the connection tells nobody that it has answered
            await asyncio.sleep(0)
        return self.wire.written

    def leave(self) -> None:
        """The client hangs up."""
        self.made.connection_lost(None)


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    made = Connection()
    yield made
    made.leave()


POST = b"POST /v1/models/m/jobs HTTP/1.1\r\nContent-Length: 4\r\n\r\n"
GET = b"GET /v1/jobs/j_" + b"x" * 32 + b" HTTP/1.1\r\nHost: here\r\n\r\n"


async def test_a_head_that_came_before_is_not_looked_at_again(connection: Connection) -> None:
    answers = [await connection.says(POST + body) for body in (b"1234", b"5678", b"9012")]
    looks = [await connection.says(GET.replace(b"x" * 32, some * 32)) for some in (b"a", b"b")]

    assert [answer[-8:] for answer in answers] == [b"\r\n\r\n1234", b"\r\n\r\n5678", b"\r\n\r\n9012"]
    assert [look[-34:] for look in looks] == [b"j_" + b"a" * 32, b"j_" + b"b" * 32]
    assert all(b"\r\nx-kind: told\r\n" in b"\r\n" + answer for answer in answers)
    assert connection.takes.asked == 2
    assert connection.state.total_requests == 5


async def test_a_known_head_in_two_parts_and_then_in_one(connection: Connection) -> None:
    await connection.says(POST + b"1234")

    assert await connection.says(POST) == b""
    assert (await connection.says(b"5678")).endswith(b"5678")
    assert await connection.says(POST[:20]) == b""
    assert (await connection.says(POST[20:] + b"9012")).endswith(b"9012")
    assert (await connection.says(POST + b"3456")).endswith(b"3456")
    assert connection.takes.asked == 3


async def test_nothing_is_taken_for_a_head_in_the_middle_of_a_body(connection: Connection) -> None:
    await connection.says(GET)
    body = b"x" * 10 + GET
    head = POST.replace(b"Length: 4", b"Length: %d" % len(body))

    assert await connection.says(head + body[:10]) == b""
    assert (await connection.says(body[10:])).endswith(body)


async def test_a_connection_in_use_is_not_closed_when_its_first_timer_ends(connection: Connection) -> None:
    await connection.says(GET)
    first = connection.made.timeout_keep_alive_task
    await connection.says(GET)
    assert first is connection.made.timeout_keep_alive_task

    connection.made.timeout_keep_alive_handler()
    assert not connection.wire.closed
    assert connection.made.timeout_keep_alive_task not in {first, None}

    connection.made.timeout_keep_alive = 0
    connection.made.timeout_keep_alive_handler()
    assert connection.wire.closed


async def test_of_a_header_that_comes_twice_the_first_counts(connection: Connection) -> None:
    twice = b"X-Say: one\r\nHost: here\r\nx-say: two"

    assert [(await connection.says(GET.replace(b"Host: here", twice)))[-7:] for _ in range(2)] == [b"\r\n\r\none"] * 2


async def test_an_answer_that_waits_for_something(connection: Connection) -> None:
    waits = GET.replace(b"Host", b"X-Wait: yes\r\nHost")

    assert [(await connection.says(waits))[-34:] for _ in range(3)] == [b"j_" + b"x" * 32] * 3


async def test_what_still_waits_when_the_server_s_grace_is_over(connection: Connection) -> None:
    connection.made.data_received(GET.replace(b"Host", b"X-Wait: yes\r\nHost"))

    for task in connection.state.tasks:
        task.cancel()

    assert await connection.says(b"") == b""
    assert connection.wire.closed


@pytest.mark.parametrize("when", [b"", b"X-Wait: yes\r\n"])
async def test_an_error_of_ours_is_a_500_that_ends_the_connection(
    connection: Connection, caplog: pytest.LogCaptureFixture, when: bytes
) -> None:
    wire = connection.wire

    await connection.says(b"GET /v1/jobs/x HTTP/1.1\r\nHost: here\r\nX-Break: yes\r\n" + when + b"\r\n")

    assert wire.written.startswith(b"HTTP/1.1 500 ")
    assert b"connection: close\r\n" in wire.written
    assert wire.closed
    assert "an error of ours" in caplog.text
    # And it says what the application would
    app = api.make("ingest")

    @app.get("/breaks")
    def breaks() -> None:
        raise RuntimeError

    over = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=over, base_url="http://here") as http:
        asked = await http.get("/breaks")
    assert wire.written.endswith(b"\r\n\r\n" + asked.content)
    assert b"\r\ncontent-type: " + asked.headers["content-type"].encode() + b"\r\n" in wire.written
