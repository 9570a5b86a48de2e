"""Modules that take long to import, loaded inside the commands that need them, so that the others start fast."""

import importlib
from types import ModuleType


def module(name: str) -> ModuleType:
    """The module of that name."""
    return importlib.import_module(name)
