import importlib
import sys

import click
import pytest

from panini.cli import errors, program, show


@pytest.mark.parametrize("name", list(program.COMMANDS))
def test_every_command_is_where_the_list_says(name: str) -> None:
    module = importlib.import_module(f"panini.cli.{program.COMMANDS[name][0]}")

    command = getattr(module, name)

    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_help_imports_no_client(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith("panini.cli.") and name != "panini.cli.program"]:
        monkeypatch.delitem(sys.modules, name)

    assert program.run(["--help"]) == 0
    assert "panini.cli.jobs" not in sys.modules
    assert "Exit codes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (errors.Failed("it failed"), 1, "panini: it failed\n"),
        (errors.WrongUse("no such thing"), 2, "panini: no such thing\n"),
        (errors.ServerAway("nobody there"), 3, "panini: nobody there\n"),
        (KeyboardInterrupt(), 130, "panini: interrupted\n"),
        (click.UsageError("what?"), 2, "Error: what?\n"),
    ],
)
def test_every_end_has_its_code_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, code: int, told: str
) -> None:
    def end(**_: object) -> None:
        raise raised

    monkeypatch.setattr(program.panini, "main", end)

    assert program.run([]) == code
    assert capsys.readouterr().err == told


def test_a_bug_is_told_as_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def end(**_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(program.panini, "main", end)
    monkeypatch.delenv("PANINI_DEBUG", raising=False)

    assert program.run([]) == program.EXIT_BUG
    assert "PANINI_DEBUG=1" in capsys.readouterr().err

    monkeypatch.setenv("PANINI_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        program.run([])


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (2**31, "2.1 GB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert show.size(count) == text


def test_plain_progress_tells_quarters(capsys: pytest.CaptureFixture[str]) -> None:
    tell = show.Progress()

    for sent in range(0, 1001, 10):
        tell(sent, 1000)

    assert [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "0 %", "25 %", "50 %", "75 %", "100 %",
    ]  # fmt: skip
