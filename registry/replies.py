"""What the public routes answer."""

import datetime as dt
from typing import Annotated

import pydantic

from registry import keys, tables, versions, views
from wire import jobs, names, specs

Moment = Annotated[
    str, pydantic.Field(examples=["2026-01-01T12:00:00.000Z"], json_schema_extra={"format": "date-time"})
]
"""ISO 8601, UTC."""


class Reply(pydantic.BaseModel):
    """A body; what is none is left out by the routes where that reads better."""

    model_config = pydantic.ConfigDict(from_attributes=True, frozen=True)


class File(Reply):
    """One file of a bundle."""

    path: str = pydantic.Field(examples=["predict.py"])
    sha256: str
    size: int = pydantic.Field(description="Bytes")


class Retry(Reply):
    """Which failures are tried again."""

    on: list[jobs.ErrorType]
    attempts: int
    backoff: list[float] = pydantic.Field(description="Seconds before the second try, the third, …")


class Options(Reply):
    """How a version is run."""

    input: jobs.InputType
    framework: jobs.Framework
    weights: str | None = pydantic.Field(description="The file that load() gets; null: the bundle's folder")
    batch: bool | str
    max_batch: int
    timeout: float = pydantic.Field(description="Seconds one predict() call may take")
    load_timeout: float = pydantic.Field(description="Seconds import and load() may take")
    memory_mb: int | None
    retry: Retry
    cache: bool | float = pydantic.Field(description="Seconds that an answer counts for identical inputs")


class Verdict(Reply):
    """Whether inputs of a version may come together."""

    batching: specs.Batching
    why: str
    advice: str | None = pydantic.Field(description="How to gain the speed of batches")
    judged_at: Moment


class Urls(Reply):
    """Where to go on, relative to the API's address."""

    self: str
    log: str
    jobs: str
    predict: str


class Version(Reply):
    """One version of a model."""

    model: str = pydantic.Field(examples=["iris"])
    version: int = pydantic.Field(examples=[1])
    state: specs.VersionState
    digest: str = pydantic.Field(description="sha256 over files, options and sample")
    topic: str = pydantic.Field(examples=["panini.default.iris.jobs"])
    entry: str
    options: Options
    files: list[File]
    created_at: Moment
    built_at: str | None = pydantic.Field(description="When it left `building`")
    failed_step: str | None = pydantic.Field(examples=["load"])
    error: str | None
    verdict: Verdict | None = pydantic.Field(None, description="What the check found out; null: nothing yet")
    unchanged: bool = pydantic.Field(False, description="The upload was this version already; nothing was stored")
    urls: Urls


class Model(Reply):
    """A model."""

    model: str = pydantic.Field(examples=["iris"])
    account: str = pydantic.Field(examples=["default"])
    state: specs.VersionState = pydantic.Field(description="The live version's state, else the newest's")
    live: int | None = pydantic.Field(description="Number of the live version")
    newest: int = pydantic.Field(description="Number of the newest version")
    building: bool = pydantic.Field(description="Whether a version is being built")
    input: jobs.InputType
    framework: jobs.Framework
    topic: str = pydantic.Field(examples=["panini.default.iris.jobs"])
    created_at: Moment
    urls: Urls


class Models(Reply):
    """The models of an account, by name."""

    models: list[Model]


class Versions(Reply):
    """The versions of a model, newest first."""

    model: str
    versions: list[Version]


class Rollback(Reply):
    """Which version shall be live."""

    version: int = pydantic.Field(ge=1, examples=[1])


class Webhook(Reply):
    """A model's default webhook."""

    url: str | None = pydantic.Field(examples=["https://example.com/hook"])


class WebhookSecret(Reply):
    """What signs a model's webhooks."""

    secret: str = pydantic.Field(examples=["whsec_…"])
    rotated_at: str | None = pydantic.Field(description="When it replaced the one before it")


class ReplyTopics(Reply):
    """Topics that `reply_to` may name."""

    topics: list[str] = pydantic.Field(examples=[["orders.results"]])


class Key(Reply):
    """An API key, without its text."""

    id: str
    name: str
    last_four: str
    created_at: Moment


class CurrentKey(Reply):
    """The key that a request came with."""

    id: str
    account: str = pydantic.Field(examples=["default"])
    last_four: str


class CreatedKey(Key):
    """An API key just made: the only time that its text is shown."""

    key: str = pydantic.Field(examples=["pn_…"])


class Keys(Reply):
    """The keys of an account that are not revoked."""

    keys: list[Key]


class NewKey(Reply):
    """What a key is for."""

    name: str = pydantic.Field(default="", max_length=100, examples=["nightly pipeline"])


class Environ(Reply):
    """The names of a model's variables; their values are never shown."""

    names: list[str] = pydantic.Field(examples=[["HF_TOKEN"]])


def version(model: tables.Model, row: tables.Version, *, unchanged: bool = False) -> Version:
    """A version's body."""
    return Version(
        model=model.name,
        version=row.number,
        state=versions.state(model, row),
        digest=row.digest,
        topic=names.jobs_topic(model.account.name, model.name),
        entry=row.entry,
        options=Options.model_validate(views.options(row)),
        files=[File.model_validate(file) for file in row.files],
        created_at=moment(row.created_at),
        built_at=moment(row.built_at) if row.built_at is not None else None,
        failed_step=row.failed_step,
        error=row.error,
        verdict=_verdict(views.verdict(row)),
        unchanged=unchanged,
        urls=_urls(model.name, f"/versions/{row.number}"),
    )


def model(row: tables.Model) -> Model:
    """A model's body."""
    shown = versions.shown(row)
    options = views.options(shown)
    return Model(
        model=row.name,
        account=row.account.name,
        state=versions.state(row, shown),
        live=row.live,
        newest=row.versions[-1].number,
        building=any(each.state == versions.BUILDING for each in row.versions),
        input=options.input,
        framework=options.framework,
        topic=names.jobs_topic(row.account.name, row.name),
        created_at=moment(row.created_at),
        urls=_urls(row.name, ""),
    )


def key(row: tables.Key) -> Key:
    """A key's body."""
    return Key(id=row.id, name=row.name, last_four=row.last_four, created_at=moment(row.created_at))


def created_key(made: keys.Created) -> CreatedKey:
    """The body of a key just made."""
    return CreatedKey(
        id=made.id, name=made.name, last_four=made.last_four, created_at=moment(made.created_at), key=made.key
    )


def moment(milliseconds: int) -> str:
    """Unix milliseconds as ISO 8601, UTC."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _verdict(found: specs.Verdict | None) -> Verdict | None:
    if found is None:
        return None
    return Verdict(
        batching=found.batching, why=found.why, advice=found.advice, judged_at=moment(found.judged_at)
    )  # fmt: skip


def _urls(name: str, part: str) -> Urls:
    base = f"/v1/models/{name}"
    return Urls(self=base + part, log=f"{base}{part}/log", jobs=f"{base}/jobs", predict=f"{base}/predict")
