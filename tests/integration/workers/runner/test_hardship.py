"""Whatever a model does, run() answers, the worker lives, and only the guilty input is suspected."""

import asyncio
import contextlib
import os
import pathlib
import time

import pytest
import uvloop

from wire import jobs
from workers import errors, outcomes

from .conftest import Bench, given, plain, until

KILLERS = """
import ctypes, os, sys, time, signal
def predict(inputs):
    match inputs[0]:
        case "segfault": ctypes.string_at(0)
        case "exit": os._exit(7)
        case "hang": time.sleep(600)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "abort": os.abort()
        case "memory": return [len(bytearray(10**10))]
    return inputs
"""


@pytest.mark.parametrize(
    ("killer", "kind", "words"),
    [
        ("segfault", "crashed", "SIGSEGV"),
        ("exit", "crashed", "exit code 7"),
        ("kill", "crashed", "SIGKILL"),
        ("abort", "crashed", "SIGABRT"),
        ("hang", "timeout", "longer than 0.3 s"),
        ("stubborn", "timeout", "longer than 0.3 s"),
    ],
)
async def test_only_the_killer_is_suspected(bench: Bench, killer: str, kind: str, words: str) -> None:
    # Given two batches in flight, the first with a killer in its middle
    runner = await bench.start(KILLERS)
    first = runner.run([given("a"), given("b"), given(killer), given("c")], together=False, timeout=0.3)
    second = runner.run([given("d"), given("e")], together=False, timeout=0.3)
    # When they run
    one, two = await asyncio.gather(first, second)
    # Then what was answered before is kept, though it shared no frame yet
    assert [plain(o) for o in one.outcomes[:2]] == ["a", "b"]
    lost = [o for o in one.outcomes[2:] + two.outcomes if isinstance(o, outcomes.Lost)]
    assert [o.began for o in lost] == [True, False, False, False]
    assert lost[0].type == kind
    assert words in lost[0].message
    assert not runner.alive
    # And a dead runner answers at once
    again = await runner.run([given("a")], together=False, timeout=1)
    assert again.outcomes[0] == outcomes.Lost(jobs.ErrorType.CRASHED, "the runner had ended before", began=False)


async def test_together_suspects_all_of_the_batch(bench: Bench) -> None:
    runner = await bench.start("import os\ndef predict(inputs):\n    os._exit(1)\n")
    ran = await runner.run([given(1), given(2)], together=True, timeout=5)
    assert [o.began for o in ran.outcomes if isinstance(o, outcomes.Lost)] == [True, True]


async def test_the_timeout_is_of_one_call(bench: Bench) -> None:
    # Given calls that take 0.2 s each, a batch and a queue of them that take far longer than the timeout
    runner = await bench.start("import time\ndef predict(inputs):\n    time.sleep(0.2)\n    return inputs\n")
    batches = [runner.run([given(1)] * 4, together=False, timeout=0.6) for _ in range(2)]
    ran = await asyncio.gather(*batches)
    assert [plain(o) for r in ran for o in r.outcomes] == [1] * 8
    assert ran[0].predict_ms >= 800


async def test_memory_is_bounded(bench: Bench) -> None:
    runner = await bench.start(KILLERS, memory_mb=300)
    ran = await runner.run([given("memory"), given("fine")], together=False, timeout=20)
    assert getattr(ran.outcomes[0], "type", None) == jobs.ErrorType.OUT_OF_MEMORY
    if runner.alive:
        assert plain(ran.outcomes[1]) == "fine"


async def test_a_flood_of_lines_costs_neither_memory_nor_the_job(bench: Bench) -> None:
    source = (
        "import os\ndef predict(inputs):\n    line = b'x' * 99 + b'\\n'\n    block = line * 10_000\n"
        "    for _ in range(100):\n        left = block\n"
        "        while left:\n            left = left[os.write(1, left):]\n"
        "    os.write(1, b'y' * 10_000_000)\n    return ['done']\n"
    )
    runner = await bench.start(source)
    ran = await runner.run([given(1)], together=False, timeout=60)
    assert plain(ran.outcomes[0]) == "done"
    await runner.stop()
    assert len(bench.lines) < 100_000
    assert max(len(line) for line in bench.lines) < 20_000
    assert any("were dropped" in line for line in bench.lines)


