"""The private msgpack of the kit, so that the model's own `import msgpack` gets the model's version."""

import importlib
import sys
from typing import Any


def _load() -> Any:
    before = set(sys.modules)
    try:
        return importlib.import_module(f"{__package__}.msgpack")
    except ModuleNotFoundError:  # not in a kit: the worker's own tests
        return importlib.import_module("msgpack")
    finally:
        # The compiled part also enters itself under the name it was built with, where the model would find it.
        if f"{__package__}.msgpack" in sys.modules:
            for name in set(sys.modules) - before:
                if name.startswith("msgpack."):
                    del sys.modules[name]


msgpack = _load()
