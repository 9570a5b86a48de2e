"""Processes that a benchmark starts: ended by their pid, and counted with what they started."""

import os
import pathlib
import sys

import pytest

from benchmarks import environments, servers, usage
from panini.stack import pidfile

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPS!r}])"


def test_a_server_is_ended_with_everything_it_started(tmp_path: pathlib.Path) -> None:
    # Given a process with a child
    server = servers.Server("parent", [sys.executable, "-c", PARENT], folder=tmp_path).start()
    server.until(lambda: "up" in server.words(), "its child is up")
    everything = [server.pid, *usage.below(server.pid)]

    # When it is stopped
    server.stop()

    # Then nothing of it is left
    assert len(everything) == 2
    assert not [pid for pid in everything if pidfile.identity(pid)]


def test_a_server_that_ends_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    server = servers.Server("ends", [sys.executable, "-c", "raise SystemExit('why')"], folder=tmp_path).start()

    with pytest.raises(servers.Failed, match="why"):
        server.until(lambda: False, "never")
    assert server.stop() == 1


def test_roles_count_what_is_below_them_but_not_what_is_left_out(tmp_path: pathlib.Path) -> None:
    server = servers.Server("parent", [sys.executable, "-c", PARENT], folder=tmp_path).start()
    server.until(lambda: "up" in server.words(), "its child is up")
    try:
        [child] = usage.children(server.pid)
        whole = usage.Role(name="whole", roots=(server.pid,))
        part = usage.Role(name="part", roots=(server.pid,), but=(child,))

        sizes = usage.rss([whole, part, usage.Role(name="gone", roots=(2**22 + 1,))])

        assert sizes["whole"] > sizes["part"] > 0
        assert sizes["gone"] == 0
        assert server.pid in usage.client().but
        assert usage.client().roots == (os.getpid(),)
    finally:
        server.stop()


def test_versions_name_what_is_compared() -> None:
    for path in environments.REQUIREMENTS.glob("*.txt"):
        assert environments.versions(path.stem)
        assert all("==" in line for line in path.read_text().split())
