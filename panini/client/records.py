"""What the API tells: jobs, models, versions and lines of a log, as frozen records. Nothing here talks to a server."""

import base64
import dataclasses
from typing import Any, Self, TypeVar

import msgspec

from panini.client import errors
from wire import jobs, specs

T = TypeVar("T")


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    type: str
    """One of `wire.jobs.ErrorType`."""
    message: str = ""


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a job's document that have a place in `Job`."""

    id: str
    status: jobs.Status
    model: str | None = None
    version: int | None = None
    output: Any = None
    output_media_type: str | None = None
    """What kind of bytes the output is, such as image/png; then `output` is their base64."""
    error: JobError | None = None
    metadata: dict[str, Any] | None = None
    queue_position: int | None = None
    eta_seconds: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One job as it stood when the server was asked."""

    id: str
    model: str
    status: jobs.Status
    version: int | None = None  # the model version that ran it; None until it was first claimed
    output: Any = None  # what predict() returned for this input, once succeeded: JSON values, or bytes
    media_type: str | None = None  # of an output that is bytes, such as image/png
    error: JobError | None = None
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)  # your own words, handed back
    queue_position: int | None = None  # of a queued job: so many of its model's are queued up to it, where known
    eta_seconds: float | None = None  # until it starts, at the pace at which it was seen to move up
    document: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)  # everything the server said

    @property
    def done(self) -> bool:
        """Whether the job ended: its status is terminal and stays."""
        return self.status in jobs.TERMINAL

    @property
    def whole(self) -> bool:
        """Whether the end is here with its output; a list of jobs leaves outputs out."""
        return self.done and not (self.succeeded and "output" not in self.document)

    @property
    def succeeded(self) -> bool:
        """Whether the job ended well and has its output."""
        return self.status is jobs.Status.SUCCEEDED

    @classmethod
    def read(cls, document: Any, *, model: str | None = None, **more: Any) -> Self:
        """The job of an API document. `model` stands in where the document does not name it.

        Raises:
            NotUnderstood: the document is no job.
        """
        fields = _convert(document, Fields)
        return cls(
            id=fields.id,
            model=fields.model or model or "",
            status=fields.status,
            version=fields.version,
            output=_output(fields),
            media_type=fields.output_media_type,
            error=fields.error,
            metadata=fields.metadata or {},
            queue_position=fields.queue_position,
            eta_seconds=fields.eta_seconds,
            document=document,
            **more,
        )


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One upload of a model."""

    version: int
    state: specs.VersionState
    model: str = ""
    digest: str = ""
    created_at: Any = None
    error: str | None = None
    """Why it failed, in one sentence; the log has the rest."""
    failed_step: str | None = None
    """`files`, `environment`, `load` or `check`, where it failed."""
    topic: str | None = None
    """The Kafka topic of the model's jobs."""
    input: str | None = None
    """What one input of it is: `bytes ints floats doubles strings json`."""
    unchanged: bool = False
    """Whether the upload was the same as this version, which was there already."""
    urls: dict[str, str] = {}
    document: dict[str, Any] = {}
    """Everything the server said."""

    @property
    def done(self) -> bool:
        """Whether its build ended, well or not."""
        return self.state is not specs.VersionState.BUILDING


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the account."""

    model: str
    live: int | None = None
    """The live version; None until one passed."""
    topic: str | None = None
    input: str | None = None
    urls: dict[str, str] = {}
    document: dict[str, Any] = {}
    """Everything the server said."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a log."""

    number: int
    """Its place in the log, from 1; 0 where the log does not number."""
    text: str


def _output(fields: Fields) -> Any:
    if fields.output_media_type is None or not isinstance(fields.output, str):
        return fields.output
    try:
        return base64.b64decode(fields.output, validate=True)
    except ValueError as error:
        raise errors.NotUnderstood(f"the output of job {fields.id} is no base64: {error}") from error


def version(document: Any, *, model: str) -> Version:
    """The version of an API document. Raises NotUnderstood."""
    found = _convert(_flat(document), Version)
    return msgspec.structs.replace(found, model=found.model or model, document=document)


def model(document: Any) -> Model:
    """The model of an API document. Raises NotUnderstood."""
    flat = _flat(document)
    if isinstance(flat, dict) and "model" not in flat and "name" in flat:
        flat = flat | {"model": flat["name"]}
    return msgspec.structs.replace(_convert(flat, Model), document=document)


def listed(document: Any, name: str) -> list[Any]:
    """The items of a list answer: `{name: [...]}`, or the bare list."""
    found = document.get(name) if isinstance(document, dict) else document
    if not isinstance(found, list):
        raise errors.NotUnderstood(f"the answer has no list of {name}; does the address lead to Panini's API?")
    return found


def _flat(document: Any) -> Any:
    """The document with its options' input type beside the other fields."""
    if isinstance(document, dict) and "input" not in document and isinstance(document.get("options"), dict):
        return document | {"input": document["options"].get("input")}
    return document


def _convert(document: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise errors.NotUnderstood(
            f"the answer is not understood ({error}); does the address lead to Panini's API, of this version?"
        ) from error
