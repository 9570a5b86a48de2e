"""The worker's side of a runner, against a process that is not there."""

import asyncio
import os
import pathlib

import msgspec

from wire import jobs
from workers import outcomes, process, protocol, runner_settings, runners


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


async def test_a_runner_that_ends_the_moment_it_is_ready_keeps_no_batch_waiting(tmp_path: pathlib.Path) -> None:
    """Its last message and the end of its socket are read in one go, before load() goes on: a runner that was then
    held for alive answered nobody for ever, and its worker's places were lost one by one."""
    (tmp_path / "journal").write_bytes(bytes(protocol.JOURNAL_BYTES))
    journal = os.open(tmp_path / "journal", os.O_RDWR)
    runner = runners.Runner(child=Gone(), journal=journal, settings=runner_settings.RunnerSettings())
    loading = asyncio.create_task(runner.load({}, timeout=10))
    await asyncio.sleep(0)
    # Given a runner that says that it is ready, and is gone
    arrived = frame(protocol.READY, {})
    runner.channel.get_buffer(-1)[: len(arrived)] = arrived
    runner.channel.buffer_updated(len(arrived))
    runner.channel.connection_lost(None)
    await loading
    # When a batch comes
    ran = await asyncio.wait_for(runner.run([b"\x01"], together=True, timeout=60), 10)
    # Then it is told at once that nothing of it began
    assert not runner.alive
    [lost] = ran.outcomes
    assert isinstance(lost, outcomes.Lost)
    assert not lost.began
