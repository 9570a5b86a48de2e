"""The floors of the house, and which module alone may know a third party: the contracts in pyproject.toml."""

import os

import pytest
from importlinter import cli

from tests.architecture import tree


def test_no_import_breaks_a_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.ROOT)

    assert cli.lint_imports(no_cache=True) == os.EX_OK
