"""A `curl` line that works when pasted: the model's address, the key without showing it, and an input of its type."""

import json
import pathlib
import shlex
from typing import Any, Final

from panini.client import address
from wire import jobs

EXAMPLES: Final[dict[str, Any]] = {
    jobs.InputType.BYTES: "aGVsbG8=",
    jobs.InputType.INTS: [1, 2, 3],
    jobs.InputType.FLOATS: [1.0, 2.0, 3.0],
    jobs.InputType.DOUBLES: [1.0, 2.0, 3.0],
    jobs.InputType.STRINGS: "hello",
    jobs.InputType.JSON: {"hello": "world"},
}
"""An input of each type, where there is no sample to show."""

LONGEST: Final = 400
"""Characters of an input in the line; a longer one is read from its file."""


def line(
    place: address.Address,
    model: str,
    input_type: str | None,
    *,
    sample: Any = None,
    sample_file: pathlib.Path | None = None,
) -> str:
    """The command that predicts one input, to be pasted into a shell.

    `sample` is one input in its JSON form; `sample_file` is where it lies: bytes, and what is long, come from there.
    """
    kind = input_type or jobs.InputType.JSON
    text = json.dumps({"input": EXAMPLES.get(kind) if sample is None else sample}, ensure_ascii=False)
    parts = ["curl", "-s", shlex.quote(f"{place.url}/v1/models/{model}/predict")]
    if authorization := _authorization(place):
        parts += ["-H", authorization]
    parts += ["-H", "'Content-Type: application/json'"]
    if sample_file is not None and kind == jobs.InputType.BYTES:
        file = shlex.quote(str(sample_file.absolute()))
        return f"""printf '{{"input": "%s"}}' "$(base64 < {file} | tr -d '\\n')" | {" ".join(parts)} --data-binary @-"""
    if sample_file is not None and len(text) > LONGEST:
        file = shlex.quote(str(sample_file.absolute()))
        return f"""printf '{{"input": %s}}' "$(cat {file})" | {" ".join(parts)} --data-binary @-"""
    return " ".join([*parts, "-d", shlex.quote(text)])


def _authorization(place: address.Address) -> str:
    """The header as a shell word that reads the key where it lies, so that it stays out of histories and screens."""
    if place.key_file is not None:
        return f'"Authorization: Bearer $(cat {shlex.quote(str(place.key_file.absolute()))})"'
    return '"Authorization: Bearer $PANINI_KEY"' if place.key else ""
