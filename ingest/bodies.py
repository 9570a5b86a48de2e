"""The body of a POST: parsed strictly, its input checked against the model's type, and never rewritten.

The input keeps the client's own JSON text. Typed decoders check it at C speed; nothing here builds it twice.
"""

import datetime as dt
import math
from typing import Annotated, Any, Final, Literal

import msgspec

from ingest import errors
from wire import envelope, jobs

MAX_METADATA: Final = 16 << 10


Lane = Literal["interactive", "bulk"]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client may say of a job."""

    input: msgspec.Raw
    id: str | None = None
    """The id that a 503 carried: the same job again, run once."""
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=86400)] | None = None
    deadline: dt.datetime | float | None = None
    metadata: dict[str, Any] | None = None
    webhook: Annotated[str, msgspec.Meta(min_length=1, max_length=2048)] | None = None
    webhook_events: list[jobs.Status] | None = None
    reply_to: Annotated[str, msgspec.Meta(min_length=1, max_length=249)] | None = None
    cache: bool | None = None
    lane: Lane = "interactive"


_body = msgspec.json.Decoder(Body)
_any = msgspec.json.Decoder()

_NUMBER_LISTS: Final[dict[jobs.InputType, msgspec.json.Decoder[Any]]] = {
    jobs.InputType.INTS: msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]]),
    jobs.InputType.FLOATS: msgspec.json.Decoder(list[float]),
    jobs.InputType.DOUBLES: msgspec.json.Decoder(list[float]),
}
_STRING: Final = msgspec.json.Decoder(str)
_BYTES: Final = msgspec.json.Decoder(bytes)

_REFUSED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def parse(raw: bytes) -> Body:
    """Read a body. Raises InvalidJob with the place and the reason."""
    try:
        if not raw.isascii():
            raw.decode()  # the input's own text is not looked into by the decoder
        return _body.decode(raw)
    except _REFUSED as error:
        raise errors.InvalidJob(_reason(error)) from error


def opaque_input(raw: msgspec.Raw, kind: jobs.InputType) -> msgspec.Raw:
    """Check an input's JSON text against the model's type and wrap it for the wire. Raises InvalidJob."""
    text = bytes(raw)
    if not text:
        raise errors.InvalidJob('the body needs an "input"')
    try:
        decoder = _NUMBER_LISTS.get(kind)
        if decoder is not None and text.count(b"[") == 1:
            decoder.decode(text)
        elif decoder is not None:
            _numbers(text, kind)
        elif kind is jobs.InputType.BYTES:
            return envelope.value_input(_BYTES.decode(text))
        elif kind is jobs.InputType.STRINGS:
            _STRING.decode(text)
        elif envelope.depth_exceeds(text):
            raise errors.InvalidJob(f"the input nests deeper than {envelope.MAX_DEPTH} levels")
    except _REFUSED as error:
        raise errors.InvalidJob(f"the input must be {EXPECTED[kind]}: {_reason(error)}") from error
    return envelope.json_input(text)


EXPECTED: Final[dict[jobs.InputType, str]] = {
    jobs.InputType.BYTES: "a base64 string",
    jobs.InputType.STRINGS: "a string",
    jobs.InputType.INTS: "a list of whole numbers from -2147483648 to 2147483647",
    jobs.InputType.FLOATS: "a list of numbers",
    jobs.InputType.DOUBLES: "a list of numbers",
    jobs.InputType.JSON: "any JSON value",
}
"""What a model's input type asks for, in words."""


def deadline_ms(deadline: dt.datetime | float | None) -> int | None:
    """A deadline as Unix milliseconds: an RFC 3339 time (without a zone: UTC) or Unix seconds. Raises InvalidJob."""
    if deadline is None:
        return None
    if isinstance(deadline, dt.datetime):
        aware = deadline if deadline.tzinfo else deadline.replace(tzinfo=dt.UTC)
        return int(aware.timestamp() * 1000)
    if not math.isfinite(deadline) or not 0 < deadline < 1e11:
        raise errors.InvalidJob("deadline must be an RFC 3339 time or Unix seconds")
    return int(deadline * 1000)


def _numbers(text: bytes, kind: jobs.InputType) -> None:
    """Check what is no plain list of numbers."""
    if envelope.depth_exceeds(text):
        raise errors.InvalidJob(f"the input nests deeper than {envelope.MAX_DEPTH} levels")
    whole = _any.decode(text)
    found = _leaves(whole) if isinstance(whole, list) else [text.decode()]
    for value in found:
        if not _is_number(value, kind):
            raise errors.InvalidJob(f"the input must be {EXPECTED[kind]}, nested or not: found {value!r:.60}")


def _is_number(value: Any, kind: jobs.InputType) -> bool:
    if isinstance(value, bool):
        return False
    if kind is jobs.InputType.INTS:
        return isinstance(value, int) and -(2**31) <= value < 2**31
    return isinstance(value, (int, float))


def _leaves(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    return [leaf for item in value for leaf in _leaves(item)]


def _reason(error: BaseException) -> str:
    return "it nests too deep" if isinstance(error, RecursionError) else str(error)
