"""What fetching a record costs the worker and the broker, and what a commit does."""

import asyncio
from collections.abc import Sequence
from typing import Final

from benchmarks.travel import aside, meter, place
from wire import names
from workers import member, source

COMMITS: Final = 50
"""In each round."""


class _Member:
    """The only member of the model's group; what it is handed is kept."""

    def __init__(self, at: place.Place) -> None:
        self._feeder = aside.Feeder(at)
        self._arrived = asyncio.Event()
        self.records: list[source.Record] = []
        self.source = source.Source(
            source.Handlers(
                records=self._take,
                room=lambda _: 500,
                opened=lambda: asyncio.get_running_loop().create_future(),
                ready=lambda _: 0,
                revoked=self._revoked,
            )
        )
        self.member = member.Member(
            self.source,
            connections=at.connections,
            group=names.group(place.ACCOUNT, place.MODEL),
            topics=[at.topic, names.bulk_topic(place.ACCOUNT, place.MODEL)],
            datadir=str(at.folders.scratch),
        )

    async def start(self) -> None:
        """Join, and read what was produced before."""
        await self.member.start()
        async with asyncio.timeout(60):
            while not self.source.assigned:  # noqa: ASYNC110  the source tells nobody
                await asyncio.sleep(0.05)
        seen = -1
        while seen != len(self.records):
            seen = len(self.records)
            await asyncio.sleep(0.5)
        self.finish()

    async def stop(self) -> None:
        """Leave."""
        self._feeder.close()
        await self.member.stop()

    async def fetch(self, value: bytes) -> None:
        """Have a record produced; return when it is here."""
        self._arrived.clear()
        self._feeder.give(value)
        await self._arrived.wait()

    async def commit(self, record: source.Record) -> None:
        """Finish a record and commit that."""
        self.source.finished(record)
        await self.member.commit()

    def finish(self) -> None:
        """Finish everything."""
        for record in self.records:
            self.source.finished(record)
        self.records.clear()

    def _take(self, fetched: list[source.Record]) -> None:
        self.records += fetched
        self._arrived.set()

    async def _revoked(self) -> None:
        """Nothing runs."""


async def measure(at: place.Place, sizes: Sequence[int], produced: meter.Step) -> tuple[meter.Step, meter.Costs]:
    """Fetching, where the broker's part is what producing alone is not; and one commit."""
    member, costs = _Member(at), dict[int, meter.Costs]()
    await member.start()
    try:
        for _ in range(100):
            await member.fetch(at.encoded())
        await at.meter.rest()
        for size in sizes:
            values = [at.value(size) for _ in range(meter.jobs(size) // size)]
            found = await at.meter.batches(member.fetch, values, size)
            broker = max(found["kafka"] - produced.costs[size]["kafka"], 0.0)
            costs[size] = {"worker": found[meter.LOOP], "kafka": broker}
            member.finish()
        for _ in range(meter.ROUNDS * COMMITS):
            await member.fetch(at.encoded())
        paid = await at.meter.batches(member.commit, member.records, 1)
    finally:
        await member.stop()
    return (
        meter.Step(name="fetch it", costs=costs),
        {"worker": paid[meter.LOOP], "kafka": paid["kafka"]},
    )
