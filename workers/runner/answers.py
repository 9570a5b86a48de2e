"""From what predict() gave back to one output: JSON text, or bytes with a media type."""

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import io
import json
import math
import uuid
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

Encoded = bytes | tuple[str, bytes]
"""JSON text in UTF-8, or a media type and raw bytes."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
_MAX_DEPTH = 200
_JSON = frozenset({dict, list, str, int, float})
"""Types of outputs that are JSON as they are, by far the most."""


class WrongOutput(Exception):
    """The output cannot be handed to a client."""


def encoder(limit: int) -> Callable[[Any], Encoded]:
    """A function from an output to what is sent. It raises WrongOutput; `limit` is in bytes."""
    to_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode

    def encode(value: Any) -> Encoded:
        raw = None if type(value) in _JSON else _raw(value)
        if raw is not None:
            _check_size(len(raw[1]), limit)
            return raw
        try:
            text = to_text(value).encode()
        except (TypeError, ValueError, RecursionError, UnicodeEncodeError) as error:
            text = _explain(value, to_text, error)
        _check_size(len(text), limit)
        return text

    return encode


def unwrap(result: Any) -> Any:
    """The output for a single input: the one element of a list, tuple or array of one, else the result whole."""
    kind = type(result)
    if kind is list or kind is tuple:
        return result[0] if len(result) == 1 else result
    if _is_array(result) and len(getattr(result, "shape", ())) > 0 and len(result) == 1:
        return result[0]
    return result


def split(result: Any, count: int) -> list[Any]:
    """The outputs of a predict() that declared itself batchable: one per input, else WrongOutput."""
    if isinstance(result, (list, tuple)) or (_is_array(result) and len(getattr(result, "shape", ())) > 0):
        if len(result) == count:
            return list(result)
        raise WrongOutput(f"predict() got {count} inputs and returned {len(result)} outputs; return one per input")
    raise WrongOutput(
        f"predict() got {count} inputs and returned a {type(result).__name__}; return a list with one output per input"
    )


def _is_array(value: Any) -> bool:
    return hasattr(value, "tolist") and hasattr(value, "__len__")


def _raw(value: Any) -> tuple[str, bytes] | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return _sniff(data), data
    if type(value).__module__.startswith("PIL.") and hasattr(value, "save"):
        buffer = io.BytesIO()
        value.save(buffer, format="PNG")
        return "image/png", buffer.getvalue()
    return None


def _sniff(data: bytes) -> str:
    for magic, media in _MAGIC:
        if data.startswith(magic):
            return media
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12], "application/octet-stream")
    return "application/octet-stream"


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise WrongOutput(f"the output has {size:,} bytes, more than the {limit:,} that one output may have")


_SIMPLE: dict[type, Callable[[Any], Any]] = {
    set: list,
    frozenset: list,
    bytes: lambda value: base64.b64encode(value).decode(),
    bytearray: lambda value: base64.b64encode(value).decode(),
    dt.datetime: lambda value: value.isoformat(),
    dt.date: lambda value: value.isoformat(),
    dt.time: lambda value: value.isoformat(),
    dt.timedelta: lambda value: value.total_seconds(),
    decimal.Decimal: float,
    uuid.UUID: str,
    range: list,
}


def _plain(value: Any) -> Any:
    """One step towards JSON, for the encoder. TypeError: there is none."""
    simple = _SIMPLE.get(type(value))
    if simple is not None:
        return simple(value)
    if hasattr(value, "to_dict") and type(value).__module__.startswith("pandas."):
        return value.to_dict(orient="records") if hasattr(value, "columns") else value.to_dict()
    if hasattr(value, "tolist"):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump()
    if type(value).__name__ in {"dict_keys", "dict_values", "deque"}:
        return list(value)
    raise TypeError(f"a {_type(value)} cannot become JSON")


def _type(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _explain(value: Any, to_text: Callable[[Any], str], error: Exception) -> bytes:
    """The slow way: walk to the place that has no JSON, and name it."""
    try:
        walked = _walk(value, "output", 0)
        return to_text(walked).encode()
    except RecursionError:
        raise WrongOutput("the output nests too deep, or holds itself") from error
    except (TypeError, ValueError, UnicodeEncodeError) as second:
        raise WrongOutput(f"the output cannot become JSON: {second}") from error


def _walk(value: Any, path: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise WrongOutput(f"the output nests deeper than {_MAX_DEPTH} levels, or holds itself")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WrongOutput(f"{path} is {float(value)}, which JSON has no word for")
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, dict):
        return {_key(key, path): _walk(item, f"{path}[{key!r:.40}]", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value)]
    try:
        step = _plain(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise WrongOutput(f"{path} is a {_type(value)}, which cannot become JSON; return plain values") from error
    return _walk(step, path, depth + 1)


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise WrongOutput(f"{path} is text that is not valid Unicode: {error.reason}") from error
    return value


def _key(key: Any, path: str) -> Any:
    if isinstance(key, (str, int, float, bool)) or key is None:
        return key
    if hasattr(key, "item"):
        return key.item()
    raise WrongOutput(f"{path} has a key of type {_type(key)}; JSON keys are text")
