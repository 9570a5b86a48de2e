"""How uv is told where packages come from, and where it may keep them."""

import os
from pathlib import Path

import pytest

from panini.stack import packages


def test_a_cache_that_can_be_made_is_uvs_own(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}

    assert "UV_NO_CACHE" not in packages.variables(environ)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)

    found = packages.variables({"HOME": str(tmp_path)})

    assert found["UV_NO_CACHE"] == "1"


def test_a_cache_that_was_named_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)

    found = packages.variables({"HOME": str(tmp_path), "UV_CACHE_DIR": "/elsewhere"})

    assert "UV_NO_CACHE" not in found


def test_pips_index_is_uvs_too(tmp_path: Path) -> None:
    found = packages.variables({"HOME": str(tmp_path), "PIP_INDEX_URL": "https://mirror.example/simple"})

    assert found["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
