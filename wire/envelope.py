"""The job envelope: what a record of a model's topic holds, and its codec.

A record's value is one envelope or a list of them, in msgpack or JSON (told apart by the first byte). The input travels
opaque: as the bytes of one msgpack value that only the runner decodes. JSON inputs travel as msgpack's extension type
`JSON_TEXT`, whose data is the JSON text itself, so that accepting and carrying a job never parses its input.

Golden records in tests/unit/wire/golden hold this layout; a field's meaning never changes, unknown fields are ignored.
"""

import re
from typing import Any, Final

import msgspec

from wire import names

JSON_TEXT: Final = 1
"""Code of the msgpack extension type whose data is UTF-8 JSON text."""

MAX_DEPTH: Final = 64
"""Nesting of an input beyond this is refused: parsers recurse."""

MAX_JOBS_A_RECORD: Final = 10_000

VERSION: Final = 1


class Webhook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a job's end is pushed to: a reference without secrets."""

    url: str
    events: list[str] | None = None
    """Statuses that are delivered, such as ["succeeded"]; none: every terminal one."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One job on its way to a worker. The smallest is `{"input": …}`."""

    input: msgspec.Raw
    """One value, as undecoded msgpack bytes."""
    v: int = VERSION
    """Layout version. A reader accepts any: later layouts only add fields."""
    id: str | None = None
    """The job's id; none: the header's, else derived from the record's place in Kafka."""
    version: int | None = None
    """An explicit pin to a model version; none: the live one at the first claim."""
    input_ref: str | None = None
    """Where a large input lies instead of in the record (claim check); then `input` is nil."""
    accepted_at: int | None = None
    """Unix milliseconds at which ingest accepted it; none: the record's timestamp."""
    deadline: int | None = None
    """Unix milliseconds after which the job never starts; none: the model's maximum age."""
    timeout: float | None = None
    """Seconds one predict() call may take; none: the model's setting."""
    metadata: dict[str, Any] | None = None
    """The client's own words, handed back with the job."""
    webhook: Webhook | None = None
    """Whom to call at the end; none: the model's default."""
    reply_to: str | None = None
    """A topic of the model's allow-list that receives the finished job."""
    notify: str | None = None
    """The channel of the ingest process whose client waits for this job."""
    replay_of: str | None = None
    """The dead job that this one repeats."""
    traceparent: str | None = None
    """W3C trace context, where the record's header cannot carry it (several jobs share a record)."""
    cache: bool | None = None
    """False: never answer from the cache; none: the model's setting."""


class Invalid(msgspec.Struct, frozen=True):
    """A place in a record that holds no job, and why."""

    message: str
    id: str | None = None
    """The id it named, where one could be read."""


_envelope_msgpack = msgspec.msgpack.Decoder(Envelope)
_envelopes_msgpack = msgspec.msgpack.Decoder(list[Envelope])
_envelope_json = msgspec.json.Decoder(Envelope)
_raws_msgpack = msgspec.msgpack.Decoder(list[msgspec.Raw])
_raws_json = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.msgpack.Encoder()

_OBJECT: Final = ord("{")
_ARRAY: Final = ord("[")

_STRING: Final = re.compile(rb'"(?:[^"\\\\]|\\\\.)*+"')
_BRACKET: Final = re.compile(rb"[\[\]{}]")
_REFUSED: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def json_input(text: bytes) -> msgspec.Raw:
    """Wrap UTF-8 JSON `text` as an opaque input: a header of three to six bytes before it."""
    size = len(text)
    if size < 1 << 8:
        return msgspec.Raw(b"\xc7%c\x01%b" % (size, text))
    if size < 1 << 16:
        return msgspec.Raw(b"\xc8%b\x01%b" % (size.to_bytes(2, "big"), text))
    return msgspec.Raw(b"\xc9%b\x01%b" % (size.to_bytes(4, "big"), text))


def value_input(value: object) -> msgspec.Raw:
    """Wrap a Python value (bytes included) as an opaque input."""
    return msgspec.Raw(_encoder.encode(value))


def encode(envelope: Envelope) -> bytes:
    """One envelope as msgpack."""
    return _encoder.encode(envelope)


