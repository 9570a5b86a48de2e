"""A bulk set on its way into Kafka."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from ingest import accept, bulk, producer
from wire import envelope, ids, specs

ENDPOINT = specs.Endpoint(account="default", account_uid=1, model="m", model_uid=2, topic_uuid="u", live=1)
SIGNER = ids.Signer({0: b"secret"}, 0)


class Acceptor:
    """Takes every line."""

    full = False

    def line(self, endpoint: specs.Endpoint, raw: bytes, job_id: str, wanted: accept.Wanted) -> Any:
        """The line as it is."""
        return envelope.Envelope(id=job_id, input=msgspec.Raw(b"\x01")), raw


class Kafka:
    """Acknowledges every record."""

    def __init__(self) -> None:
        self.records: list[int] = []
        """Jobs in each."""

    async def accept_record(self, topic: str, value: bytes, *, jobs: int) -> producer.Place:
        """At once."""
        self.records.append(jobs)
        return producer.Place(0, 0)


def intake(kafka: Kafka) -> bulk.Intake:
    """A set's."""
    bulk_id = SIGNER.new_bulk(model_uid=2, account_uid=1, now_ms=1)
    acceptor: Any = Acceptor()
    written: Any = kafka
    return bulk.Intake(
        acceptor=acceptor, kafka=written, signer=SIGNER, endpoint=ENDPOINT, bulk_id=bulk_id, traceparent=None
    )


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    """A request's."""
    for chunk in chunks:
        yield chunk


async def test_records_grow_with_their_set_and_leave_enough_for_many_workers() -> None:
    # Given a long set
    kafka = Kafka()
    taken = intake(kafka)
    # When it is taken
    await taken.take(bulk.lines_of(body(*[b'{"input":1}\n' * 1000] * 40)))
    # Then its first records are small, its last ones large, and none has more of what came before than its share
    assert taken.accepted == sum(kafka.records) == 40_000
    assert kafka.records[0] == bulk.RECORD_JOBS
    assert max(kafka.records) == bulk.MOST_RECORD_JOBS
    before = 0
    for jobs in kafka.records:
        assert jobs <= max(bulk.RECORD_JOBS, (before + jobs) / bulk.RECORDS)
        before += jobs


async def test_lines_are_those_of_the_body_wherever_it_was_cut() -> None:
    # Given a body cut anywhere, its last line without an end
    whole = b'{"input":1}\n\n{"input":22}\n{"input":333}'
    for cut in range(len(whole)):
        # When it is read
        lines = [line async for some in bulk.lines_of(body(whole[:cut], whole[cut:])) for line in some]
        # Then its lines are all there
        assert lines == whole.split(b"\n")


async def test_others_have_the_loop_while_many_lines_are_taken_that_came_together() -> None:
    # Given a body of a thousand lines in one piece, and somebody else on the loop
    turns = 0

    async def somebody() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    taken = intake(Kafka())
    # When they are taken
    other = asyncio.create_task(somebody())
    await taken.take(bulk.lines_of(body(b'{"input":1}\n' * 1000)))
    other.cancel()
    # Then that one had its turn again and again
    assert taken.accepted == 1000
    assert turns >= 1000 // bulk.BREATH
