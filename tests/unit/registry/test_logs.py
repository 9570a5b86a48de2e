"""Versions' logs: numbers, rotation, following."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registry import changes, follow, logs
from wire import specs

BUILDING, LIVE, FAILED = specs.VersionState.BUILDING, specs.VersionState.LIVE, specs.VersionState.FAILED


@pytest.fixture
def log(tmp_path: Path) -> logs.Log:
    """An empty log of 2000 bytes."""
    return logs.Log(tmp_path / "log", 2000)


async def read(log: logs.Log, after: int = 0) -> list[tuple[int, str]]:
    """All lines."""
    return [(line.number, line.text) async for line in log.every(after)]


async def test_lines_count_from_one(log: logs.Log) -> None:
    assert await log.append("one\ntwo\n") == 2
    assert await log.append("\nfour") == 4
    assert await read(log) == [(1, "one"), (2, "two"), (3, ""), (4, "four")]
    assert await read(log, after=3) == [(4, "four")]
    assert await read(log, after=9) == []


async def test_a_log_without_lines(log: logs.Log) -> None:
    assert await read(log) == []


async def test_numbers_go_on_after_a_restart(log: logs.Log, tmp_path: Path) -> None:
    await log.append("one\ntwo")
    again = logs.Log(tmp_path / "log", 2000)
    assert await again.append("three") == 3
    assert await read(again) == [(1, "one"), (2, "two"), (3, "three")]


async def test_a_line_that_a_crash_cut_off_is_ended(log: logs.Log, tmp_path: Path) -> None:
    # Given
    await log.append("one")
    with (tmp_path / "log" / "1.log").open("ab") as file:
        file.write(b"hal")
    again = logs.Log(tmp_path / "log", 2000)
    assert await read(again) == [(1, "one")]
    # When
    await again.append("three")
    # Then
    assert await read(again) == [(1, "one"), (2, "hal"), (3, "three")]


async def test_the_newest_lines_are_kept_with_their_numbers(log: logs.Log, tmp_path: Path) -> None:
    # When
    for number in range(1, 501):
        await log.append(f"line {number}")
    # Then
    found = await read(log)
    assert found[-1] == (500, "line 500")
    assert [number for number, _ in found] == list(range(found[0][0], 501))
    assert all(text == f"line {number}" for number, text in found)
    kept = sum(path.stat().st_size for path in (tmp_path / "log").iterdir())
    assert 1000 <= kept <= 2000 + 100


async def test_one_huge_append_is_rotated_too(log: logs.Log) -> None:
    await log.append("\n".join(f"line {number}" for number in range(1, 5001)))
    found = await read(log)
    assert found[-1] == (5000, "line 5000")
    assert len(found) < 400


async def test_a_cursor_survives_rotation(log: logs.Log) -> None:
    cursor, seen = logs.Cursor(), []
    for number in range(1, 301):
        await log.append(f"line {number}")
        if number % 40 == 0:  # less than half a log, so that none is missed
            seen += [line.number for line in await log.read(cursor)]
    assert seen == list(range(1, 281))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain\ttext é", "plain\ttext é"),
        ("10%\r50%\r100%", "100%"),
        ("done\r", "done"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("null\x00 bell\x07", "null bell"),
        ("x" * 20_000, "x" * logs.MAX_LINE),
        ("é" * 20_000, "é" * (logs.MAX_LINE // 2)),
        ("\udc80", ""),
    ],
)
def test_what_a_line_keeps(line: str, shown: str) -> None:
    assert logs.clean(line) == shown


async def _follow(
    log: logs.Log, states: list[specs.VersionState], until: follow.Until = follow.Until.BUILT, after: int = 0
) -> AsyncIterator[object]:
    async def look() -> tuple[specs.VersionState, str]:
        return states[-1], str(states[-1])

    async for event in follow.follow(log, look, after=after, until=until, heartbeat=30):
        yield event


async def test_following_ends_with_the_build(log: logs.Log) -> None:
    # Given
    states = [BUILDING]
    await log.append("one")
    stream = _follow(log, states)
    assert await anext(stream) == logs.Line(1, "one")
    # When a line comes while the follower waits, and then the end
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await log.append("two")
    assert await waiting == logs.Line(2, "two")
    await log.append("three")
    states.append(LIVE)
    log.changes.bump()
    # Then
    assert [event async for event in stream] == [logs.Line(3, "three"), follow.State("live")]


async def test_following_a_built_version_tells_all_and_ends(log: logs.Log) -> None:
    await log.append("one\ntwo")
    assert [event async for event in _follow(log, [FAILED], after=1)] == [logs.Line(2, "two"), follow.State("failed")]


async def test_following_for_ever_goes_on_after_the_build(log: logs.Log) -> None:
    stream = _follow(log, [LIVE], follow.Until.NEVER)
    assert await anext(stream) == follow.State("live")
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await log.append("printed by the model")
    assert await waiting == logs.Line(1, "printed by the model")
    await log.remove()
    assert [event async for event in stream] == []


async def test_silence_is_told(log: logs.Log) -> None:
    async def look() -> tuple[specs.VersionState, None]:
        return BUILDING, None

    stream = follow.follow(log, look, after=0, until=follow.Until.BUILT, heartbeat=0.001)
    assert await anext(stream) == follow.Quiet()
    log.changes.release()
    assert [event async for event in stream] == []


async def test_a_change_wakes_everyone_who_waits() -> None:
    # Given
    changed = changes.Changes()
    waiting = [asyncio.ensure_future(changed.wait(0, 30)) for _ in range(3)]
    await asyncio.sleep(0)
    # When
    changed.bump()
    # Then
    assert await asyncio.gather(*waiting) == [True, True, True]
    assert await changed.wait(0, 30)
    assert not await changed.wait(1, 0.001)
    changed.release()
    assert await changed.wait(1, 30)
    assert not await changed.wait(changed.number, 30)
