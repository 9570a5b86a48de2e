"""The conversation of a worker with a runner: frames over one stream socket.

A frame is four bytes of length (big-endian) and one msgpack array whose first element is the kind. What comes from a
runner is never trusted: it is size-capped, decoded to plain values, checked for shape, and a breach raises
`ProtocolError`, which ends the runner and never the worker. Nothing is ever pickled. `runner/messages.py` is the
child's side of these numbers; a test holds the two together.

    runner → worker   [HELLO, version, pid, python]              once, first
                      [READY, {"form", "load_ms", …}]            the model is loaded
                      [LOAD_FAILED, message, traceback]
                      [RESULTS, batch, [item…], done, predict_ms, batch_error]     items follow those sent before
                      [EVENT, batch, place | nil, name, value]   name: "progress" [fraction, text], "output" (JSON text)
    worker → runner   [START, version, {…}]                      the answer to HELLO
                      [RUN, batch, together, [input…], [id…]]    an input is a bin that holds one msgpack value
                      [CANCEL, [id…]]                            inputs of these ids that have not begun shall not
                      [EXIT]

    item              bin: an output as JSON text · [media, bin] · [error type, message, traceback, retry_after | nil]
                      · nil: canceled before it began

The *journal* is a small shared file beside the socket. The runner notes in it which input it is at, since when, and
results not yet sent, so that fast results can share a frame and a crash still costs only the input that caused it.
Its header is HEADER: batch, place of the first unsent result, number of unsent results, their bytes, and the monotonic
time at which the current input began. A host without shared memory leaves it out.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from wire import jobs
from workers import errors, outcomes

VERSION: Final = 1

HELLO: Final = 1
READY: Final = 2
LOAD_FAILED: Final = 3
RESULTS: Final = 4
EVENT: Final = 5
START: Final = 17
RUN: Final = 18
CANCEL: Final = 19
EXIT: Final = 20

HEADER: Final = struct.Struct("<IIIId")
JOURNAL_BYTES: Final = 256 * 1024
"""Size of the journal; results that do not fit are sent at once."""

_LENGTHS: Final = {HELLO: 4, READY: 2, LOAD_FAILED: 3, RESULTS: 6, EVENT: 5}
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder()


def frame(message: Sequence[object]) -> bytes:
    """A message as it goes onto the socket."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


def run_frame(batch: int, together: bool, inputs: Sequence[bytes], ids: Sequence[str]) -> bytes:
    """The RUN message."""
    return frame((RUN, batch, together, inputs, ids))


def decode(body: bytes | memoryview) -> list[Any]:
    """A runner's message. Raises ProtocolError where it is none."""
    try:
        message = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise errors.ProtocolError(f"a frame that is no msgpack: {error}") from error
    if not isinstance(message, list) or not message or _LENGTHS.get(kind(message)) != len(message):
        raise errors.ProtocolError("a frame that is no message of the protocol")
    return message


def kind(message: list[Any]) -> int:
    """What a message is; 0 where that cannot be told."""
    first = message[0]
    return first if type(first) is int else 0


def outcome(item: object) -> outcomes.Outcome:
    """One item of RESULTS. Raises ProtocolError."""
    if type(item) is bytes:
        return outcomes.Output(item)
    match item:
        case None:
            return outcomes.Lost(jobs.ErrorType.CRASHED, "canceled before it began", began=False)
        case [str(media), bytes(data)]:
            return outcomes.Output(data, media)
        case [str(type_), str(message), str(traceback), (float() | int() | None) as after]:
            return outcomes.Failure(_error_type(type_), message, traceback, after)
        case _:
            raise errors.ProtocolError("a result of no known form")


def unsent(journal: bytes, *, batch: int) -> tuple[int, list[outcomes.Outcome]]:
    """The results of `batch` that a runner had ready when it ended: the place of the first one, and they.

    Whatever is torn or forged there is left out, from the first bad one on.
    """
    if len(journal) < HEADER.size:
        return 0, []
    noted, base, count, size, _ = HEADER.unpack_from(journal)
    found: list[outcomes.Outcome] = []
    if noted != batch or HEADER.size + size > len(journal):
        return 0, found
    body = b"\xdd" + count.to_bytes(4, "big") + journal[HEADER.size : HEADER.size + size]
    try:
        found.extend(outcome(item) for item in _decoder.decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, TypeError, ValueError, errors.ProtocolError):
        return base, found
    return base, found


def began(journal: bytes, *, batch: int) -> float | None:
    """When the runner began the input of `batch` it is at (monotonic seconds); None where it is not at that batch."""
    if len(journal) < HEADER.size:
        return None
    noted, _, _, _, since = HEADER.unpack_from(journal)
    return float(since) if noted == batch and since == since else None  # noqa: PLR0124  NaN is not itself


def answered(journal: bytes, *, batch: int) -> int:
    """How many inputs of `batch` the runner has answers for, sent or not."""
    if len(journal) < HEADER.size:
        return 0
    noted, base, count, _, _ = HEADER.unpack_from(journal)
    return int(base + count) if noted == batch else 0


def _error_type(word: str) -> jobs.ErrorType:
    try:
        return jobs.ErrorType(word)
    except ValueError as error:
        raise errors.ProtocolError(f"an error type {word[:40]!r} that does not exist") from error
