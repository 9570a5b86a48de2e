"""Names of accounts, models, topics and consumer groups: the one place that spells them."""

import re
from typing import Final

ACCOUNT: Final = re.compile(r"[a-z0-9]{1,20}")
MODEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
CLIENT_JOB_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

DEFAULT_ACCOUNT: Final = "default"


def is_account(text: str) -> bool:
    """Whether `text` is a legal account name."""
    return ACCOUNT.fullmatch(text) is not None


def is_model(text: str) -> bool:
    """Whether `text` is a legal model name."""
    return MODEL.fullmatch(text) is not None


def is_job_id(text: str) -> bool:
    """Whether `text` may be the id of a job, a client's own or one of ours."""
    return CLIENT_JOB_ID.fullmatch(text) is not None


def jobs_topic(account: str, model: str) -> str:
    """The topic of a model's interactive lane."""
    return f"panini.{account}.{model}.jobs"


def bulk_topic(account: str, model: str) -> str:
    """The topic of a model's bulk lane."""
    return f"panini.{account}.{model}.bulk"


def model_of(topic: str) -> tuple[str, str]:
    """The account and the model of a lane's topic."""
    _, account, model, _ = topic.split(".")
    return account, model


def parts(topic: str) -> tuple[str, str, str] | None:
    """The account, the model and the kind (`jobs`, `bulk`, `later`, `history`) of a topic; none: it is not ours."""
    found = topic.split(".", 4)
    return (found[1], found[2], found[3]) if found[0] == "panini" and len(found) > 3 else None


BULK_PARTITION: Final = 1_000_000
"""Added to the number of a bulk lane's partition where a record is named: no partition of the jobs topic has it."""


def later_topic(account: str, model: str, delay: str) -> str:
    """The topic of jobs parked for `delay`, such as `10s`: one a tier, so that each is in order of when it is due."""
    return f"panini.{account}.{model}.later.{delay}"


def is_later(topic: str) -> bool:
    """Whether it is a topic of parked jobs."""
    return ".later." in topic


def history_topic(account: str, model: str) -> str:
    """The topic that keeps a model's finished jobs for pipelines, made when first needed."""
    return f"panini.{account}.{model}.history"


def group(account: str, model: str) -> str:
    """The one consumer group of a model."""
    return f"panini.{account}.{model}"


def derived_job_id(topic_uuid: str, partition: int, offset: int, place: int) -> str:
    """The id of a job that brought none: its place in Kafka, so that every worker derives the same one.

    `topic_uuid` is Kafka's id of the topic (22 characters), so that a model removed and made again gives other ids.
    """
    return f"k-{topic_uuid}-{partition}-{offset}-{place}"
