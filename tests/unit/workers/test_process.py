"""A runner's process."""

import asyncio
import os
import sys

import pytest

from workers import process


async def test_a_start_that_is_canceled_kills_no_group_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches `if self._pid` of LocalChild._kill_group taken out: a worker told to stop while it starts a runner then
    kills itself and its neighbours (group 0 is one's own) instead of draining."""
    killed: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _: killed.append(group))
    # Given a child that is being started
    child = process.LocalChild(on_line=print, line_bytes=1000, rate=1000)
    started = asyncio.create_task(child.start([sys.executable, "-c", "input()"], environ={}, descriptors=[]))
    await asyncio.sleep(0)
    # When that is given up
    started.cancel()
    with pytest.raises(asyncio.CancelledError):
        await started
    # Then the loop has ended the child, and nobody else was meant
    assert killed == []
