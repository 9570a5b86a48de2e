"""Inputs as JSON: bytes become base64, arrays and tensors lists; what JSON cannot say is refused, never bent."""

import base64
import json
from typing import Any

from panini.client import errors


def encode(value: Any) -> bytes:
    """UTF-8 JSON of `value`. bytes become base64 text; whatever has `.tolist()` (numpy, torch) becomes lists.

    Raises:
        InvalidInput: NaN, infinity, an unknown type, or nesting too deep.
    """
    try:
        text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except (ValueError, TypeError) as error:
        raise errors.InvalidInput(f"the value cannot be sent as JSON: {error}") from error
    except RecursionError as error:
        raise errors.InvalidInput("the value nests too deep (or holds itself); send at most 64 levels") from error


def with_id(body: bytes, job_id: str) -> bytes:
    """The JSON object `body` with the member `id` put first, so that sending it again runs it once."""
    return b'{"id":%b,%b' % (json.dumps(job_id).encode(), body[1:])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return tolist()
    if isinstance(value, set | frozenset):
        raise TypeError("a set has no order; send a list")
    raise TypeError(f"a {type(value).__name__} is no JSON; send numbers, text, lists, dicts, bytes or arrays")
