"""How a version is run: `panini.toml` over what the deploy said over the defaults, and the sample input."""

import base64
import binascii
import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from registry import errors
from wire import envelope, jobs, specs

FILE = "panini.toml"
MAX_BYTES = 1 << 20
FIELDS = specs.Options.__struct_fields__
NUMBERS = frozenset({"max_batch", "timeout", "load_timeout", "memory_mb"})
SWITCHES = frozenset({"batch", "cache"})
"""Options that are true or false, or something else."""
BOUNDS: dict[str, tuple[float, float]] = {
    "max_batch": (1, 10_000),
    "timeout": (0.001, 24 * 3600),
    "load_timeout": (0.001, 24 * 3600),
    "memory_mb": (16, 16 << 20),
    "cache": (0, 7 * 24 * 3600),
}
"""The least and the most of each number."""
RETRIED = ("predict_error", "invalid_output", "timeout", "crashed", "out_of_memory")
"""Errors that may pass by themselves."""
MAX_ATTEMPTS = 20
LONGEST_BACKOFF = 24 * 3600
"""Seconds."""


def merge(given: Mapping[str, str], toml: bytes | None) -> specs.Options:
    """The options of a version.

    `given` is what the deploy said, as text by field name; `toml` is the bundle's panini.toml.

    Raises:
        BadBundle: an unknown name or a wrong value, with the file where it stands.
    """
    said = _checked({name: _from_text(name, text) for name, text in given.items()}, None)
    return _options(said | (_checked(_read(toml), FILE) if toml is not None else {}), None)


def sample(text: bytes, input_type: jobs.InputType) -> str:
    """The sample input as JSON text. Raises BadBundle."""
    if envelope.depth_exceeds(text):
        raise errors.BadBundle(f"the sample nests deeper than {envelope.MAX_DEPTH}; make it flatter", file="sample")
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise errors.BadBundle(
            f"the sample is no JSON ({error}); give one input in its JSON form", file="sample"
        ) from error
    if input_type is jobs.InputType.BYTES:
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise errors.BadBundle(
                "the model's input is bytes, so its sample is a base64 string in JSON; `panini deploy --sample FILE` "
                "makes one",
                file="sample",
            ) from error
    return text.decode().strip()


def _read(toml: bytes) -> dict[str, Any]:
    try:
        if len(toml) > MAX_BYTES:
            raise errors.BadBundle("panini.toml is larger than 1 MiB; it holds a few options only", file=FILE)
        return tomllib.loads(toml.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise errors.BadBundle("panini.toml is not UTF-8; save it as UTF-8", file=FILE) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"line (\d+)", str(error))
        raise errors.BadBundle(
            f"panini.toml is no TOML: {error}; mend that line", file=FILE, line=int(found[1]) if found else None
        ) from error


def _from_text(name: str, text: str) -> Any:
    if name in SWITCHES:
        word = text.strip().lower()
        if word in {"true", "1", "false", "0"}:
            return word in {"true", "1"}
        if name == "batch":
            return word
    if name in NUMBERS or name == "cache":
        try:
            number = float(text)
        except ValueError:
            return text  # the next check says what is wrong
        return int(number) if number.is_integer() else number
    return text


def _checked(values: dict[str, Any], file: str | None) -> dict[str, Any]:
    """`values`, each of which would do as an option."""
    for name in values:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"the names are {', '.join(FIELDS)}"
            raise errors.BadBundle(f"{file or 'the deploy'} has an unknown option {name!r}; {advice}", file=file)
    _options(values, file)
    return values


def _options(values: dict[str, Any], file: str | None) -> specs.Options:
    where = file or "the deploy"
    for name, (least, most) in BOUNDS.items():
        value = values.get(name)
        if isinstance(value, int | float) and not (math.isfinite(value) and least <= value <= most):
            raise errors.BadBundle(f"{where}: {name} is {value}; it must be {least:g} to {most:,.0f}", file=file)
    if "retry" in values:
        _check_retry(values["retry"], where, file)
    if values.get("batch", False) not in (True, False, "verified"):
        raise errors.BadBundle(f'{where}: batch is {values["batch"]!r}; it is true, false or "verified"', file=file)
    if not isinstance(values.get("cache", True), int | float):
        raise errors.BadBundle(f"{where}: cache is {values['cache']!r}; it is true, false or seconds", file=file)
    try:
        return msgspec.convert(values, specs.Options)
    except msgspec.ValidationError as error:
        raise errors.BadBundle(f"{where}: {_readable(error, values)}", file=file) from error


def _check_retry(value: Any, where: str, file: str | None) -> None:
    """Raises BadBundle where `[retry]` of panini.toml is not one."""

    def wrong(what: str) -> errors.BadBundle:
        return errors.BadBundle(f"{where}: {what}", file=file)

    if not isinstance(value, dict):
        raise wrong('retry is a table of panini.toml: [retry] and below it on = ["timeout"], attempts = 3')
    for name in value:
        if name not in specs.Retry.__struct_fields__:
            raise wrong(f"retry has an unknown option {name!r}; the names are on, attempts, backoff")
    on, attempts, backoff = value.get("on", []), value.get("attempts", 2), value.get("backoff", [1])
    if not isinstance(on, list) or any(kind not in RETRIED for kind in on):
        raise wrong(f"retry.on is {on!r}; it is a list of {', '.join(RETRIED)}")
    if type(attempts) is not int or not 1 <= attempts <= MAX_ATTEMPTS:
        raise wrong(f"retry.attempts is {attempts!r}; it is a whole number from 1 to {MAX_ATTEMPTS}")
    if not isinstance(backoff, list) or not backoff or not all(_seconds(pause) for pause in backoff):
        raise wrong(f"retry.backoff is {backoff!r}; it is a list of seconds, each from 0 to {LONGEST_BACKOFF:,}")


def _seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST_BACKOFF


def _readable(error: msgspec.ValidationError, values: dict[str, Any]) -> str:
    found = re.search(r"\$\.(\w+)", str(error))
    name = found[1] if found else ""
    allowed: dict[str, Any] = {"input": jobs.InputType, "framework": jobs.Framework}
    if name in allowed:
        return f"{name} is {values[name]!r}; it is one of {', '.join(allowed[name])}"
    return f"{error}; mend that option"
