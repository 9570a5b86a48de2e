"""How long partitions stand still when a member of a model's group joins, and when one leaves.

    python -m benchmarks.rebalances [--rounds 10] [--batch 0.05] [--members 2]

A Kafka of its own, one topic of eight partitions, a record every 10 ms in each; the workers' own source
(`workers.member`) as the members, without runners or results: what is measured is the group's part. Each member takes
`--batch` seconds for what it runs when its partitions are taken away. A stall is the longest time between two records
of one partition being handed to a member, over the join or the leave, less those 10 ms.
"""

import argparse
import asyncio
import itertools
import pathlib
import random
import statistics
import tempfile
import time
from typing import Final

import kafka as kafka_python
import uvloop
from kafka import admin

from panini.stack import home, ports, secrets, settings
from panini.stack import kafka as stack_kafka
from wire import settings as wire_settings
from workers import member, source
from workers import settings as worker_settings

TOPIC: Final = "rebalances"
PARTITIONS: Final = 8
EVERY: Final = 0.01
"""Seconds between two records of a partition."""
SETTLE: Final = (4.0, 7.0)
"""Seconds that are watched after each change, from, to: never the same, as members ask every so often."""


class Member:
    """A source that notes when each partition's records arrive."""

    def __init__(self, server: stack_kafka.Kafka, arrivals: dict[int, list[float]], batch: float, folder: str) -> None:
        self._arrivals = arrivals
        self._batch = batch
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
            connections=wire_settings.Connections(
                kafka=server.bootstrap,
                kafka_username=server.username,
                kafka_password=server.client["sasl_plain_password"],
            ),
            group=TOPIC,
            topics=[TOPIC],
            datadir=folder,
            session_timeout=worker_settings.Settings().worker_session_timeout,
        )

    def _take(self, records: list[source.Record]) -> None:
        now = time.perf_counter()
        for record in records:
            self._arrivals[record.partition].append(now)
            self.source.finished(record)

    async def _revoked(self) -> None:
        await asyncio.sleep(self._batch)


def _stall(arrivals: dict[int, list[float]], begin: float, end: float) -> float:
    """Seconds that the partition which stood still longest did."""
    longest = 0.0
    for moments in arrivals.values():
        within = [begin, *sorted(moment for moment in moments if begin < moment < end), end]
        longest = max(longest, *(right - left for left, right in itertools.pairwise(within)))
    return max(longest - EVERY, 0.0)


async def _pour(server: stack_kafka.Kafka) -> None:
    producer = await asyncio.to_thread(lambda: kafka_python.KafkaProducer(**server.client))
    try:
        began = time.perf_counter()
        for tick in itertools.count(1):
            for partition in range(PARTITIONS):
                producer.send(TOPIC, b"x", partition=partition)
            await asyncio.sleep(max(0.0, began + tick * EVERY - time.perf_counter()))
    finally:
        await asyncio.to_thread(producer.close)


async def _measure(server: stack_kafka.Kafka, given: argparse.Namespace, folder: str) -> dict[str, list[float]]:
    arrivals: dict[int, list[float]] = {number: [] for number in range(PARTITIONS)}
    stalls: dict[str, list[float]] = {"join": [], "leave": []}
    chance = random.Random(5)
    staying = [Member(server, arrivals, given.batch, folder) for _ in range(given.members)]
    for one in staying:
        await one.member.start()
    pouring = asyncio.create_task(_pour(server))
    await asyncio.sleep(chance.uniform(*SETTLE))
    for _ in range(given.rounds):
        second = Member(server, arrivals, given.batch, folder)
        for name, change in (("join", second.member.start), ("leave", second.member.stop)):
            began = time.perf_counter()
            await change()
            await asyncio.sleep(chance.uniform(*SETTLE))
            stalls[name].append(_stall(arrivals, began, time.perf_counter()))
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)
    for one in staying:
        await one.member.stop()
    return stalls


async def _main(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = home.Home.at(pathlib.Path(folder))
        place.prepare()
        free = ports.several_free(3)
        server = stack_kafka.Kafka(
            place,
            settings.Settings.load(home=place.root),
            ports.Ports(kafka=free[0], kafka_controller=free[1], valkey=free[2]),
            secrets.ensure(place.secrets)["panini_kafka_password"],
        )
        await server.start()
        try:
            client = kafka_python.KafkaAdminClient(**server.client)
            client.create_topics([admin.NewTopic(TOPIC, PARTITIONS, 1)])
            client.close()
            stalls = await _measure(server, given, folder)
        finally:
            await server.stop()
    for name, found in stalls.items():
        print(f"{name:5}  median {statistics.median(found):.2f} s  longest {max(found):.2f} s  of {len(found)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batch", type=float, default=0.05, help="seconds of what runs when partitions are taken away")
    parser.add_argument("--members", type=int, default=1, help="members that stay")
    uvloop.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
