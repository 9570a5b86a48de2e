"""What a person typed or dropped into `Try it`, as the body of a job. Pure."""

import base64
import json
import re
from typing import Any, Final

from dashboard import errors

KINDS: Final = {
    "bytes": ("file", "json"),
    "ints": ("numbers", "json"),
    "floats": ("numbers", "json"),
    "doubles": ("numbers", "json"),
    "strings": ("text", "json"),
    "json": ("json",),
}
"""The ways to give an input, by the model's input type; the first is shown first."""

LABELS: Final = {"file": "Image or file", "numbers": "Numbers", "text": "Text", "json": "JSON"}

_APART: Final = re.compile(r"[\s,;]+")


def kind(wanted: str | None, input_type: str) -> str:
    """The way that was asked for, if this model has it, else its first."""
    kinds = KINDS.get(input_type, ("json",))
    return wanted if wanted in kinds else kinds[0]


def body(value: Any, *, version: int | None, cache: bool) -> bytes:
    """The POST's body. Without `cache` the model itself must answer."""
    job: dict[str, Any] = {"input": value}
    if version is not None:
        job["version"] = version
    if not cache:
        job["cache"] = False
    return json.dumps(job, ensure_ascii=False, allow_nan=False).encode()


def from_file(content: bytes) -> str:
    """A file's bytes as JSON carries them. Raises BadInput for an empty one."""
    if not content:
        raise errors.BadInput("Choose a file first, or drop one on the box.")
    return base64.b64encode(content).decode()


def from_numbers(text: str, *, whole: bool) -> list[float | int]:
    """Numbers apart by commas, spaces or lines. Raises BadInput with the one that is none."""
    words = [word for word in _APART.split(text.strip().strip("[]")) if word]
    if not words:
        raise errors.BadInput("Give at least one number.")
    return [_number(word, place, whole=whole) for place, word in enumerate(words, 1)]


def from_json(text: str) -> Any:
    """Any JSON. Raises BadInput with line and character."""
    if not text.strip():
        raise errors.BadInput("Give one input as JSON.")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise errors.BadInput(f"Line {error.lineno}, character {error.colno}: {error.msg.lower()}.") from error
    except RecursionError as error:
        raise errors.BadInput("The JSON nests too deep.") from error


def _number(word: str, place: int, *, whole: bool) -> float | int:
    try:
        number = int(word) if whole else float(word)
    except ValueError as error:
        what = "whole number" if whole else "number"
        raise errors.BadInput(f"Number {place}, {word[:40]!r}, is no {what}.") from error
    if number != number or number in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN is not itself
        raise errors.BadInput(f"Number {place}, {word[:40]!r}, is not finite, and JSON has no word for it.")
    return number


def _no_constant(word: str) -> Any:
    raise errors.BadInput(f"{word} is not JSON; leave it out or write null.")
