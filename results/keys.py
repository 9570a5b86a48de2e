"""Every Redis key and channel: the one place that spells them.

    {account:model:bucket}:j:{id}                   string: the record of a job, layout in records.py
    {account:model:bucket}:r:{partition}:{block}    string: jobs of LISTED Kafka records, not those Panini named;
                                                    a line each: offset, place, id
    {account:model:bucket}:index                    sorted set, id by created_at: the jobs that a worker has read
    {account:model:bucket}:queue                    sorted set, id by created_at: noted jobs that nobody claimed
    {account:model:bucket}:deadlines                sorted set, id by Unix ms: queued jobs that expire then
    {account:model:bucket}:hooks                    hash, id → who is told of a queued job's end, see ending.lua
    {account:model:bucket}:e:{id}                   stream: progress and outputs of a running job, made with the first
    {account:model:bucket}:d:{id}                   hash: the webhook delivery of a job that ended, see deliveries.py
    {account:model:bucket}:due                      sorted set, id by Unix ms: deliveries to be tried then
    {account:model:bucket}:i:{digest}               string: the job that an Idempotency-Key stands for
    {account:model:bucket}:c                        hash, place → digest and id of the job that answered it
    {account:model:bucket}:off                      hash, URL → Unix ms: webhooks that answered 410
    {panini:sweep}:lease                            string: the token of the process that expires queued jobs
    {panini:sweep}:due                              sorted set, `account:model` by Unix ms: has a job that expires then
    panini:ended:{account}:{model}                  channel: ids of jobs that ended, parted by spaces
    panini:due                                      channel: `account:model` that has deliveries to be tried now
    panini:control:{account}:{model}                channel: what its workers are asked, such as `cancel {id}`
    panini:notify:{process}                         channel: [[key, value | false], …] of ended jobs a POST waits for

All keys of a job share one hash tag, so that a script over a batch of them works on Redis Cluster.
"""

import hashlib
from typing import Final

BUCKET: Final = 0
"""The only bucket until one slot is too small for a model."""

LISTED: Final = 16
"""Kafka records whose jobs are listed together: of one job each, as many cost a claim what one would."""

NOTIFY: Final = "panini:notify:"

SWEEP_LEASE: Final = "{panini:sweep}:lease"
SWEEP_DUE: Final = "{panini:sweep}:due"

DUE: Final = "panini:due"
"""Channel that wakes the processes which deliver webhooks."""


def tag(account: str, model: str) -> str:
    """The hash tag that all keys of a model's jobs begin with."""
    return f"{{{account}:{model}:{BUCKET}}}"


def job_prefix(account: str, model: str) -> str:
    """What stands before the id in the key of a job's record."""
    return f"{{{account}:{model}:{BUCKET}}}:j:"


def job(account: str, model: str, job_id: str) -> str:
    """The record of a job."""
    return f"{{{account}:{model}:{BUCKET}}}:j:{job_id}"


def listing(account: str, model: str, partition: int, block: int) -> str:
    """The ids of the jobs of Kafka records; the block of one is its offset // LISTED."""
    return f"{tag(account, model)}:r:{partition}:{block}"


def index(account: str, model: str) -> str:
    """The model's jobs by creation time."""
    return f"{tag(account, model)}:index"


def queue(account: str, model: str) -> str:
    """The model's noted jobs that nobody claimed."""
    return f"{tag(account, model)}:queue"


def deadlines(account: str, model: str) -> str:
    """The model's queued jobs by the time at which they expire."""
    return f"{tag(account, model)}:deadlines"


def hooks(account: str, model: str) -> str:
    """Who is told of the ends of the model's queued jobs."""
    return f"{tag(account, model)}:hooks"


def events(account: str, model: str, job_id: str) -> str:
    """The stream of what a job said while it ran."""
    return f"{tag(account, model)}:e:{job_id}"


def delivery(account: str, model: str, job_id: str) -> str:
    """The webhook delivery of a job that ended."""
    return f"{tag(account, model)}:d:{job_id}"


def cache(account: str, model: str) -> str:
    """Which job answered what, where all workers of a model see it."""
    return f"{tag(account, model)}:c"


def due(account: str, model: str) -> str:
    """The deliveries of a model by the time of their next try."""
    return f"{tag(account, model)}:due"


def off(account: str, model: str) -> str:
    """The webhooks of a model that answered 410."""
    return f"{tag(account, model)}:off"


def reservation(account: str, model: str, name: str) -> str:
    """The job that the Idempotency-Key `name` stands for."""
    return f"{tag(account, model)}:i:{hashlib.blake2s(name.encode(), digest_size=16).hexdigest()}"


def ended(account: str, model: str) -> str:
    """Channel of the ids that ended."""
    return f"panini:ended:{account}:{model}"


def control(account: str, model: str) -> str:
    """Channel of what the model's workers are asked."""
    return f"panini:control:{account}:{model}"


def notify(process: str) -> str:
    """Channel of one process whose clients wait for jobs they posted."""
    return NOTIFY + process


def is_notify(channel: str) -> bool:
    """Whether an envelope may name this channel: a pipeline's record could name any."""
    return channel.startswith(NOTIFY) and len(channel) <= len(NOTIFY) + 64