@pytest.mark.parametrize(
    "garbage",
    [
        r"b'\x00\x00\x00\x02hi'", r"b'\xff\xff\xff\xff' + b'x' * 100", r"b'\x00\x00\x00\x01\xc1'",
        r"b'GET / HTTP/1.1\r\n\r\n'",
        r"b'\x00\x00\x00\x09\x96\x04\xce\x00\x00\x00\x01\x90\xc3'", r"b'\x00\x00\x00\x05\x95\x05\x01\xc0\xc0' * 3",
        r"b'\x00\x00\x00\x03\x92\x02\x80'",
    ],
)  # fmt: skip
async def test_garbage_on_the_socket_ends_the_runner_only(bench: Bench, garbage: str) -> None:
    source = f"""
import os, stat, time
def predict(inputs):
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.write(fd, {garbage})
        except OSError:
            pass
    time.sleep(600)
"""
    # it never answers: an answer that its journal holds when it is killed would count, and it may be that quick
    runner = await bench.start(source)
    ran = await runner.run([given(1)], together=False, timeout=60)
    lost = ran.outcomes[0]
    assert isinstance(lost, outcomes.Lost), lost
    assert lost.type is jobs.ErrorType.CRASHED
    assert "protocol" in lost.message


async def test_a_closed_socket_is_an_end(bench: Bench) -> None:
    source = "import os, time\ndef predict(inputs):\n    os.closerange(3, 64)\n    time.sleep(60)\n"
    runner = await bench.start(source)
    ran = await runner.run([given(1)], together=False, timeout=30)
    assert isinstance(ran.outcomes[0], outcomes.Lost)
    assert "closed its socket" in ran.outcomes[0].message


async def test_a_forged_journal_harms_nobody(bench: Bench) -> None:
    source = """
import os, struct
def predict(inputs):
    for line in open("/proc/self/maps"):
        if "panini-journal" in line:
            low, high = (int(n, 16) for n in line.split()[0].split("-"))
            import ctypes
            ctypes.memmove(low, struct.pack("<IIIId", 1, 0, 2**32 - 1, 100, 1e300) + b"\\xc1" * 200, 224)
    os._exit(1)
"""
    runner = await bench.start(source)
    ran = await runner.run([given(1), given(2)], together=False, timeout=5)
    assert [type(o) for o in ran.outcomes] == [outcomes.Lost, outcomes.Lost]


async def test_what_is_forked_ends_with_the_runner(bench: Bench) -> None:
    # Given a model that forks: in its group, in a session of its own, and by double fork
    source = """
import os, subprocess, sys, time
def predict(inputs):
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    subprocess.Popen(sleeper)
    subprocess.Popen(sleeper, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    if os.fork() == 0:
        return ["a second answer"]
    return ["one answer"]
"""
    before = _descendants()
    runner = await bench.start(source)
    ran = await runner.run([given(1), given(1)], together=False, timeout=10)
    assert [plain(o) for o in ran.outcomes] == ["one answer"] * 2
    assert len(_descendants() - before) > 5
    # When it is stopped, then all are gone
    await runner.stop()
    await until(lambda: not _descendants() - before)


async def test_kill_and_cancel(bench: Bench) -> None:
    runner = await bench.start("import time\ndef predict(inputs):\n    time.sleep(inputs[0])\n    return inputs\n")
    running = asyncio.ensure_future(
        runner.run([given(0.3), given(0), given(60)], together=False, timeout=90, ids=["a", "b", "c"])
    )
    await asyncio.sleep(0)
    runner.cancel(["b"])
    await asyncio.sleep(0.6)
    started = time.monotonic()
    await runner.kill("canceled")
    ran = await running
    assert time.monotonic() - started < 2
    assert plain(ran.outcomes[0]) == 0.3
    assert ran.outcomes[1] == outcomes.Lost(jobs.ErrorType.CRASHED, "canceled before it began", began=False)
    assert ran.outcomes[2] == outcomes.Lost(jobs.ErrorType.CRASHED, "canceled")


