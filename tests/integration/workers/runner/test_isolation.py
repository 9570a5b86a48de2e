"""Model code holds no credential: tried for real, at the strongest level this machine offers."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from workers import folders, host, kit, sandbox

from .conftest import Bench, given, plain, until

SPY = """
import glob, os, signal
def tried(what):
    try:
        return str(what())
    except OSError as error:
        return type(error).__name__
def predict(inputs):
    home, key, other, worker = inputs[0]
    return [{
        "secret": tried(lambda: open(home + "/secrets/panini_kafka_password").read()),
        "home": sorted(os.listdir(home)),
        "key": tried(lambda: open(key).read()),
        "other": tried(lambda: open(other).read()),
        "environ": tried(lambda: b"PANINI" in open(f"/proc/{worker}/environ", "rb").read()),
        "environs": sorted({tried(lambda: b"PANINI_CANARY" in open(p, "rb").read())
                            for p in glob.glob("/proc/[0-9]*/environ")}),
        "memory": tried(lambda: open(f"/proc/{worker}/mem", "rb")),
        "signal": tried(lambda: os.kill(worker, 0)),
        "unmount": os.system(f"umount {home} 2>/dev/null || unshare -Urm umount {home} 2>/dev/null") != 0,
        "kit": tried(lambda: open(glob.glob(home + "/kit/*/start.py")[0], "a")),
        "cwd": tried(lambda: open("made.txt", "w").close()),
        "blob": tried(lambda: open(home + "/cache/blobs/x").read()),
        "capabilities": [l.split()[1] for l in open("/proc/self/status") if l.startswith(("CapEff", "CapBnd"))],
    }]
"""


def _level(home: pathlib.Path) -> sandbox.Level:
    return sandbox.probe(sandbox.view(home, show={}, need=())).level


async def test_a_model_cannot_reach_the_installation(
    bench: Bench, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given secrets in the home, a key file elsewhere, another model's files, and a variable of ours
    if _level(bench.home) is not sandbox.Level.NAMESPACES:
        pytest.skip("platform: this machine offers no namespaces")
    monkeypatch.setenv("PANINI_CANARY", "sings")
    key = tmp_path / "key"
    key.write_text("pn_secret")
    other = bench.home / "versions" / "default.other" / "predict.py"
    other.parent.mkdir(parents=True)
    other.write_text("another tenant's")
    (bench.home / "cache" / "blobs").mkdir(parents=True)
    (bench.home / "cache" / "blobs" / "x").write_text("a blob")
    bench.hide = (key,)
    # When a model looks around
    runner = await bench.start(SPY)
    ran = await runner.run([given([str(bench.home), str(key), str(other), os.getpid()])], together=False, timeout=20)
    seen = plain(ran.outcomes[0])
    # Then it finds its own things and nothing else
    assert seen == {
        "secret": "FileNotFoundError",
        "home": ["cache", "kit", "scratch", "versions"],
        "key": "",
        "other": "FileNotFoundError",
        "environ": "FileNotFoundError",
        "environs": ["False", "PermissionError"],
        "memory": "FileNotFoundError",
        "signal": "ProcessLookupError",
        "unmount": True,
        "kit": "OSError",
        "cwd": "None",
        "blob": "FileNotFoundError",
        "capabilities": ["0000000000000000", "0000000000000000"],
    }


async def test_protect_self_hides_the_environment_from_the_same_user() -> None:
    # Given a process of ours that protects itself, as its first act
    if sys.platform != "linux" or os.geteuid() == 0:
        program = "import os; os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)"
    else:
        program = "pass"
    if sys.platform != "linux":
        pytest.skip("platform: only Linux shows environments")
    code = (
        f"{program}\nimport ctypes, subprocess, sys\n"
        "assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0\n"
        "read = 'import os; open(f\"/proc/{os.getppid()}/environ\").read()'\n"
        "sys.exit(subprocess.run(['/usr/bin/env', 'cat', f'/proc/{__import__(\"os\").getpid()}/environ'],"
        " capture_output=True).returncode)"
    )
    # When its child reads it, then it may not
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False, timeout=30)
    assert done.returncode != 0


def test_protect_self_works_here() -> None:
    code = "from workers import sandbox; import sys; sys.exit(0 if sandbox.protect_self() else 5)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == (0 if sys.platform == "linux" else 5)


def test_a_level_that_must_work_or_nothing_starts(tmp_path: pathlib.Path) -> None:
    view = sandbox.View(need=(tmp_path / "not there",))
    with pytest.raises(Exception, match="cannot be isolated by 'namespaces'"):
        sandbox.probe(view, wanted="namespaces")
    assert sandbox.probe(view, wanted="none") == sandbox.Isolation(level=sandbox.Level.NONE)
    fallen = sandbox.probe(view)
    assert fallen.level is sandbox.Level.NONE
    assert "NOT isolated" in (fallen.warning or "")


@pytest.mark.parametrize("level", ["mounts", "none"])
async def test_weaker_levels_run_too(bench: Bench, doubling: str, level: str) -> None:
    if level == "mounts" and _level(bench.home) is sandbox.Level.NONE:
        pytest.skip("platform: this machine offers no namespaces")
    bench.settings = bench.settings.model_copy(update={"runner_isolation": level})
    runner = await bench.start(doubling)
    assert plain((await runner.run([given(2)], together=False, timeout=9)).outcomes[0]) == 4
    await runner.stop()


async def test_no_runner_outlives_its_worker(tmp_path: pathlib.Path) -> None:
    # Given a worker process with a busy runner
    bundle = tmp_path / "home" / "versions" / "b"
    bundle.mkdir(parents=True)
    (bundle / "predict.py").write_text(
        f"import time\ndef predict(i):\n    open('{bundle}/began', 'w')\n    time.sleep(600)\n"
    )
    program = f"""
import asyncio, pathlib
from workers import folders, host
async def main():
    spec = host.Spec(bundle=pathlib.Path({str(bundle)!r}), folders=folders.Folders(
        home=pathlib.Path({str(tmp_path / "home")!r}), owner="b"))
    runner = await host.LocalHost().spawn(spec, on_log=print)
    await runner.run([b"\\x01"], together=False, timeout=600)
asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    await until((bundle / "began").exists)
    # When the worker is killed, then the runner is gone with it
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    await until(lambda: not _users_of(bundle))


def test_the_kit_is_made_once_and_whole(tmp_path: pathlib.Path) -> None:
    start = kit.make(tmp_path / "kit")
    assert kit.make(tmp_path / "kit") == start
    assert (start.parent / "_panini_runner" / "msgpack" / "__init__.py").is_file()
    assert [p.name for p in (tmp_path / "kit").iterdir()] == [start.parent.name]
    assert host.Spec(bundle=tmp_path, folders=folders.Folders(home=tmp_path, owner="a.b")).entry == "predict.py"


def _users_of(folder: pathlib.Path) -> list[str]:
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == folder:
                found.append(entry.parent.name)
        except OSError:
            continue
    return found
