"""The library's real connection, to a server of ours that answers byte by byte as the test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiokafka.errors
import pytest
import pytest_asyncio
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol import admin, fetch

from workers import fetch_frames, fetch_wire

WANTED = fetch_frames.Wanted([("jobs", [(0, 5, 100)])], wait_ms=250, least=1, most=1 << 20, isolation=1)


def framed(number: int, body: bytes) -> bytes:
    """An answer to that request, as it is sent."""
    return (len(body) + 4).to_bytes(4, "big") + number.to_bytes(4, "big") + body


def records(number: int, data: bytes) -> bytes:
    """An answer with these records of jobs[0]."""
    return framed(number, fetch.FetchResponse_v11(0, 0, 0, [("jobs", [(0, 0, 9, 9, 0, [], -1, data)])]).encode())


VERSIONS = admin.ApiVersionResponse_v0(0, [(1, 4, 17), (18, 0, 0)]).encode()


class Server:
    """One connection's other end."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        """Key and number of each request."""
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note what is asked."""
        self.writer = writer
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                request = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
                self.asked.put_nowait((int.from_bytes(request[:2], "big"), int.from_bytes(request[4:8], "big")))

    def say(self, data: bytes) -> None:
        """Send bytes."""
        assert self.writer is not None
        self.writer.write(data)

    async def next(self) -> int:
        """The number of the next request."""
        return (await asyncio.wait_for(self.asked.get(), 10))[1]


class Bench:
    """A connection that is up, and its server."""

    def __init__(self, server: Server, connection: Any) -> None:
        self.server = server
        self.connection = connection

    @property
    def wire(self) -> fetch_wire.Wire:
        """What reads the connection."""
        found = fetch_wire.Wire.of(self.connection)
        assert found is not None
        return found

    def ask(self) -> "asyncio.Task[fetch_frames.Answer]":
        """Fetch."""
        return asyncio.create_task(self.wire.ask(WANTED))


async def up(server: Server, port: int) -> Any:
    """A connection of the library's, that has asked for the versions."""
    connection = AIOKafkaConnection("127.0.0.1", port, client_id="worker", request_timeout_ms=10_000)
    connecting = asyncio.create_task(connection.connect())
    server.say(framed(await server.next(), VERSIONS))
    await connecting
    return connection


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        connection = await up(server, listening.sockets[0].getsockname()[1])
        try:
            yield Bench(server, connection)
        finally:
            closed = connection.close()
            if closed is not None:
                await closed
            if server.writer is not None:
                server.writer.close()


async def test_answers_are_cut_out_of_what_comes(bench: Bench) -> None:
    """Byte by byte, two in one piece, one and a half."""
    for pieces in (1, 7, 1000):
        asked = [bench.ask(), bench.ask(), bench.ask()]
        numbers = [await bench.server.next() for _ in asked]
        stream = b"".join(records(number, b"r%d" % place) for place, number in enumerate(numbers))
        for start in range(0, len(stream), pieces):
            bench.server.say(stream[start : start + pieces])
            await asyncio.sleep(0)
        answers = [await asyncio.wait_for(one, 10) for one in asked]
        assert [answer.found[0].records for answer in answers] == [b"r0", b"r1", b"r2"]


async def test_what_the_library_asks_is_answered_beside_it(bench: Bench) -> None:
    wire = bench.wire
    first = bench.ask()
    number = await bench.server.next()
    usual = asyncio.ensure_future(bench.connection.send(admin.ApiVersionRequest()))
    between = await bench.server.next()
    last = bench.ask()
    bench.server.say(records(number, b"a") + framed(between, VERSIONS) + records(await bench.server.next(), b"b"))
    assert (await asyncio.wait_for(first, 10)).found[0].records == b"a"
    assert (await asyncio.wait_for(usual, 10)).api_versions[0][:1] == (1,)
    assert (await asyncio.wait_for(last, 10)).found[0].records == b"b"
    assert bench.wire is wire


async def test_a_connection_is_left_to_the_library_while_it_waits_for_an_answer(bench: Bench) -> None:
    """Its reader may have half of it."""
    usual = asyncio.ensure_future(bench.connection.send(admin.ApiVersionRequest()))
    number = await bench.server.next()
    assert fetch_wire.Wire.of(bench.connection) is None
    bench.server.say(framed(number, VERSIONS))
    await asyncio.wait_for(usual, 10)
    assert fetch_wire.Wire.of(bench.connection) is not None


async def test_a_lost_connection_fails_what_was_asked(bench: Bench) -> None:
    asked = bench.ask()
    await bench.server.next()
    assert bench.server.writer is not None
    bench.server.writer.close()
    with pytest.raises(aiokafka.errors.KafkaConnectionError):
        await asyncio.wait_for(asked, 10)
    assert not bench.connection.connected()
    assert fetch_wire.Wire.of(bench.connection) is None


@pytest.mark.parametrize("why", ["another number", "cut short"])
async def test_an_answer_that_cannot_be_one_closes_the_connection(bench: Bench, why: str) -> None:
    asked = bench.ask()
    number = await bench.server.next()
    bench.server.say(records(number + 1, b"a") if why == "another number" else framed(number, b"\0" * 11))
    with pytest.raises(aiokafka.errors.KafkaConnectionError):
        await asyncio.wait_for(asked, 10)
    assert not bench.connection.connected()


async def test_a_broker_that_says_nothing_is_given_up(bench: Bench) -> None:
    bench.connection._request_timeout = 0.05
    asked = bench.ask()
    with pytest.raises(aiokafka.errors.RequestTimedOutError):
        await asyncio.wait_for(asked, 10)
    assert not bench.connection.connected()


async def test_who_asks_no_more_is_owed_nothing(bench: Bench) -> None:
    """An assignment that ended cancels what asks for it; its answer comes all the same."""
    gone = bench.ask()
    number = await bench.server.next()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    asked = bench.ask()
    bench.server.say(records(number, b"old") + records(await bench.server.next(), b"new"))
    assert (await asyncio.wait_for(asked, 10)).found[0].records == b"new"
