"""A child process: its life, its death, and that nothing outlives its parent."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from panini.stack import errors, pidfile, process, ready

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PARENT = """
import asyncio, pathlib, sys
sys.path[:] = sys.argv[2:]
from panini.stack import process

async def main():
    folder = pathlib.Path(sys.argv[1])
    child = process.Child(process.Spec(name="child", argv=("sleep", "600"), cwd=folder,
                                       log=folder / "log", pid_file=folder / "child.json"))
    await child.start()
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""

Make = Callable[..., process.Child]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes children, and stops them at the end."""
    made: list[process.Child] = []

    def one(*argv: str, stdin: bytes = b"", cwd: Path = tmp_path) -> process.Child:
        log, note = tmp_path / "logs" / "child.log", tmp_path / "run" / "child.json"
        made.append(process.Child(process.Spec(name="child", argv=argv, cwd=cwd, log=log, pid_file=note, stdin=stdin)))
        return made[-1]

    yield one
    for child in made:
        await child.stop(0)


async def said(child: process.Child, word: str) -> None:
    async with asyncio.timeout(20):
        while word not in child.log_of_this_run():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether the process ends within seconds."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if pidfile.identity(pid) is None:
            return True
        time.sleep(0.01)
    return False


async def test_it_runs_to_its_end_with_its_input_and_output(make: Make, tmp_path: Path) -> None:
    child = make("sh", "-c", "cat; pwd; echo oops >&2; exit 7", stdin=b"secret ")
    await child.start()
    assert await child.wait() == 7
    assert await child.wait() == 7
    assert child.log_of_this_run() == f"secret {tmp_path}\noops\n"
    assert not child.running
    assert not child.spec.pid_file.exists()


async def test_its_log_goes_on_and_this_runs_part_is_known(make: Make) -> None:
    for word in ("first", "second"):
        child = make("echo", word)
        await child.start()
        await child.wait()
        assert child.log_of_this_run() == f"{word}\n"
    assert child.spec.log.read_text() == "first\nsecond\n"


async def test_a_log_that_grew_large_is_moved_aside(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 3)
    for word in ("first", "second"):
        child = make("echo", word)
        await child.start()
        await child.wait()
    assert child.log_of_this_run() == child.spec.log.read_text() == "second\n"
    assert child.spec.log.with_name("child.log.1").read_text() == "first\n"


async def test_it_leads_a_session_of_its_own(make: Make) -> None:
    child = make("sleep", "600")
    await child.start()
    assert os.getpgid(child.pid) == os.getsid(child.pid) == child.pid
    assert pidfile.running(child.spec.pid_file) == child.pid
    assert await child.stop(20) == -signal.SIGTERM
    assert not child.spec.pid_file.exists()


async def test_one_that_does_not_end_is_killed_after_its_grace(make: Make) -> None:
    child = make(sys.executable, "-c", STUBBORN)
    await child.start()
    await said(child, "up")
    assert await child.stop(0.05) == -signal.SIGKILL


async def test_what_it_left_in_its_group_is_killed_with_it(make: Make) -> None:
    child = make("sh", "-c", "sleep 600 & echo left $!; wait")
    await child.start()
    await said(child, "left")
    left = int(child.log_of_this_run().split()[1])
    await child.stop(20)
    assert await asyncio.to_thread(gone, left)


async def test_stop_is_harmless_before_the_start_and_after_the_end(make: Make) -> None:
    child = make("true")
    assert await child.stop(0) == 0
    await child.start()
    await child.wait()
    assert await child.stop(0) == 0


async def test_a_program_that_cannot_run_is_told_in_the_log(make: Make) -> None:
    child = make("/nonexistent/program")
    await child.start()
    assert await child.wait() == 1
    assert child.log_of_this_run() == "cannot run /nonexistent/program: No such file or directory\n"


async def test_a_folder_that_is_missing_is_an_error(make: Make, tmp_path: Path) -> None:
    with pytest.raises(errors.ServerFailed, match="child could not be started"):
        await make("true", cwd=tmp_path / "missing").start()


async def test_waiting_for_an_answer_ends_when_the_process_does(make: Make) -> None:
    child = make("sh", "-c", "echo noise; echo reason; exit 3")
    await child.start()
    with pytest.raises(errors.ServerFailed, match=r"child ended with code 3(?s:.*)reason$") as caught:
        await ready.first(child, asyncio.sleep(600), 20, ["noise"])
    assert "noise" not in str(caught.value)


async def test_waiting_for_an_answer_has_an_end(make: Make) -> None:
    child = make("sleep", "600")
    await child.start()
    with pytest.raises(errors.ServerFailed, match="did not answer within 0 s"):
        await ready.first(child, asyncio.sleep(600), 0.01)
    await ready.first(child, asyncio.sleep(0), 20)
    assert child.running


@pytest.mark.skipif(sys.platform != "linux", reason="platform: elsewhere the next start ends what was left")
def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PARENT, str(tmp_path), *sys.path]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


async def test_what_a_killed_parent_left_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "run" / "left.json"
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True) as left:
        assert left.stdout is not None
        left.stdout.readline()
        pidfile.write(note, left.pid)
        assert await pidfile.stop_left(note, name="It", grace=0.05)
        assert not note.exists()
    assert left.returncode == -signal.SIGKILL
    assert not await pidfile.stop_left(note, name="It", grace=0.05)


@pytest.mark.parametrize("text", ["", "{", '{"pid": "x"}', '{"pid": 1}', "[]"])
async def test_a_damaged_note_is_no_process(tmp_path: Path, text: str) -> None:
    note = tmp_path / "note.json"
    note.write_text(text)
    assert pidfile.running(note) is None
    assert not await pidfile.stop_left(note, name="It", grace=0)


async def test_a_stranger_that_got_the_pid_is_left_alone(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    with subprocess.Popen(["sleep", "600"]) as stranger, contextlib.closing(_Killed(stranger)):
        pidfile.write(note, stranger.pid)
        note.write_text(note.read_text().replace('"started": "', '"started": "earlier-'))
        assert not await pidfile.stop_left(note, name="It", grace=0)
        assert stranger.poll() is None


class _Killed:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def close(self) -> None:
        self._process.kill()
