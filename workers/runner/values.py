"""From an opaque input to what predict() gets."""

import base64
import binascii
import importlib
import json
from collections.abc import Callable
from typing import Any, NoReturn

from . import codec

_JSON_TEXT = 1
_NAMES = {"ints": "int32", "floats": "float32", "doubles": "float64"}
_KINDS = {"ints": "iu", "floats": "iuf", "doubles": "iuf"}
_EXAMPLES = {"ints": "[1, 2, 3]", "floats": "[1.0, 2.5]", "doubles": "[1.0, 2.5]"}


class WrongInput(Exception):
    """The input is not what the model takes."""


def decoder(kind: str) -> Callable[[bytes], Any]:
    """A function from the bytes of one msgpack value to one element of predict's `inputs`. It raises WrongInput.

    Arrays of numbers are numpy arrays where the model's environment has numpy, else nested lists.
    """
    if kind == "json":
        return _value
    if kind == "bytes":
        return _bytes
    if kind == "strings":
        return _strings
    try:
        numpy = importlib.import_module("numpy")
    except ImportError:
        return lambda raw: _list_of_numbers(_value(raw), kind)
    return _arrays(numpy, kind)


def _refuse_constant(word: str) -> NoReturn:
    raise WrongInput(f"the input holds {word}, which is no JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _json(text: str) -> Any:
    """Mostly without the decoder's look for white space around it, which takes as long as the rest."""
    try:
        value, end = _decoder.raw_decode(text)
    except json.JSONDecodeError:  # it begins with some, or is no JSON
        return _decoder.decode(text)
    return value if end == len(text) else _decoder.decode(text)


def _extension(code: int, data: bytes) -> Any:
    if code == _JSON_TEXT:
        return _json(str(data, "utf-8"))
    raise WrongInput(f"the input holds a msgpack extension of type {code}; send plain values or JSON")


_unpack = codec.msgpack.unpackb
_MALFORMED = (ValueError, TypeError, RecursionError, codec.msgpack.exceptions.UnpackException)


def _value(raw: bytes) -> Any:
    if raw[:1] == b"\xc7" and raw[2:3] == b"\x01" and raw[1] == len(raw) - 3:  # short JSON text, by far the most
        try:
            return _json(str(memoryview(raw)[3:], "utf-8"))
        except _MALFORMED as error:
            raise WrongInput(_why(error)) from error
    try:
        return _unpack(raw, raw=False, strict_map_key=False, ext_hook=_extension)
    except _MALFORMED as error:
        raise WrongInput(_why(error)) from error


def _why(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "the input nests too deep"
    return f"the input is not readable: {error}"


def _bytes(raw: bytes) -> bytes:
    value = _value(raw)
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise WrongInput(f"this model takes bytes: base64 text in JSON (or raw bytes in msgpack), not {_name(value)}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WrongInput(f"this model takes bytes as base64 text, and this text is not base64: {error}") from error


def _strings(raw: bytes) -> Any:
    value = _value(raw)
    if not _all_strings(value):
        raise WrongInput(f'this model takes strings: "text" or ["text", "more"], not {_name(value)}')
    return value


def _all_strings(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(_all_strings(item) for item in value))


def _arrays(numpy: Any, kind: str) -> Callable[[bytes], Any]:
    asarray, dtype, kinds = numpy.asarray, numpy.dtype(_NAMES[kind]), _KINDS[kind]
    least, most = (numpy.iinfo(dtype).min, numpy.iinfo(dtype).max) if kind == "ints" else (0, 0)

    def array(raw: bytes) -> Any:
        value = _value(raw)
        if type(value) is not list:
            raise _wrong_numbers(value, kind)
        try:
            found = asarray(value)
        except (ValueError, OverflowError, RecursionError) as error:
            raise WrongInput(f"this model takes {kind}: the lists inside must have equal lengths") from error
        if found.dtype.kind not in kinds and found.size:
            raise _wrong_numbers(value, kind)
        if kind == "ints" and found.size and not (least <= found.min() and found.max() <= most):
            raise WrongInput(f"this model takes ints of 32 bits: from {least} to {most}")
        return found.astype(dtype)

    return array


def _list_of_numbers(value: Any, kind: str) -> Any:
    if not isinstance(value, list):
        raise _wrong_numbers(value, kind)
    return [_number(item, kind) for item in value]


def _number(item: Any, kind: str) -> Any:
    if isinstance(item, list):
        return [_number(inner, kind) for inner in item]
    if isinstance(item, bool) or not isinstance(item, int if kind == "ints" else (int, float)):
        raise _wrong_numbers(item, kind)
    return item if kind == "ints" else float(item)


def _wrong_numbers(value: Any, kind: str) -> WrongInput:
    found = f"a list with {_odd(value, kind)}" if isinstance(value, list) else _name(value)
    return WrongInput(f"this model takes {kind}: a list of numbers such as {_EXAMPLES[kind]}, not {found}")


def _odd(value: list[Any], kind: str) -> str:
    numbers = int if kind == "ints" else (int, float)
    for item in value:
        if isinstance(item, list):
            inner = _odd(item, kind)
            if inner != "such numbers":
                return inner
        elif isinstance(item, bool) or not isinstance(item, numbers):
            return _name(item)
    return "such numbers"


def _name(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a whole number", float: "a fraction", str: "text", bytes: "raw bytes"}
    names |= {list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