async def test_stop_lets_what_runs_end(bench: Bench) -> None:
    source = (
        "import atexit, time\natexit.register(print, 'tidied up')\n"
        "def predict(inputs):\n    time.sleep(0.2)\n    return inputs\n"
    )
    runner = await bench.start(source)
    running = asyncio.ensure_future(runner.run([given(1)], together=False, timeout=10))
    await asyncio.sleep(0)
    await runner.stop()
    assert plain((await running).outcomes[0]) == 1
    assert "tidied up" in bench.lines
    assert not list((bench.home / "scratch").iterdir())


async def test_large_values_go_both_ways(bench: Bench, doubling: str) -> None:
    runner = await bench.start(doubling)
    ran = await runner.run([given("x" * 3_000_000)] * 5 + [given("y")], together=False, timeout=20)
    assert [len(plain(o)) for o in ran.outcomes] == [6_000_000] * 5 + [2]


async def test_an_interpreter_that_is_not_there(bench: Bench, doubling: str) -> None:
    with pytest.raises(errors.StartFailed, match="no-python"):
        await bench.start(doubling, interpreter=pathlib.Path("/usr/bin/no-python"))


def test_uvloop_does_as_well(tmp_path: pathlib.Path) -> None:
    # Given the loop that workers may run on
    async def scenario() -> None:
        bench = Bench(tmp_path)
        runner = await bench.start("print('hello')\n" + KILLERS)
        ran = await runner.run([given("x" * 1_000_000), given("segfault")], together=False, timeout=5)
        assert len(plain(ran.outcomes[0])) == 1_000_000
        assert isinstance(ran.outcomes[1], outcomes.Lost)
        hangs = await bench.start(KILLERS)
        ran = await hangs.run([given("hang")], together=False, timeout=0.2)
        assert getattr(ran.outcomes[0], "type", "") == "timeout"
        fine = await bench.start(KILLERS)
        await fine.stop()
        assert "hello" in bench.lines

    # When a runner lives, crashes, hangs and stops on it, then all is as on asyncio's own
    uvloop.run(scenario())


async def test_the_loop_keeps_nothing(bench: Bench, doubling: str) -> None:
    descriptors = _open_descriptors()
    for _ in range(3):
        runner = await bench.start(doubling)
        await runner.run([given(1)], together=False, timeout=5)
        await runner.stop()
    assert _open_descriptors() <= descriptors + 1


def _open_descriptors() -> int:
    folder = pathlib.Path("/dev/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def _descendants() -> set[int]:
    """Processes below this one, by their parents, and those of a runner's scratch folder that lost theirs."""
    parents: dict[int, int] = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


async def test_descriptors_that_a_model_leaks_are_its_own(bench: Bench) -> None:
    """Catches descriptors that a runner shares with its worker, and leftovers of a runner that ended."""
    # Given a model that keeps a listening socket and three files of each call, and may have few
    source = """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
KEPT = []
def predict(inputs):
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    KEPT.append([sock] + [open("/dev/null") for _ in range(3)])
    return [sock.getsockname()[1]]
"""
    before = _open_descriptors()
    runner = await bench.start(source)
    own = _open_descriptors()
    # When it is called until it has no more
    ports = []
    while isinstance(outcome := (await runner.run([given(1)], together=False, timeout=5)).outcomes[0], outcomes.Output):
        ports.append(plain(outcome))
    # Then that is its author's error, which says so, in a runner that lives; the worker has what it had
    assert isinstance(outcome, outcomes.Failure)
    assert outcome.type is jobs.ErrorType.PREDICT_ERROR
    assert "Too many open files" in outcome.message
    assert len(ports) > 2
    assert runner.alive
    assert _open_descriptors() <= own
    # ... and with the runner all are gone
    await runner.stop()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    assert _open_descriptors() <= before + 1