def join_record(contents: list[bytes]) -> bytes:
    """A record's value out of envelopes that are encoded already: a msgpack list's header before them."""
    count = len(contents)
    head = bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(contents)


def decode_record(value: bytes | None) -> list[Envelope | Invalid]:
    """The jobs of a record's value, in order. Never raises: what is no job comes back as `Invalid` at its place."""
    if not value:
        return [Invalid('the record has no value; send an envelope such as {"input": …}')]
    first = value[0]
    if first in b"{[ \t\r\n":
        return _decode_json(value)
    if 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
        return _decode_msgpack_list(value)
    return [_one_msgpack(value)]


def jobs_in(value: bytes | None) -> int:
    """How many jobs a record's value holds, at a glance: exact where it is msgpack, about so many where it is JSON."""
    if not value:
        return 1
    first = value[0]
    if first < 0x90:  # nearly always a map in msgpack
        count = value.count(b'"input"') if first == _ARRAY else 1
    elif first <= 0x9F:
        count = first & 0x0F
    else:
        count = int.from_bytes(value[1 : {0xDC: 3, 0xDD: 5}.get(first, 1)], "big")
    return min(max(count, 1), MAX_JOBS_A_RECORD)


def depth_exceeds(text: bytes, limit: int = MAX_DEPTH) -> bool:
    """Whether JSON `text` nests deeper than `limit`. Cheap where it plainly does not; exact otherwise."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False


def _decode_msgpack_list(value: bytes) -> list[Envelope | Invalid]:
    try:
        jobs: list[Envelope | Invalid] = list(_envelopes_msgpack.decode(value))
    except _REFUSED:
        try:
            raws = _raws_msgpack.decode(value)
        except _REFUSED as error:
            return [Invalid(f"the record is not readable as msgpack: {error}")]
        jobs = [_one_msgpack(bytes(raw)) for raw in raws[: MAX_JOBS_A_RECORD + 1]]
    return _bounded([_checked(job) for job in jobs])


def _decode_json(value: bytes) -> list[Envelope | Invalid]:
    if value[0] == _OBJECT or value.lstrip()[:1] != b"[":
        return [_one_json(value)]
    try:
        raws = _raws_json.decode(value)
    except _REFUSED as error:
        return [Invalid(f"the record is not readable as JSON: {error}")]
    return _bounded([_one_json(bytes(raw)) for raw in raws[: MAX_JOBS_A_RECORD + 1]])


def _bounded(jobs: list[Envelope | Invalid]) -> list[Envelope | Invalid]:
    if not jobs:
        return [Invalid("the record is an empty list; send at least one envelope")]
    if len(jobs) > MAX_JOBS_A_RECORD:
        return [Invalid(f"the record holds more than {MAX_JOBS_A_RECORD} jobs; send several records")]
    return jobs


def _one_msgpack(value: bytes) -> Envelope | Invalid:
    try:
        return _checked(_envelope_msgpack.decode(value))
    except _REFUSED as error:
        return Invalid(f"no job: {_reason(error)}", _readable_id(value, msgspec.msgpack.decode))


def _one_json(value: bytes) -> Envelope | Invalid:
    try:
        job = _envelope_json.decode(value)
    except _REFUSED as error:
        return Invalid(f"no job: {_reason(error)}", _readable_id(value, msgspec.json.decode))
    text = bytes(job.input)
    if depth_exceeds(text):
        return Invalid(f"no job: the input nests deeper than {MAX_DEPTH} levels", _legal(job.id))
    msgspec.structs.force_setattr(job, "input", json_input(text))  # nobody else has it yet: a copy costs twice the rest
    return _checked(job)


def _checked(job: Envelope | Invalid) -> Envelope | Invalid:
    if type(job) is Envelope and job.id is not None and not names.is_job_id(job.id):
        return Invalid("no job: an id is 1 to 128 of A-Z a-z 0-9 _ . : -")
    return job


class _Named(msgspec.Struct):
    id: str


def _readable_id(value: bytes, decode: Any) -> str | None:
    try:
        return _legal(decode(value, type=_Named).id)
    except _REFUSED:
        return None


def _legal(text: str | None) -> str | None:
    return text if text is not None and names.is_job_id(text) else None


def _reason(error: BaseException) -> str:
    return "it nests too deep" if isinstance(error, RecursionError) else str(error)
