"""Where the steps are measured: a model of the stack's engines that no process of the stack knows, and jobs for it."""

import dataclasses
import hashlib
import pathlib
import time
from collections.abc import Iterator
from typing import Final

from benchmarks import inputs, stack, usage
from benchmarks.travel import meter
from ingest import bodies
from registry import settings as registry_settings
from registry import topics
from results import keys, records
from wire import directory, envelope, ids, jobs, names, settings, specs
from workers import folders, source
from workers import jobs as worker_jobs

ACCOUNT: Final = "default"
MODEL: Final = "travel"
KEY: Final = "pn_" + "0" * 36
UID: Final = 7
CHANNEL: Final = keys.notify("0123456789abcdef")
"""Of the process whose client waits."""
OUTPUT: Final = b'{"species":"setosa","probability":0.9822}'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """What the steps of all processes need."""

    connections: settings.Connections
    home: pathlib.Path
    """Of the stack."""
    topic_uuid: str
    meter: meter.Meter
    items: Iterator[inputs.Item]
    signer: ids.Signer = dataclasses.field(default_factory=lambda: ids.Signer({0: b"travel"}, 0))

    @classmethod
    async def on(cls, found: stack.Stack) -> "Place":
        """A model's topics on a running stack's Kafka."""
        connections = found.connections()
        made = topics.KafkaTopics(connections, registry_settings.Settings.load())
        pids = {name: (pid, *usage.below(pid)) for name in ("kafka", "valkey") if (pid := found.pid(name)) is not None}
        return cls(
            connections=connections,
            home=found.place.root,
            topic_uuid=await made.ensure(ACCOUNT, MODEL),
            meter=meter.Meter(pids),
            items=inputs.endless("travel"),
        )

    @property
    def topic(self) -> str:
        """Of the model's jobs."""
        return names.jobs_topic(ACCOUNT, MODEL)

    @property
    def folders(self) -> folders.Folders:
        """Of a worker of the model; environments are shared with the stack's own."""
        return folders.Folders(home=self.home, owner=f"{ACCOUNT}.{MODEL}")

    def model(self) -> specs.Model:
        """As a worker knows it."""
        options = specs.Options(input=jobs.InputType.FLOATS, batch=True, weights="iris.joblib")
        version = specs.Version(
            version=1, state=specs.VersionState.LIVE, digest="0" * 64, files=[], options=options, created_at=0
        )
        return specs.Model(
            account=ACCOUNT,
            account_uid=UID,
            model=MODEL,
            model_uid=UID,
            topic_uuid=self.topic_uuid,
            live=1,
            versions=[version],
        )

    def body(self) -> bytes:
        """Of a POST; each has another input."""
        return f'{{"input":{next(self.items).text}}}'.encode()

    def job_id(self) -> str:
        """A fresh id."""
        return self.signer.new(model_uid=UID, account_uid=UID, now_ms=now_ms())

    def encoded(self) -> bytes:
        """A job as ingest writes it."""
        content = bodies.opaque_input(bodies.parse(self.body()).input, jobs.InputType.FLOATS)
        made = envelope.Envelope(id=self.job_id(), input=content, accepted_at=now_ms(), notify=CHANNEL)
        return envelope.encode(made)

    def value(self, size: int) -> bytes:
        """Of a Kafka record of so many jobs."""
        return self.encoded() if size == 1 else envelope.join_record([self.encoded() for _ in range(size)])

    def record(self, size: int, offset: int = 0) -> source.Record:
        """The same, fetched."""
        return source.Record(
            topic=self.topic,
            partition=0,
            offset=offset,
            timestamp=now_ms(),
            value=self.value(size),
            headers=(),
            generation=1,
        )

    def read(self, record: source.Record) -> list[worker_jobs.Job]:
        """A record's jobs, as the worker reads them."""
        return worker_jobs.read(record, topic_uuid=self.topic_uuid, max_age=self.model().max_age)


def snapshot() -> specs.Snapshot:
    """The model and its client's key, as HTTP processes know them."""
    key = specs.Key(id="k", account=ACCOUNT, account_uid=UID, last_four="0000")
    return specs.Snapshot(etag="1", keys={hashlib.sha256(KEY.encode()).hexdigest(): key}, endpoints=[endpoint()])


async def known() -> directory.Directory:
    """The directory of an HTTP process."""

    async def fetch(etag: str | None) -> specs.Snapshot | None:
        return snapshot() if etag is None else None

    made = directory.Directory(fetch)
    await made.refresh()
    return made


def endpoint() -> specs.Endpoint:
    """The model as ingest and results know it."""
    return specs.Endpoint(
        account=ACCOUNT,
        account_uid=UID,
        model=MODEL,
        model_uid=UID,
        topic_uuid="",
        live=1,
        input=jobs.InputType.FLOATS,
        cache=600.0,
    )


def ended() -> bytes:
    """The value of a job that succeeded."""
    now = now_ms()
    head = records.head(
        jobs.Status.SUCCEEDED,
        starts=1,
        token="0" * 16,
        version=1,
        created_at=now,
        completed_at=now,
        expires_at=now + 86_400_000,
    )
    details = records.Details(started_at=now, timings=records.Timings(1.0, 0.4, 0.3, 1), place=(0, 12345, 0))
    return head + records.body(details, OUTPUT)


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
