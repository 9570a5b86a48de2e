"""Models' topics on Kafka: made with the first upload, removed with the model. The registry's one kafka import."""

import asyncio
import base64
import contextlib
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final, Protocol

import kafka
import kafka.errors
from kafka import admin

from registry import errors
from registry import settings as registry_settings
from wire import names
from wire import settings as wire_settings

_LOOK: Final = 0.02
"""Seconds between looks whether a topic is gone."""


class Topics(Protocol):
    """What the registry asks of Kafka."""

    async def ensure(self, account: str, model: str) -> str:
        """Make the topics of the model's lanes unless they exist; the interactive one's id in Kafka's form.

        Raises:
            KafkaUnavailable: no answer in time.
            KafkaRefused: Kafka answered no.
        """
        ...

    async def remove(self, account: str, model: str, *, members_too: bool = False) -> bool:
        """Remove every topic of the model, and its consumer group.

        False: a worker is still in the group, and nothing was removed; with `members_too` the topics were.

        Raises:
            KafkaUnavailable, KafkaRefused: it can be tried again.
        """
        ...


class _Admin(admin.KafkaAdminClient):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python's admin client, which forgets its thread and sockets where the first contact fails."""

    def __init__(self, **configs: Any) -> None:
        try:
            super().__init__(**configs)
        except kafka.errors.KafkaError:
            if hasattr(self, "_net"):
                self._closed = False
                self.close()
            raise


class KafkaTopics:
    """The topics of a real cluster. Every call has a client of its own: calls are rare, and none goes stale."""

    def __init__(self, connections: wire_settings.Connections, settings: registry_settings.Settings) -> None:
        self._connections = connections
        self._settings = settings

    async def ensure(self, account: str, model: str) -> str:
        """See `Topics.ensure`."""
        lanes = [names.jobs_topic(account, model), names.bulk_topic(account, model)]
        return await asyncio.to_thread(self._ensure, lanes)

    async def remove(self, account: str, model: str, *, members_too: bool = False) -> bool:
        """See `Topics.remove`."""
        prefix = names.jobs_topic(account, model).removesuffix("jobs")
        return await asyncio.to_thread(self._remove, prefix, names.group(account, model), members_too=members_too)

    def _ensure(self, topics: list[str]) -> str:
        with self._client() as client:
            wanted = {
                "num_partitions": self._settings.topic_partitions,
                "replication_factor": self._settings.topic_replication,
                "configs": self._settings.topic_config(),
            }
            with contextlib.suppress(kafka.errors.TopicAlreadyExistsError):
                client.create_topics(dict.fromkeys(topics, wanted), timeout_ms=self._timeout_ms)
            client.wait_for_topics(topics, timeout_ms=self._timeout_ms)
            return kafka_form(client.describe_topics(topics[:1])[0]["topic_id"])

    def _remove(self, prefix: str, group: str, *, members_too: bool) -> bool:
        with self._client() as client:
            empty = not client.describe_groups([group])[group]["members"]
            if not empty and not members_too:
                return False
            mine = [topic for topic in client.list_topics() if topic.startswith(prefix)]
            if mine:
                with contextlib.suppress(kafka.errors.UnknownTopicOrPartitionError):
                    client.delete_topics(mine, timeout_ms=self._timeout_ms)
            return self._gone(client, mine) and empty and _delete_group(client, group)

    def _gone(self, client: Any, topics: list[str]) -> bool:
        """Whether brokers have heard of it too, which comes after the controller's yes; waits for that, bounded."""
        end = time.monotonic() + self._settings.kafka_admin_timeout
        while not set(topics).isdisjoint(client.list_topics()):
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK)
        return True

    def _knock(self) -> None:
        """See first whether any broker listens: at once, where kafka-python asks on until its time is over."""
        refusal: OSError | None = None
        for server in self._connections.kafka.split(","):
            refusal = _reachable(server.strip(), self._settings.kafka_admin_timeout)
            if refusal is None:
                return
        if refusal is not None:
            raise refusal

    @property
    def _timeout_ms(self) -> int:
        return int(self._settings.kafka_admin_timeout * 1000)

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        try:
            self._knock()
            client = _Admin(
                **self._connections.kafka_python(),
                client_id="panini-registry",
                bootstrap_timeout_ms=self._timeout_ms,
                request_timeout_ms=self._timeout_ms,
            )
            with contextlib.closing(client):
                yield client
        except (kafka.errors.RetriableError, OSError) as error:
            raise errors.KafkaUnavailable(
                f"Kafka at {self._connections.kafka} does not answer ({type(error).__name__}: {error}), so the topic "
                "could not be made or removed; check its address and password, and try again in a moment"
            ) from error
        except kafka.errors.KafkaError as error:
            raise errors.KafkaRefused(
                f"Kafka refused the topic ({type(error).__name__}: {error}); mend the PANINI_TOPIC_… settings or the "
                "rights of Panini's Kafka user"
            ) from error


def _delete_group(client: Any, group: str) -> bool:
    """Whether it is gone: not where a member came meanwhile, or its coordinator is not there just now."""
    (told,) = client.delete_groups([group]).values()  # "OK", or the name of an error
    return told in {"OK", kafka.errors.GroupIdNotFoundError.__name__}


def _reachable(server: str, timeout: float) -> OSError | None:
    """Why nobody listens at `host:port`; none where somebody does."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        return OSError(f"{server!r} is not host:port")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=timeout).close()
    except OSError as error:
        return error
    return None


def kafka_form(topic_id: uuid.UUID | str) -> str:
    """A topic's id as Kafka's own tools show it: base64url of its 16 bytes, 22 characters."""
    raw = topic_id if isinstance(topic_id, uuid.UUID) else uuid.UUID(topic_id)
    return base64.urlsafe_b64encode(raw.bytes).decode().rstrip("=")
