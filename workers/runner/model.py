"""The author's module: found, imported, loaded, called."""

import importlib.util
import inspect
import os
import pathlib
import sys
import types
from collections.abc import Callable
from typing import Any


class Unusable(Exception):
    """The module does not keep the contract of load and predict."""


class Model:
    """A loaded version: `predict` takes a list and gives what the author's predict() gave."""

    def __init__(self, *, bundle: str, entry: str, weights: str | None) -> None:
        self.bundle = bundle
        """Folder of the author's files."""
        self._entry = entry
        self._path = str(pathlib.Path(bundle) / weights) if weights else bundle
        self._call: Callable[[list[Any]], Any] | None = None
        self._loop: Any = None
        self.on_value: Callable[[Any], None] = _ignore
        """Called with each value that a generator yields, as it comes."""

    def load(self) -> str:
        """Import the entry and load the model; gives the form found. Raises Unusable and whatever the author raises."""
        module = self._import()
        predict, load = getattr(module, "predict", None), getattr(module, "load", None)
        if not callable(predict):
            raise Unusable(f"{self._entry} has no function predict(); write def predict(model, inputs): …")
        wanted = _positional(predict)
        if wanted == 1:
            if callable(load) and getattr(load, "__module__", None) == module.__name__:
                self._load(load)
            self._call = predict
            return "predict(inputs)"
        if wanted != 2:
            raise Unusable("predict() must take (model, inputs), or (inputs) where there is no load()")
        if not callable(load):
            raise Unusable("predict(model, inputs) needs a load(path) beside it that returns the model")
        loaded = self._load(load)
        self._call = lambda inputs: predict(loaded, inputs)
        return "predict(model, inputs)"

    def predict(self, inputs: list[Any]) -> tuple[Any, bool]:
        """One call of the author's predict(): its result, and whether that is a stream's values collected."""
        result = self._call(inputs) if self._call else None
        kind = type(result)
        if kind is list or kind is tuple:
            return result, False
        if inspect.iscoroutine(result):
            result = self._wait(result)
        if isinstance(result, types.GeneratorType):
            return self._collect(result), True
        if inspect.isasyncgen(result):
            return self._wait(self._collect_async(result)), True
        return result, False

    def _import(self) -> types.ModuleType:
        path = pathlib.Path(self.bundle) / self._entry
        name = path.stem
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise Unusable(f"{self._entry} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        # A model pickled in a notebook names its classes __main__.X: let predict.py's own classes be found there.
        sys.modules["__main__"] = module
        spec.loader.exec_module(module)
        return module

    def _load(self, load: Callable[..., Any]) -> Any:
        loaded = load(self._path) if _positional(load) != 0 else load()
        return self._wait(loaded) if inspect.iscoroutine(loaded) else loaded

    def _wait(self, coroutine: Any) -> Any:
        if self._loop is None:
            import asyncio  # noqa: PLC0415  25 ms of a start that most models do not need

            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(coroutine)

    def _collect(self, values: Any) -> list[Any]:
        collected = []
        for value in values:
            self.on_value(value)
            collected.append(value)
        return collected

    async def _collect_async(self, values: Any) -> list[Any]:
        collected = []
        async for value in values:
            self.on_value(value)
            collected.append(value)
        return collected


def _ignore(_value: Any) -> None:
    """Until somebody listens."""


def _positional(function: Callable[..., Any]) -> int:
    """How many arguments it wants by place: 2 wherever two fit and the second has no default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    required = [
        p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
    ]
    if required:
        return len(required)
    return 1 if any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in parameters) else 0


OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120  compared with co_filename
