"""A record as clients see it: pure functions from values to JSON bytes. Outputs are spliced in, never parsed."""

import base64
import datetime as dt
import functools
from typing import Any, Final

import msgspec

from results import pace, records
from wire import jobs

_encode = msgspec.json.Encoder().encode

_NULL: Final = msgspec.Raw(b"null")
_SUCCEEDED: Final = jobs.Status.SUCCEEDED
"""By itself, as looking into an enumeration takes as long as a dict and a half."""


class Error(msgspec.Struct, frozen=True):
    """Why a job failed."""

    type: str
    message: str


class Timings(msgspec.Struct, frozen=True, gc=False):
    """Where the time went, in milliseconds."""

    queued_ms: float | None = None
    batch_ms: float | None = None
    predict_ms: float | None = None
    batch_size: int | None = None
    cold_ms: float | msgspec.UnsetType = msgspec.UNSET


class Urls(msgspec.Struct, frozen=True, omit_defaults=True, rename={"own": "self"}):
    """Where to go on."""

    own: str
    output: str | msgspec.UnsetType = msgspec.UNSET


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as GET answers it."""

    id: str
    model: str
    version: int | None = None
    status: str
    output: msgspec.Raw | msgspec.UnsetType = _NULL
    output_media_type: str | msgspec.UnsetType = msgspec.UNSET
    error: Error | None = None
    attempt: int = 0
    cached: bool = False
    created_at: str
    started_at: str | None = None
    completed_at: str | None = None
    timings: Timings | None = None
    metadata: dict[str, Any] | None = None
    queue_position: int | msgspec.UnsetType = msgspec.UNSET
    eta_seconds: float | msgspec.UnsetType = msgspec.UNSET
    lane: str | msgspec.UnsetType = msgspec.UNSET
    urls: Urls


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of 2019's predict."""

    query_id: str
    output: msgspec.Raw
    default: bool = False


def job(
    job_id: str, model: str, record: records.Record, *, ours: bool, output: bool = True, place: pace.Place | None = None
) -> bytes:
    """The job's JSON. `ours`: Panini made the id, so the short address knows it. `output`: include it."""
    details, error = record.details, record.error
    succeeded = record.status is _SUCCEEDED
    timings = details.timings
    own = address(job_id, model, ours=ours)
    made = Job(
        id=job_id,
        model=model,
        version=record.version,
        status=record.status,
        output=_output(record) if output else msgspec.UNSET,
        output_media_type=details.media or msgspec.UNSET,
        error=None if error is None else Error(error.type, error.message),
        attempt=record.starts + details.retries,
        cached=details.cached,
        created_at=iso(record.created_at),
        started_at=None if details.started_at is None else iso(details.started_at),
        completed_at=None if record.completed_at is None else iso(record.completed_at),
        timings=None if timings is None else _timings(timings),
        metadata=details.metadata,
        urls=Urls(own, f"{own}/output") if succeeded and ours else Urls(own),
    )
    if place is not None:  # more than 15 keywords in one call cost as much as the rest of it
        eta = msgspec.UNSET if place.eta is None else place.eta
        made = msgspec.structs.replace(made, queue_position=place.position, eta_seconds=eta)
    try:
        return _encode(made)
    except records.UNKEPT:
        # metadata of a msgpack record that JSON has no words for
        return _encode(msgspec.structs.replace(made, metadata=None))


def queued(job_id: str, model: str, created_ms: int, *, bulk: bool = False) -> bytes:
    """The JSON of a job that no worker has read yet: all that its id says, and that it went to the bulk lane."""
    return _encode(
        Job(
            id=job_id,
            model=model,
            status=jobs.Status.QUEUED,
            created_at=iso(created_ms),
            lane="bulk" if bulk else msgspec.UNSET,
            urls=Urls(address(job_id, model, ours=True)),
        )
    )


def predicted(job_id: str, record: records.Record) -> bytes:
    """2019's predict answer of a job that succeeded."""
    return _encode(Predicted(query_id=job_id, output=_output(record)))


def several(found: list[bytes], *, cursor: str | msgspec.UnsetType | None = msgspec.UNSET) -> bytes:
    """`{"jobs": […]}` around jobs' JSON, with `next` where the list has pages."""
    tail = b"" if cursor is msgspec.UNSET else b',"next":' + _encode(cursor)
    return b'{"jobs":[' + b",".join(found) + b"]" + tail + b"}"


def address(job_id: str, model: str, *, ours: bool) -> str:
    """The path under which the job is found."""
    return f"/v1/jobs/{job_id}" if ours else f"/v1/models/{model}/jobs/{job_id}"


def iso(ms: int) -> str:
    """Unix milliseconds as ISO 8601, UTC."""
    second, rest = divmod(ms, 1000)
    return _second(second) + _THOUSANDTHS[rest]


_THOUSANDTHS: Final = tuple(f".{ms:03d}Z" for ms in range(1000))


@functools.lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _timings(timings: records.Timings) -> Timings:
    cold = msgspec.UNSET if timings.cold_ms is None else timings.cold_ms
    return Timings(timings.queued_ms, timings.batch_ms, timings.predict_ms, timings.batch_size, cold)


def _output(record: records.Record) -> msgspec.Raw:
    if record.output is None or record.status is not _SUCCEEDED:
        return _NULL
    if record.details.media is not None:
        return msgspec.Raw(b'"' + base64.b64encode(record.output) + b'"')
    return msgspec.Raw(record.output)
