# mypy: ignore-errors
"""The floor under a worker: consume, predict, store, in one process, with confluent-kafka, and nothing else.

`loop.py TOPIC COUNT` prints {"seconds", "cpu_seconds"} for COUNT records: batches of up to 64 to predict(), results
kept 24 h by one pipeline a batch, offsets committed after that. It promises nothing of what Panini promises.
"""

import json
import os
import sys
import time

import confluent_kafka
import model
import msgspec
import redis

BATCH = 64
KEEP = 24 * 3600


class Job(msgspec.Struct):
    """A record's value."""

    id: str
    input: list[float]


def main() -> None:
    """Work until COUNT records are done."""
    topic, count = sys.argv[1], int(sys.argv[2])
    kafka = json.loads(os.environ["BENCH_KAFKA"])
    store = redis.Redis.from_url(os.environ["BENCH_REDIS"])
    consumer = confluent_kafka.Consumer(
        kafka | {"group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )
    consumer.subscribe([topic])
    decode, encode = msgspec.json.Decoder(Job).decode, msgspec.json.encode
    model.one([1.0, 2.0, 3.0, 4.0])
    done, began, used = 0, 0.0, 0.0
    while done < count:
        messages = consumer.consume(BATCH, 1.0)
        if not messages:
            continue
        if not began:
            began, used = time.perf_counter(), time.process_time()
        jobs = [decode(message.value()) for message in messages]
        outputs = model.many([job.input for job in jobs])
        pipeline = store.pipeline(transaction=False)
        for job, output in zip(jobs, outputs, strict=True):
            pipeline.set(f"bench:{job.id}", encode(output), ex=KEEP)
        pipeline.execute()
        consumer.commit(asynchronous=True)
        done += len(jobs)
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - used}))
    consumer.close()


if __name__ == "__main__":
    main()
