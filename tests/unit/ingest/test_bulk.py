"""A bulk set on its way into Kafka."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from ingest import bulk, producer
from wire import envelope, ids, specs

ENDPOINT = specs.Endpoint(account="default", account_uid=1, model="m", model_uid=2, topic_uuid="u", live=1)
SIGNER = ids.Signer({0: b"secret"}, 0)


class Acceptor:
    """Takes every line."""

    full = False

    def line(self, endpoint: specs.Endpoint, raw: bytes, job_id: str, traceparent: str | None) -> Any:
        """The line as it is."""
        return envelope.Envelope(id=job_id, input=msgspec.Raw(b"\x01")), raw


class Kafka:
    """Acknowledges every record."""

    async def accept_record(self, topic: str, value: bytes, *, jobs: int) -> producer.Place:
        """At once."""
        return producer.Place(0, 0)


async def test_others_have_the_loop_while_many_lines_are_taken_that_came_together() -> None:
    # Given a body of a thousand lines in one piece, and somebody else on the loop
    turns = 0

    async def somebody() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"input":1}\n' * 1000

    bulk_id = SIGNER.new_bulk(model_uid=2, account_uid=1, now_ms=1)
    acceptor: Any = Acceptor()
    kafka: Any = Kafka()
    intake = bulk.Intake(
        acceptor=acceptor, kafka=kafka, signer=SIGNER, endpoint=ENDPOINT, bulk_id=bulk_id, traceparent=None
    )
    # When they are taken
    other = asyncio.create_task(somebody())
    await intake.take(bulk.lines_of(body()))
    other.cancel()
    # Then that one had its turn again and again
    assert intake.accepted == 1000
    assert turns >= 1000 // bulk.BREATH
