"""INPUT and samples: JSON, `@file` or `-`; for models whose input is bytes, the file's bytes."""

import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any, Final

from panini.cli import errors
from wire import jobs

NO_BYTES: Final = frozenset({".json", ".py", ".pyc"})
"""Endings of a `sample.*` that is no input of bytes."""


def read(text: str, input_type: Callable[[], str | None]) -> Any:
    """The value that INPUT says. `input_type` is asked for only where a file or stdin may be bytes.

    Raises:
        WrongUse: it is no JSON, or the file cannot be read.
    """
    if text == "-":
        return _value(sys.stdin.buffer.read(), input_type(), "stdin")
    if text.startswith("@"):
        return from_file(pathlib.Path(text[1:]), input_type())
    return _json(text, "INPUT")


def from_file(path: pathlib.Path, input_type: str | None) -> Any:
    """The value that a file holds. Raises WrongUse."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.WrongUse(f"{path} cannot be read: {error.strerror or error}") from error
    return _value(content, input_type, str(path))


def sample_of(folder: pathlib.Path, input_type: str) -> pathlib.Path | None:
    """The folder's own sample: `sample.json`, or for bytes another `sample.*`; None where there is none."""
    if input_type != jobs.InputType.BYTES:
        path = folder / "sample.json"
        return path if path.is_file() else None
    found = sorted(path for path in folder.glob("sample.*") if path.is_file() and path.suffix not in NO_BYTES)
    return found[0] if found else None


def _value(content: bytes, input_type: str | None, where: str) -> Any:
    if input_type == jobs.InputType.BYTES:
        return content
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.WrongUse(
            f"{where} is no text, and the model's input is {input_type or 'json'}; a model of files is deployed with "
            "--input bytes"
        ) from error
    return _json(text, where)


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise errors.WrongUse(f"{where} nests too deep; at most 64 levels are taken") from error
    except ValueError as error:
        hint = f"a text needs its quotes: '{json.dumps(text[:40])}'" if where == "INPUT" else "give one JSON value"
        raise errors.WrongUse(f"{where} is no JSON ({error}); {hint}, or @file, or - for stdin") from error


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
