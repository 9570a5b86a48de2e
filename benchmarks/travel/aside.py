"""Threads that play the other side of a step, beside the loop whose thread is measured."""

import queue
import threading
from typing import Any, Final

import kafka
import redis

from benchmarks.travel import place

_STOP: Final = None


class _Aside:
    """Does what it is given, in its own thread, until it is closed."""

    def __init__(self) -> None:
        self._given: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def give(self, value: bytes) -> None:
        """Do it with `value` now."""
        self._given.put(value)

    def close(self) -> None:
        """End the thread."""
        self._given.put(_STOP)
        self._thread.join(10)

    def _run(self) -> None:
        while (value := self._given.get()) is not _STOP:
            self._do(value)

    def _do(self, value: bytes) -> None:
        raise NotImplementedError


class Feeder(_Aside):
    """Produces records, one at a time, as ingest would."""

    def __init__(self, at: place.Place) -> None:
        self._topic = at.topic
        self._producer = kafka.KafkaProducer(**at.connections.kafka_python(), acks="all", enable_idempotence=True)
        super().__init__()

    def close(self) -> None:
        """See _Aside."""
        super().close()
        self._producer.close(timeout=5)

    def _do(self, value: bytes) -> None:
        self._producer.send(self._topic, value).get(10)


class Publisher(_Aside):
    """Publishes to one channel, as a worker's finish does."""

    def __init__(self, at: place.Place, channel: str) -> None:
        self._client, self._channel = client(at), channel
        super().__init__()

    def close(self) -> None:
        """See _Aside."""
        super().close()
        self._client.close()

    def _do(self, value: bytes) -> None:
        self._client.publish(self._channel, value)


class Listener:
    """Subscribes to one channel and reads what comes, as a process whose clients wait does."""

    def __init__(self, at: place.Place, channel: str) -> None:
        self._client: Any = client(at)
        self._subscribed = self._client.pubsub(ignore_subscribe_messages=True)
        self._subscribed.subscribe(**{channel: lambda _: None})
        self._thread = self._subscribed.run_in_thread(sleep_time=1.0, daemon=True)

    def close(self) -> None:
        """End the subscription."""
        self._thread.stop()
        self._thread.join(10)
        self._client.close()


def client(at: place.Place) -> Any:
    """A connection to the stack's Valkey; parts of the library have no types."""
    password = at.connections.redis_password
    return redis.Redis.from_url(at.connections.redis, password=password.get_secret_value() if password else None)
