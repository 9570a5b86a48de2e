"""Bugs planted in a copy of the product: the checker must find each. The product itself has no hook for them.

Each replaces text that must be there exactly once: a test fails loudly where the product has moved on.
"""

import pathlib
import shutil
from dataclasses import dataclass

from tests.faults import installation


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """One place of a bug."""

    path: str
    was: str
    becomes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bug:
    """A wrong product, and the promise that it breaks."""

    name: str
    what: str
    scenario: str
    breaks: str
    patches: tuple[Patch, ...]


def plant(bug: Bug, into: pathlib.Path) -> pathlib.Path:
    """A copy of the product that has the bug; what it does not touch is linked."""
    into.mkdir(parents=True)
    touched = {patch.path.partition("/")[0] for patch in bug.patches}
    for package in installation.TREE.iterdir():
        if not (package / "__init__.py").exists():
            continue
        if package.name in touched:
            shutil.copytree(package, into / package.name)
        else:
            (into / package.name).symlink_to(package)
    for patch in bug.patches:
        path = into / patch.path
        text = path.read_text()
        assert text.count(patch.was) == 1, f"{bug.name}: {patch.path} has {text.count(patch.was)} times: {patch.was}"
        path.write_text(text.replace(patch.was, patch.becomes))
    return into
