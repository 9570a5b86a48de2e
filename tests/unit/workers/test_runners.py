"""The worker's side of a runner, against a process that is not there."""

import asyncio
import gc
import os
import pathlib
import socket

import msgspec
import pytest

from wire import jobs
from workers import errors, outcomes, process, protocol, runner_settings, runners


class Gone:
    """A process that has ended."""

    async def wait(self) -> process.Ended:
        return process.Ended(type=jobs.ErrorType.CRASHED, message="it was shot")

    async def end(self, *, grace: float) -> process.Ended:
        return await self.wait()


def frame(*message: object) -> bytes:
    """As the runner sends it."""
    packed = msgspec.msgpack.encode(message)
    return len(packed).to_bytes(4, "big") + packed


async def connected() -> None:
    """Its channel needs no socket: what comes is put into it."""


def runner(folder: pathlib.Path) -> runners.Runner:
    """One of a process that is not there, with a journal in a file."""
    (folder / "journal").write_bytes(bytes(protocol.JOURNAL_BYTES))
    journal = os.open(folder / "journal", os.O_RDWR)
    return runners.Runner(child=Gone(), journal=journal, settings=runner_settings.RunnerSettings())


async def test_a_runner_that_speaks_before_it_is_listened_to_is_heard(tmp_path: pathlib.Path) -> None:
    """Its first word lies in the socket when the worker, busy with other things, connects it. Read before anybody
    waited for it, it was dropped, and both sides waited for each other until load_timeout was over, five minutes."""
    ours, theirs = socket.socketpair()
    with theirs:
        # Given a runner that has said hello
        theirs.sendall(frame(protocol.HELLO, protocol.VERSION, 1, "3.11"))
        ours.setblocking(False)
        made = runner(tmp_path)

        async def connect() -> None:
            await asyncio.get_running_loop().create_connection(lambda: made.channel, sock=ours)
            await asyncio.sleep(0.05)  # what came is read meanwhile

        # When it is loaded
        loading = asyncio.create_task(made.load({}, timeout=10, connect=connect))
        # Then it is told to begin, and is ready when it says so
        theirs.settimeout(10)
        begin = await asyncio.to_thread(theirs.recv, 1 << 16)
        assert msgspec.msgpack.decode(begin[4:])[0] == protocol.START
        theirs.sendall(frame(protocol.READY, {"form": "list"}))
        await loading
        assert made.alive
        assert made.facts == {"form": "list"}
        await made.kill("the test is over")


async def test_a_runner_that_cannot_be_reached_is_ended_and_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    """Catches a future with an error that nobody looks at, which the loop then logs with another's traceback."""
    said: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

    async def refused() -> None:
        raise errors.StartFailed("refused")

    made = runner(tmp_path)
    with pytest.raises(errors.StartFailed, match="refused"):
        await made.load({}, timeout=10, connect=refused)
    assert not made.alive
    del made
    gc.collect()
    await asyncio.sleep(0)
    assert said == []


async def test_a_runner_that_ends_the_moment_it_is_ready_keeps_no_batch_waiting(tmp_path: pathlib.Path) -> None:
    """Its last message and the end of its socket are read in one go, before load() goes on: a runner that was then
    held for alive answered nobody for ever, and its worker's places were lost one by one."""
    made = runner(tmp_path)
    loading = asyncio.create_task(made.load({}, timeout=10, connect=connected))
    await asyncio.sleep(0)
    # Given a runner that says that it is ready, and is gone
    arrived = frame(protocol.READY, {})
    made.channel.get_buffer(-1)[: len(arrived)] = arrived
    made.channel.buffer_updated(len(arrived))
    made.channel.connection_lost(None)
    await loading
    # When a batch comes
    ran = await asyncio.wait_for(made.run([b"\x01"], together=True, timeout=60), 10)
    # Then it is told at once that nothing of it began
    assert not made.alive
    [lost] = ran.outcomes
    assert isinstance(lost, outcomes.Lost)
    assert not lost.began
