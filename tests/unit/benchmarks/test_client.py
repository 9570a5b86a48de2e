"""The benchmarks' HTTP client: what it reads, and how users drive it, against the server that does nothing."""

import asyncio

import pytest

from benchmarks import client, inputs, load, null, targets, users

WHOLE = b'HTTP/1.1 202 Accepted\r\nContent-Type: a/b\r\ncontent-length: 8\r\n\r\n{"id":1}'


def test_a_reply_is_read_when_it_is_whole() -> None:
    assert client.parse(WHOLE) == client.Reply(202, b'{"id":1}')
    for size in range(len(WHOLE)):
        assert client.parse(WHOLE[:size]) is None


@pytest.mark.parametrize("name", [b"Content-Length", b"content-length", b"CONTENT-LENGTH"])
def test_the_length_is_found_however_it_is_written(name: bytes) -> None:
    assert client.parse(b"HTTP/1.1 200 OK\r\n" + name + b": 2\r\nX: y\r\n\r\n{}") == client.Reply(200, b"{}")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", id="chunked"),
        pytest.param(WHOLE + b"x", id="more than one reply"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", id="another protocol"),
    ],
)
def test_what_it_does_not_read_is_an_error(data: bytes) -> None:
    with pytest.raises(client.Lost):
        client.parse(data)


def test_a_request_says_its_length_where_it_has_a_body() -> None:
    target = targets.Target(host="h", port=1, headers="X: y\r\n")

    posted, got = target.post("[1]", wait=2), target.get(b"j_1")

    assert posted.endswith(b'Content-Length: 13\r\n\r\n{"input":[1]}')
    assert b"Prefer: wait=2\r\n" in posted
    assert got == b"GET /jobs/j_1 HTTP/1.1\r\nHost: h:1\r\nX: y\r\n\r\n"


async def _served(reply: bytes = null.REPLY) -> tuple[asyncio.Server, targets.Target]:
    class Canned(null.Null):
        def data_received(self, data: bytes) -> None:
            assert self._transport is not None
            self._transport.write(reply) if reply else self._transport.close()

    server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, targets.Target(host="127.0.0.1", port=port)


async def test_users_play_until_the_time_is_over() -> None:
    server, target = await _served()
    async with server:
        outcome = await load.closed(
            4, users.touch, target, inputs.endless("a"), roles=[], spell=load.Spell(warm=0.0, measured=0.1)
        )

    assert outcome.jobs > 4
    assert outcome.wrong == 0


async def test_the_open_loop_starts_as_many_jobs_as_are_due() -> None:
    server, target = await _served()
    async with server:
        spell = load.Spell(warm=0.05, measured=0.2)
        outcome = await load.opened(100, users.touch, target, inputs.endless("a"), roles=[], spell=spell)

    assert outcome.jobs == 20


async def test_a_wrong_answer_is_counted_and_shown() -> None:
    body = b'{"status":"succeeded","output":{"species":"rose","probability":1.0}}'
    server, target = await _served(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    async with server:
        spell = load.Spell(warm=0.0, measured=0.05)
        outcome = await load.closed(1, users.call, target, inputs.endless("a"), roles=[], spell=spell)

    assert outcome.wrong > 0
    assert "rose" in outcome.example


async def test_what_ends_a_user_ends_the_run() -> None:
    server, target = await _served(b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n")
    async with server:
        with pytest.raises(targets.Unexpected, match="503"):
            await load.closed(2, users.wait, target, inputs.endless("a"), roles=[], spell=load.Spell(measured=30))


async def test_a_closed_connection_ends_the_run() -> None:
    server, target = await _served(b"")
    async with server:
        with pytest.raises(client.Lost):
            await load.closed(2, users.touch, target, inputs.endless("a"), roles=[], spell=load.Spell(measured=30))


def test_a_poller_looks_until_the_job_ended() -> None:
    # Given a user who polls
    item, log = next(inputs.endless("a")), users.Log()
    user = users.poll(users.Pace(first=1, factor=2, most=3))(targets.Target(host="h", port=1), item, log, 0.0)

    # When the job is accepted, still open twice, then done
    posted = user.send(None)
    delays = [user.send(client.Reply(202, b'{"id":"j_1","status":"queued"}'))]
    for _ in range(2):
        assert isinstance(user.send(None), bytes)
        delays.append(user.send(client.Reply(200, b'{"id":"j_1","status":"running"}')))
    user.send(None)
    with pytest.raises(StopIteration):
        user.send(client.Reply(200, b'{"status":"succeeded","output":' + item.answer + b"}"))

    # Then it looked three times, later each time
    assert isinstance(posted, bytes)
    assert delays == [1, 2, 3]
    assert log.looks == 3
    assert len(log.took) == 1
    assert log.wrong == 0
