"""The private msgpack of the kit, so that the model's own `import msgpack` gets the model's version."""

import importlib
from typing import Any


def _load() -> Any:
    try:
        return importlib.import_module(f"{__package__}.msgpack")
    except ModuleNotFoundError:  # not in a kit: the worker's own tests
        return importlib.import_module("msgpack")


msgpack = _load()
