"""The record of a job: one Redis string, so that reading is a GET.

    0       status: Q noted, parked or given back · R running · S succeeded · F failed · C canceled · X expired
    1       charged starts, one digit
    2       1: cancel was asked of the worker that runs it
    3-18    token of the claim that runs or ended it, 16 hex digits
    19-26   version of the model, 8 digits (0: none yet)
    27-39   created, Unix milliseconds, 13 digits
    40-52   ended, the same (0: not yet)
    53-65   result readable until, the same (0: not yet)
    66-73   bytes of the details, 8 digits
    74-     details (msgpack array, fields only ever added at its end), then the output's bytes

The scripts read and write the head (0-65) and never look into the rest. A record cut to its head is past its time.
"""

from typing import Any, Final

import msgspec

from wire import jobs

HEAD: Final = 66
"""Bytes of the head."""

MAX_STARTS: Final = 3

_BODY: Final = HEAD + 8
_LAST: Final = 9_999_999_999_999
_MOST: Final = 99_999_999

CODES: Final = {
    jobs.Status.QUEUED: b"Q",
    jobs.Status.RUNNING: b"R",
    jobs.Status.SUCCEEDED: b"S",
    jobs.Status.FAILED: b"F",
    jobs.Status.CANCELED: b"C",
    jobs.Status.EXPIRED: b"X",
}
STATUSES: Final = {code[0]: status for status, code in CODES.items()}


class Error(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why a job failed."""

    type: jobs.ErrorType
    message: str
    """For the client, one or two sentences."""
    traceback: str | None = None
    """The author's own frames; for the model's author."""


class Timings(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a job's time went, in milliseconds."""

    queued_ms: float | None = None
    """From accepted to claimed."""
    batch_ms: float | None = None
    """From claimed to the runner's start: waiting for the batch and for the runner."""
    predict_ms: float | None = None
    """The predict() call of its batch."""
    batch_size: int | None = None
    """Inputs of that call."""
    cold_ms: float | None = None
    """What of queued_ms no runner of its worker was ready for it: a cold start. None: one was."""


class Details(msgspec.Struct, frozen=True, array_like=True):
    """What the scripts need not know. Fields are positional: add at the end only, with a default."""

    started_at: int | None = None
    """Unix milliseconds of the last start."""
    error: Error | None = None
    timings: Timings | None = None
    metadata: dict[str, Any] | None = None
    """The client's own words."""
    media: str | None = None
    """Media type of an output that is raw bytes; none: the output is JSON text."""
    cached: bool = False
    """Answered from the cache."""
    traceparent: str | None = None
    place: tuple[int, int, int] | None = None
    """Partition, offset, and place in the list, of the Kafka record it came in."""
    replay_of: str | None = None
    retries: int = 0
    """Tries so far that were not charged: its starts and these are its `attempt`."""
    streamed: bool = False
    """It yielded outputs while it ran: an identical job wants them too, so its answer is its own."""
    answered_at: int | None = None
    """Unix milliseconds at which the job that ran got this answer; none: this one ran itself."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the store knows it."""

    status: jobs.Status
    starts: int
    token: str
    cancel_asked: bool
    version: int | None
    created_at: int
    """Unix milliseconds, as the next two."""
    completed_at: int | None
    expires_at: int | None
    """The result is readable until then; later it is gone (410)."""
    details: Details
    output: bytes | None
    """JSON text, never parsed; raw bytes where `details.media` says so."""

    @property
    def cut(self) -> bool:
        """Whether it was cut to its head, past its time."""
        return self.details is _NO_DETAILS

    @property
    def terminal(self) -> bool:
        """Whether it ended."""
        return self.completed_at is not None

    def gone(self, now_ms: int) -> bool:
        """Whether its result is past its time."""
        return self.expires_at is not None and (self.expires_at <= now_ms or self.cut)

    @property
    def error(self) -> Error | None:
        """Why it failed; a job that the claim itself ended has no error in its details."""
        if self.status is jobs.Status.FAILED and self.details.error is None:
            return EXHAUSTED
        return self.details.error


EXHAUSTED: Final = Error(
    jobs.ErrorType.ATTEMPTS_EXHAUSTED,
    f"the job was started {MAX_STARTS} times and its worker was lost or crashed every time; "
    "the model's log says how; send the job again once the cause is found",
)

_NO_DETAILS: Final = Details()
UNKEPT: Final = (OverflowError, RecursionError, TypeError, ValueError)
"""What encoding a client's metadata may raise: an integer past 64 bits, an extension type, a key that is no string."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Details).decode


def head(
    status: jobs.Status,
    *,
    starts: int,
    token: str,
    version: int,
    created_at: int,
    completed_at: int = 0,
    expires_at: int = 0,
) -> bytes:
    """The fixed part. `token` is 16 hex digits."""
    return b"%b%d0%b%08d%013d%013d%013d" % (
        CODES[status],
        starts,
        token.encode(),
        number(version),
        moment(created_at),
        completed_at,
        expires_at,
    )


def pack(details: Details) -> bytes:
    """Details as msgpack. What cannot be kept of metadata and messages must not cost a job, nor its batch."""
    try:
        return _encode(details)
    except UNKEPT:
        why = details.error
        if why is not None:
            why = Error(why.type, _readable(why.message), why.traceback and _readable(why.traceback))
        return _encode(msgspec.structs.replace(details, metadata=None, error=why))


def body(details: Details, output: bytes | None = None) -> bytes:
    """What follows the head."""
    packed = pack(details)
    return b"%08d%b%b" % (len(packed), packed, output or b"")


def decode(value: bytes) -> Record:
    """The record of a value that `head` and `body`, or the scripts, made."""
    details, output = _NO_DETAILS, None
    if len(value) > HEAD:
        end = _BODY + int(value[HEAD:_BODY])
        details = _decode(value[_BODY:end])
        output = value[end:]
        if not output and details.media is None:
            output = None
    return Record(
        status=STATUSES[value[0]],
        starts=value[1] - 48,
        cancel_asked=value[2] == 49,
        token=value[3:19].decode(),
        version=int(value[19:27]) or None,
        created_at=int(value[27:40]),
        completed_at=int(value[40:53]) or None,
        expires_at=int(value[53:66]) or None,
        details=details,
        output=output,
    )


def encode(record: Record) -> bytes:
    """The value of a record."""
    return head(
        record.status,
        starts=record.starts,
        token=record.token,
        version=record.version or 0,
        created_at=record.created_at,
        completed_at=record.completed_at or 0,
        expires_at=record.expires_at or 0,
    ) + body(record.details, record.output)


def moment(ms: int) -> int:
    """A time that fits its 13 digits: a pipeline's record may claim any."""
    return ms if 0 <= ms <= _LAST else min(max(ms, 0), _LAST)


def number(version: int) -> int:
    """A version that fits its 8 digits; there is none so high."""
    return version if 0 <= version <= _MOST else min(max(version, 0), _MOST)


def is_terminal(value: bytes) -> bool:
    """Whether a record's value, or its head, is of a job that ended."""
    return value[:1] in b"SFCX"


def _readable(text: str) -> str:
    """Without lone surrogates, which no encoding has."""
    return text.encode("utf-8", "replace").decode()
