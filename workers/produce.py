"""Records into Kafka from a worker, and the topics they go to: kafka-python behind asyncio, made when first needed."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import kafka
import kafka.errors
from kafka import admin

from wire import settings as wire_settings
from workers import errors

_OWN: Final = "DYNAMIC_TOPIC_CONFIG"
"""Source of a setting that was made for its topic."""

_REFUSED: Final = (kafka.errors.MessageSizeTooLargeError, kafka.errors.RecordListTooLargeError)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A record to be written."""

    topic: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Producer:
    """Writes records with acks=all. One a worker."""

    def __init__(self, connections: wire_settings.Connections, *, timeout: float = 5.0) -> None:
        self._connections = connections
        self._timeout = timeout
        self._producer: Any = None
        self._lock = asyncio.Lock()

    async def send(self, records: Sequence[Record]) -> None:
        """Write the records. Returns after Kafka acknowledged all of them.

        Raises KafkaAway or KafkaRefused: some may be written.
        """
        async with self._lock:
            await asyncio.to_thread(self._send, records)

    async def make(self, topics: Sequence[str], *, like: str) -> None:
        """Make those of `topics` that do not exist, with the partitions and settings of the topic `like`.

        Raises KafkaAway.
        """
        await asyncio.to_thread(self._make, topics, like)

    async def existing(self, prefix: str) -> list[str]:
        """Topics whose names begin so. Raises KafkaAway."""
        return await asyncio.to_thread(self._existing, prefix)

    async def members(self, group: str) -> int:
        """How many consumers a group has now. Raises KafkaAway."""
        return await asyncio.to_thread(self._members, group)

    async def close(self) -> None:
        """Close the connection; a later record makes a new one."""
        async with self._lock:
            await asyncio.to_thread(self._forget)

    def _send(self, records: Sequence[Record]) -> None:
        try:
            if self._producer is None:
                knock(self._connections, self._timeout)
                self._producer = self._made()
            sent = [self._producer.send(one.topic, one.value, headers=[*one.headers]) for one in records]
            for future in sent:
                future.get(timeout=self._timeout)
        except _REFUSED as error:
            raise errors.KafkaRefused(f"{type(error).__name__}: {error}") from error
        except (kafka.errors.KafkaError, OSError, AssertionError) as error:
            self._forget()  # one that lost its epoch may not recover
            raise errors.KafkaAway(f"{type(error).__name__}: {error}") from error

    def _made(self) -> Any:
        milliseconds = int(self._timeout * 1000)
        return _KafkaProducer(
            **self._connections.kafka_python(),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=32 << 20,
            max_block_ms=milliseconds,
            request_timeout_ms=milliseconds - 500,
            delivery_timeout_ms=milliseconds,
            allow_auto_create_topics=False,
            metrics_enabled=False,
            bootstrap_timeout_ms=milliseconds,
        )

    def _forget(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=0)

    def _existing(self, prefix: str) -> list[str]:
        with self._admin() as client:
            return sorted(topic for topic in client.list_topics() if topic.startswith(prefix))

    def _members(self, group: str) -> int:
        with self._admin() as client:
            return len(client.describe_groups([group])[group]["members"])

    def _make(self, topics: Sequence[str], like: str) -> None:
        with self._admin() as client:
            there = set(client.list_topics())
            missing = [topic for topic in topics if topic not in there]
            if not missing:
                return
            known = client.describe_topics([like])[0]
            if known["error_code"]:
                raise errors.KafkaAway(f"there is no topic {like}")
            partitions = known["partitions"]
            wanted = {
                "num_partitions": len(partitions),
                "replication_factor": len(partitions[0]["replica_nodes"]),
                "configs": _own_settings(client, like),
            }
            with contextlib.suppress(kafka.errors.TopicAlreadyExistsError):
                client.create_topics(dict.fromkeys(missing, wanted), timeout_ms=int(self._timeout * 1000))
            client.wait_for_topics(missing, timeout_ms=int(self._timeout * 1000))

    @contextlib.contextmanager
    def _admin(self) -> Iterator[Any]:
        milliseconds = int(self._timeout * 1000)
        try:
            knock(self._connections, self._timeout)
            client = Admin(
                **self._connections.kafka_python(),
                client_id="panini-worker",
                bootstrap_timeout_ms=milliseconds,
                request_timeout_ms=milliseconds,
            )
            with contextlib.closing(client):
                yield client
        except (kafka.errors.KafkaError, OSError) as error:
            raise errors.KafkaAway(f"{type(error).__name__}: {error}") from error


class _KafkaProducer(kafka.KafkaProducer):  # type: ignore[misc]  # kafka-python has no types
    """One whose close() always closes: the library's own raises where flush() does, and leaves its thread running."""

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything is acknowledged, `timeout` seconds at most."""
        with contextlib.suppress(kafka.errors.KafkaTimeoutError):
            super().flush(timeout)


class Admin(admin.KafkaAdminClient):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python's admin client, which forgets its thread and sockets where the first contact fails."""

    def __init__(self, **configs: Any) -> None:
        try:
            super().__init__(**configs)
        except kafka.errors.KafkaError:
            if hasattr(self, "_net"):
                self._closed = False
                self.close()
            raise


def knock(connections: wire_settings.Connections, timeout: float) -> None:
    """See first whether any broker listens: at once, where kafka-python asks on and leaves its sockets open.

    Raises OSError.
    """
    refusal: OSError | None = None
    for server in connections.kafka.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=timeout).close()
        except (OSError, ValueError) as error:
            refusal = OSError(f"{server}: {error}")
        else:
            return
    if refusal is not None:
        raise refusal


def _own_settings(client: Any, topic: str) -> dict[str, str]:
    """What was set for that topic itself."""
    found = client.describe_configs([admin.ConfigResource(admin.ConfigResourceType.TOPIC, topic)])["topic"][topic]
    return {name: said["value"] for name, said in found.items() if said["config_source"] == _OWN}
