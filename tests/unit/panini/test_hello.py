"""What `panini up` says, and the first key."""

import pathlib
import stat
from types import SimpleNamespace
from typing import Any

import pytest

from panini import hello, keys, up


def test_times_are_told_step_by_step_and_summed() -> None:
    times = hello.Times(None)
    times.mark("Kafka and Valkey")
    times.mark("API")
    line = times.line()
    assert "Kafka and Valkey" in line
    assert line.index("Kafka") < line.index("API") < line.index("together")


def test_what_went_before_the_command_is_told_too() -> None:
    assert hello.Times(0.0).line().startswith("environment and install")


def test_progress_is_told_once_a_tenth_and_not_at_all_where_nothing_is_fetched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hello._said, "tenth", -1)
    for there in range(47):
        hello.progress(there, 46, there * 1_000_000)
    assert 10 <= len(capsys.readouterr().out.splitlines()) <= 11
    hello.progress(46, 46, 0)
    assert capsys.readouterr().out == ""


def test_a_key_is_for_its_owner_only_and_written_whole(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    file.chmod(0o644)
    keys.write(file, "pn_new")
    assert file.read_text() == "pn_new\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


class Registry:
    """Makes keys."""

    def __init__(self, first: str | None) -> None:
        self._first = first
        self.made: list[str] = []

    async def bootstrap(self) -> str | None:
        return self._first

    async def create_key(self, account: str, note: str) -> Any:
        self.made.append(note)
        return SimpleNamespace(key="pn_again")


async def test_the_first_start_writes_the_first_key(tmp_path: pathlib.Path) -> None:
    registry: Any = Registry("pn_first")
    await keys.settle(registry, tmp_path / "key")
    assert (tmp_path / "key").read_text() == "pn_first\n"


async def test_later_starts_leave_it_and_a_lost_file_gets_a_new_key(tmp_path: pathlib.Path) -> None:
    registry: Any = Registry(None)
    (tmp_path / "key").write_text("pn_mine\n")
    await keys.settle(registry, tmp_path / "key")
    assert (tmp_path / "key").read_text() == "pn_mine\n"
    (tmp_path / "key").unlink()
    await keys.settle(registry, tmp_path / "key")
    assert (tmp_path / "key").read_text() == "pn_again\n"
    assert len(registry.made) == 1


async def test_a_key_without_a_file_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    registry: Any = Registry("pn_first")
    await keys.settle(registry, None)
    assert caplog.text.count("pn_first") == 1


def test_where_nothing_runs_down_and_status_say_so(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert up.down(tmp_path) == 0
    assert "nothing runs" in capsys.readouterr().out
    assert up.status(tmp_path) == {"running": False, "home": str(tmp_path)}
