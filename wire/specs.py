"""What the registry tells the other processes: models, versions, and the snapshot of keys and endpoints."""

from enum import StrEnum
from typing import Any

import msgspec

from wire import jobs


class VersionState(StrEnum):
    """Where a version stands."""

    BUILDING = "building"
    """Uploaded; a worker makes its environment, loads and checks it."""
    READY = "ready"
    """Checked, and not the live one: can be rolled back to."""
    LIVE = "live"
    """Answers jobs that pin no version."""
    FAILED = "failed"
    """Its build or check failed; the log says why. Never takes over."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle."""

    path: str
    """Relative, with `/`, inside the bundle."""
    sha256: str
    size: int
    """Bytes."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """Which failures of a job are tried again: `[retry]` of panini.toml."""

    on: tuple[jobs.ErrorType, ...] = ()
    """Errors that may pass by themselves, such as ["timeout", "crashed"]; none: only what raises panini.Retry."""
    attempts: int = 3
    """Tries of a job at most, the first included."""
    backoff: tuple[float, ...] = (10.0, 60.0, 600.0)
    """Seconds before the second try, the third, …; the last one is repeated."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a version is run: `panini.toml` of the bundle, over what the deploy said, over the defaults."""

    input: jobs.InputType = jobs.InputType.JSON
    framework: jobs.Framework = jobs.Framework.PYTHON
    weights: str | None = None
    """Path of the weights file in the bundle; none: the bundle folder is what load() gets."""
    batch: bool | str = "verified"
    """`verified`: one by one until proven to give the same together. True: predict declared itself batchable (one
    output per input, else an error). False: one by one."""
    max_batch: int = 256
    """Inputs in one predict() call at most."""
    timeout: float = 60.0
    """Seconds one predict() call may take; past it the runner is killed."""
    load_timeout: float = 300.0
    """Seconds import and load() may take."""
    memory_mb: int | None = None
    """Bound of the runner's memory in MiB; none: unbounded."""
    retry: Retry = Retry()
    """Which failures are tried again."""
    cache: bool | float = True
    """Seconds that an answer counts for identical inputs. True: as long as this installation says. False or 0: never,
    as predict is random, looks at the world outside, or is called for what else it does."""


class Batching(StrEnum):
    """What is known of a version whose inputs shall come together only once that is proven to change nothing."""

    UNPROVEN = "unproven"
    """Inputs run one by one, and are compared with a batch of them as soon as there are enough."""
    OPEN = "open"
    """A batch gave what the inputs gave one by one; a small share is checked for ever."""
    CLOSED = "closed"
    """A batch gave something else: inputs run one by one, for good. Never opens again."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the check found out about a version."""

    batching: Batching
    why: str
    """One or two sentences for the version's author."""
    advice: str | None = None
    """How to gain the speed of batches; none where they are open."""
    judged_at: int = 0
    """Unix milliseconds."""
    steady: bool = True
    """False: it gave two answers to one input, so nothing of it is answered from the cache either."""


def cached(options: Options, verdict: Verdict | None, default: float) -> float:
    """Seconds that a version's answers count for identical inputs; 0: never. `default`: what the installation says."""
    if default <= 0 or (verdict is not None and not verdict.steady):
        return 0.0
    return default if options.cache is True else max(float(options.cache), 0.0)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable upload of a model."""

    version: int
    state: VersionState
    digest: str
    """sha256 over the sorted files and the options: the same upload has the same digest."""
    files: list[File]
    options: Options
    created_at: int
    """Unix milliseconds."""
    entry: str = "predict.py"
    """The file with predict(): `predict.py`, else `main.py`."""
    sample: Any = None
    """One example input in its JSON form, run as the deploy's check; none: only load is checked."""
    error: str | None = None
    """Why it failed, one sentence; the log has the rest."""
    failed_step: str | None = None
    """`files`, `environment`, `load` or `check`, where it failed."""
    verdict: Verdict | None = None
    """What the check found out; none: nothing yet."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model as its worker needs it."""

    account: str
    account_uid: int
    model: str
    model_uid: int
    topic_uuid: str
    """Kafka's id of the jobs topic."""
    live: int | None
    """The live version's number; none until the first one passed."""
    versions: list[Version]
    environ: dict[str, str] = {}
    """Environment variables and secrets of the model. Never logged."""
    max_age: int = 72 * 3600
    """Seconds after which an unstarted job expires; below the topic's retention."""
    keep: int = 24 * 3600
    """Seconds a result is kept after its end."""
    cache: float = 600.0
    """Seconds that an answer counts for identical inputs, where a version says nothing; 0: never, whatever it says."""
    webhook: str | None = None
    """Called at the end of jobs that name none of their own."""
    reply_topics: list[str] = []
    """Topics that `reply_to` may name."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A model as ingest and results need it."""

    account: str
    account_uid: int
    model: str
    model_uid: int
    topic_uuid: str
    live: int | None
    """The live version; none: jobs are refused with model_unavailable."""
    input: jobs.InputType = jobs.InputType.JSON
    building: bool = False
    """A version is being built."""
    max_age: int = 72 * 3600
    keep: int = 24 * 3600
    cache: float = 0.0
    """Seconds that an answer of the live version counts for identical inputs; 0: never."""
    max_job_bytes: int = 1 << 20
    """Bytes of one job's envelope at most; larger is 413."""
    webhook: str | None = None
    """The model's default webhook."""
    webhook_rotation: int = 0
    """How often the secret of its webhooks was replaced (wire.webhooks)."""
    webhook_rotated_at: int | None = None
    """Unix milliseconds of the last time."""
    reply_topics: list[str] = []
    """Topics that `reply_to` may name."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as other processes see it: never the key itself."""

    id: str
    account: str
    account_uid: int
    last_four: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Every key and endpoint at one moment. Small (some hundred bytes each), so that look-ups are a dict's."""

    etag: str
    keys: dict[str, Key]
    """sha256 of the key (hex) → whose it is."""
    endpoints: list[Endpoint]
