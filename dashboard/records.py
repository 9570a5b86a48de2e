"""What the API answers, as far as the pages show it. Unknown fields are ignored, so that an API may grow."""

from typing import Any

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a version is run."""

    input: str = "json"
    framework: str = "python"
    weights: str | None = None
    batch: bool | str = False
    max_batch: int = 256
    timeout: float = 60.0
    """Seconds."""
    load_timeout: float = 300.0
    """Seconds."""
    memory_mb: int | None = None
    cache: bool | float = True
    """Seconds that an answer counts for identical inputs."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle."""

    path: str
    size: int
    """Bytes."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether inputs of a version may come together."""

    batching: str
    why: str
    advice: str | None = None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model."""

    model: str
    version: int
    state: str
    topic: str
    entry: str
    options: Options
    files: list[File]
    created_at: str
    built_at: str | None = None
    failed_step: str | None = None
    error: str | None = None
    verdict: Verdict | None = None
    unchanged: bool = False

    @property
    def size(self) -> int:
        """Bytes of the bundle."""
        return sum(file.size for file in self.files)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model."""

    model: str
    account: str
    state: str
    live: int | None
    newest: int
    building: bool
    input: str
    framework: str
    topic: str
    created_at: str


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job's time went, in milliseconds."""

    queued_ms: float | None = None
    batch_ms: float | None = None
    predict_ms: float | None = None
    batch_size: int | None = None
    cold_ms: float | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    type: str
    message: str


class Urls(msgspec.Struct, frozen=True, kw_only=True, rename={"own": "self"}):
    """Where the API has it."""

    own: str
    output: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job."""

    id: str
    model: str
    status: str
    created_at: str
    urls: Urls
    version: int | None = None
    output: msgspec.Raw = msgspec.Raw(b"null")
    output_media_type: str | None = None
    error: Failure | None = None
    attempt: int = 0
    cached: bool = False
    started_at: str | None = None
    completed_at: str | None = None
    timings: Timings | None = None
    metadata: dict[str, Any] | None = None
    queue_position: int | None = None
    """Of a queued job: so many of its model's are queued up to it, where that is known."""

    @property
    def terminal(self) -> bool:
        """Whether it ended."""
        return self.status not in {"queued", "running"}

    @property
    def page(self) -> str:
        """Where the dashboard shows it: the API's address without its `/v1`."""
        return self.urls.own.removeprefix("/v1")


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a model's jobs, newest first."""

    jobs: list[Job]
    next: str | None = None


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, without its text."""

    id: str
    name: str
    last_four: str
    created_at: str


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made."""

    id: str
    name: str
    key: str


class CurrentKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that a session holds."""

    id: str
    account: str
    last_four: str


class Models(msgspec.Struct, frozen=True):
    """The API's list of models."""

    models: list[Model]


class Versions(msgspec.Struct, frozen=True):
    """The API's list of versions, newest first."""

    versions: list[Version]


class Keys(msgspec.Struct, frozen=True):
    """The API's list of keys."""

    keys: list[Key]


class Environ(msgspec.Struct, frozen=True):
    """The names of a model's variables."""

    names: list[str]


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457."""

    title: str = ""
    detail: str = ""
    file: str | None = None
    line: int | None = None


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a webhook."""

    number: int
    at: str
    duration_ms: float = 0
    status_code: int | None = None
    error: str | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A job's end on its way to a webhook."""

    url: str
    state: str
    """pending, delivered, failed or disabled."""
    next_at: str | None = None
    tries: list[Try] = []


class Deliveries(msgspec.Struct, frozen=True, kw_only=True):
    """A job's webhooks."""

    deliveries: list[Delivery]
