# mypy: ignore-errors
"""The broker's own latency, a record at a time with confluent-kafka: `broker.py TOPIC` prints milliseconds as JSON."""

import json
import os
import sys
import time

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

COUNT = 1000


def main() -> None:
    """Produce and wait for the acknowledgement; then produce and wait until it is fetched."""
    topic = sys.argv[1]
    kafka = json.loads(os.environ["BENCH_KAFKA"])
    admin = AdminClient(kafka)
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(30)
    producer = confluent_kafka.Producer(kafka | {"acks": "all", "linger.ms": 0})

    def produce():
        landed = []
        producer.produce(topic, b"x" * 100, on_delivery=lambda error, message: landed.append((error, message)))
        while not landed:
            producer.poll(0.1)
        if landed[0][0]:
            raise SystemExit(str(landed[0][0]))
        return landed[0][1]

    produce()
    acknowledged = []
    for _ in range(COUNT):
        began = time.perf_counter()
        produce()
        acknowledged.append(time.perf_counter() - began)
    consumer = confluent_kafka.Consumer(kafka | {"group.id": topic, "enable.auto.commit": False})
    end = produce().offset() + 1
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, end)])
    fetched = []
    for number in range(COUNT):
        began = time.perf_counter()
        producer.produce(topic, b"x" * 100)
        producer.poll(0)
        message = consumer.poll(30.0)
        fetched.append(time.perf_counter() - began)
        if message is None or message.error() or message.offset() != end + number:
            raise SystemExit(f"not fetched: {message and (message.error() or message.offset())}")
    producer.flush(10)
    consumer.close()
    print(json.dumps({"produce": spread(acknowledged), "produce_to_fetch": spread(fetched[10:])}))


def spread(seconds):
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return {"p50_ms": 1000 * ordered[len(ordered) // 2], "p99_ms": 1000 * ordered[int(0.99 * len(ordered))]}


if __name__ == "__main__":
    main()
