"""docs/promises.md names every promise, and only files and tests that exist."""

import ast
import functools
import pathlib
import re
from typing import Final

import pytest

TREE: Final = pathlib.Path(__file__).parents[2]
PAGE: Final = (TREE / "docs" / "promises.md").read_text(encoding="utf-8")

PROMISES: Final = (
    "accept", "end", "run", "commit", "neighbours", "deadline", "cancel", "keep", "push", "version", "cache",
    "isolation", "change", "order",
)  # fmt: skip
SECTIONS: Final = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
NODE: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FILE: Final = re.compile(r"`((?:\w+/)+\w+\.(?:py|lua))[`:]")
LEAST: Final = 2
"""Tests that a promise has at least: one of its parts, and one of the whole."""


@functools.cache
def _tests_in(path: pathlib.Path) -> set[str]:
    """The test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_promise_is_there() -> None:
    assert tuple(SECTIONS) == PROMISES


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_says_how_where_and_what_is_weak_and_its_tests_exist(promise: str) -> None:
    section = SECTIONS[promise]
    assert re.findall(r"^\*\*(\w+)\.\*\*", section, re.MULTILINE) == ["How", "Where", "Tests", "Weak"]
    found = NODE.findall(section)
    assert len(found) >= LEAST
    missing = [f"{path}::{name}" for path, name in found if name not in _tests_in(TREE / path)]
    assert missing == [], "docs/promises.md names tests that are not there"


def test_every_file_named_exists() -> None:
    files = set(FILE.findall(PAGE))
    assert len(files) > len(PROMISES)
    assert [file for file in sorted(files) if not (TREE / file).is_file()] == []


def test_no_test_is_named_without_its_file() -> None:
    words = set(re.findall(r"\btest_\w+\b", PAGE))
    named = {name for _, name in NODE.findall(PAGE)} | {pathlib.Path(path).stem for path in FILE.findall(PAGE)}
    assert words - named == set()
