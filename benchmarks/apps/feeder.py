# mypy: ignore-errors
"""One record a job into a topic, as fast as confluent-kafka can: `feeder.py TOPIC FILE`, a value a line of FILE.

BENCH_KAFKA is the client's configuration as JSON. With --create N the topic is made first, with N partitions.
"""

import argparse
import json
import os
import pathlib

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic


def main() -> None:
    """Feed and wait until everything is acknowledged."""
    parser = argparse.ArgumentParser()
    parser.add_argument("topic")
    parser.add_argument("file")
    parser.add_argument("--create", type=int)
    given = parser.parse_args()
    kafka = json.loads(os.environ["BENCH_KAFKA"])
    if given.create:
        admin = AdminClient(kafka)
        for made in admin.create_topics([NewTopic(given.topic, given.create, 1)]).values():
            made.result(30)
    failed = []
    producer = confluent_kafka.Producer(
        kafka | {"acks": "all", "linger.ms": 5, "queue.buffering.max.messages": 1000000}
    )
    with pathlib.Path(given.file).open("rb") as lines:
        for line in lines:
            producer.produce(given.topic, line.rstrip(b"\n"), on_delivery=lambda e, _: failed.append(e) if e else None)
            producer.poll(0)
    left = producer.flush(60)
    if left or failed:
        raise SystemExit(f"{left} left, {len(failed)} failed: {failed[:1]}")


if __name__ == "__main__":
    main()
