"""Where a model's results are pushed to: its default webhook, how often that one's secret was rotated, and the topics
that `reply_to` may name."""

import re
from typing import Final

import msgspec

from registry import database, errors, tables
from wire import webhooks

TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
MAX_TOPICS: Final = 50
RESERVED: Final = ("panini.", "__")
"""How topics begin that are Panini's or Kafka's own: nobody's results may become another model's jobs."""


def set_webhook(row: tables.Model, url: str | None) -> None:
    """Set or remove the default webhook. Raises BadPush."""
    if url is not None:
        try:
            webhooks.check_url(url)
        except ValueError as error:
            raise errors.BadPush(str(error)) from error
    row.webhook = url


def rotate(row: tables.Model) -> None:
    """Make the next secret the valid one."""
    row.webhook_rotation += 1
    row.webhook_rotated_at = database.now()


def set_reply_topics(row: tables.Model, topics: list[str]) -> None:
    """Set the topics that may receive results. Raises BadPush."""
    for topic in topics:
        if not TOPIC.fullmatch(topic) or topic in {".", ".."}:
            raise errors.BadPush(f"{topic[:260]!r} is no topic's name: 1 to 249 of A-Z a-z 0-9 . _ -")
        if topic.startswith(RESERVED):
            raise errors.BadPush(f"{topic!r} is Panini's or Kafka's own; name a topic of yours")
    if len(topics) > MAX_TOPICS:
        raise errors.BadPush(f"a model has {MAX_TOPICS} reply topics at most")
    row.reply_topics = msgspec.json.encode(sorted(set(topics))).decode()


def reply_topics(row: tables.Model) -> list[str]:
    """The topics that may receive results."""
    return msgspec.json.decode(row.reply_topics, type=list[str]) if row.reply_topics else []
