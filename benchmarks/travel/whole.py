"""Whole jobs on the running stack: what one costs each process, and where the time of a lone one goes."""

import contextlib
import dataclasses
import datetime as dt
import json
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import kafka

from benchmarks import client, inputs, load, local, stack, targets, users
from wire import envelope, names

ACCOUNT: Final = "default"
SPELL: Final = load.Spell(warm=2.0, measured=6.0)
LONE: Final = 300
"""Jobs whose time is taken apart."""
PAUSES: Final = (0.0, 0.02)
"""Seconds between them: one right after the other, or on a stack that has dozed off."""
LOOK: Final = 0.02
"""Seconds between looks whether a job that was not waited for has ended."""
_SIZE: Final = re.compile(rb'"batch_size":(\d+)')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    """Jobs of one kind."""

    outcome: load.Outcome
    batch: float
    """Jobs in a runner's batch, on average."""
    record: float
    """Jobs in a Kafka record, on average."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lone:
    """One waiting POST, and no other job on the stack; means, in milliseconds."""

    pause: float
    """Seconds before it in which nothing happened."""
    spans: dict[str, float]
    """By what happened, in order."""
    whole: float
    accepted: float
    """Of a POST that does not wait: until its 202."""
    elsewhere: float
    """Cores that programs outside the benchmark took meanwhile."""


class _Ends:
    """What users saw of batches, beside what the log keeps."""

    def __init__(self) -> None:
        self.jobs = 0
        self.batches = 0.0

    def wait(self, target: targets.Target, item: inputs.Item, log: users.Log, began: float) -> client.User:
        """As users.wait."""
        body = targets.ended((yield target.post(item.text, wait=users.WAIT)))
        log.finished(began, item, body or b"")
        size = _SIZE.search(body or b"")
        self.jobs += 1
        self.batches += 1 / int(size[1]) if size else 1.0


async def loaded(system: local.Panini, count: int) -> Whole:
    """`count` users who wait, each with one job after the other."""
    ends, before = _Ends(), _records(system.stack, system.subject.name)
    items = system.subject.items(f"{count}", 60_000 if count > 1 else 8_000)
    roles = system.stack.roles()
    outcome = await load.closed(count, ends.wait, system.target(), items, roles=roles, spell=SPELL)
    if outcome.wrong:
        raise targets.Unexpected(f"{outcome.wrong} wrong answers, such as {outcome.example}")
    records = _records(system.stack, system.subject.name) - before
    return Whole(outcome=outcome, batch=ends.jobs / ends.batches, record=ends.jobs / records)


def _records(found: stack.Stack, model: str) -> int:
    with _consumer(found) as consumer:
        return sum(consumer.end_offsets(_partitions(consumer, model)).values())


@contextlib.contextmanager
def _consumer(found: stack.Stack) -> Iterator[Any]:
    with contextlib.closing(kafka.KafkaConsumer(**found.connections().kafka_python())) as consumer:
        yield consumer


def _partitions(consumer: Any, model: str) -> list[Any]:
    topic = names.jobs_topic(ACCOUNT, model)
    return [kafka.TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]


@dataclasses.dataclass
class _Seen:
    """One lone job, all times in Unix milliseconds."""

    sent: float
    got: float
    job: dict[str, Any]
    appended: int = 0

    def spans(self) -> dict[str, float]:
        """Between what is known of it; stamps of whole milliseconds are half of one early on average."""
        timings = self.job["timings"]
        created = _ms(self.job["created_at"])
        claimed = created + timings["queued_ms"]
        return {
            "sent → accepted": created + 0.5 - self.sent,
            "accepted → in Kafka's log": self.appended - created,
            "in the log → at the worker, in a batch, claimed": claimed - self.appended,
            "to the runner and back": timings["batch_ms"],
            "predict()": timings["predict_ms"],
            "stored, told, answered": self.got - claimed - 0.5 - timings["batch_ms"] - timings["predict_ms"],
        }


async def lone(system: local.Panini, pause: float) -> Lone:
    """Where the time of one job goes while the stack has nothing else to do."""
    found, name, seen, accepted = system.stack, system.subject.name, list[_Seen](), list[float]()
    roles, elsewhere = found.roles(), 0.0
    pauses = [pause] if pause else []

    def waits(target: targets.Target, item: inputs.Item, log: users.Log, began: float) -> client.User:
        yield from pauses
        sent = time.time_ns() / 1e6
        body = targets.ended((yield target.post(item.text, wait=users.WAIT)))
        seen.append(_Seen(sent, time.time_ns() / 1e6, json.loads(body or b"{}")))
        log.finished(began, item, body or b"")

    def submits(target: targets.Target, item: inputs.Item, log: users.Log, began: float) -> client.User:
        yield from pauses
        sent = time.perf_counter()
        ask = target.get(targets.accepted((yield target.post(item.text))))
        accepted.append(1000 * (time.perf_counter() - sent))
        body = None
        while body is None:
            yield LOOK
            body = targets.ended((yield ask))
        log.finished(began, item, body)

    with _consumer(found) as consumer:
        parts = _partitions(consumer, name)
        ends = consumer.end_offsets(parts)
        for act, gap in ((waits, 0.004), (submits, LOOK)):
            spell = load.Spell(warm=0.2, measured=LONE * (pause + gap))
            items = system.subject.items(f"lone {act.__name__} {pause}", 3 * LONE)
            outcome = await load.closed(1, act, system.target(), items, roles=roles, spell=spell)
            if outcome.wrong:
                raise targets.Unexpected(f"{outcome.wrong} wrong answers, such as {outcome.example}")
            elsewhere = max(elsewhere, outcome.elsewhere)
        _stamp(consumer, ends, seen)
    usual = sorted((one for one in seen if one.appended), key=lambda one: one.got - one.sent)
    usual = usual[: int(0.95 * len(usual))]
    spans = [one.spans() for one in usual]
    return Lone(
        pause=pause,
        spans={name: statistics.fmean(one[name] for one in spans) for name in spans[0]},
        whole=statistics.fmean(one.got - one.sent for one in usual),
        accepted=statistics.median(accepted),
        elsewhere=elsewhere,
    )


def _stamp(consumer: Any, ends: dict[Any, int], seen: Sequence[_Seen]) -> None:
    """Find in Kafka when each job was appended."""
    by_id = {one.job["id"]: one for one in seen}
    consumer.assign(list(ends))
    for partition, offset in ends.items():
        consumer.seek(partition, offset)
    while fetched := consumer.poll(timeout_ms=1000):
        for records in fetched.values():
            for record in records:
                for content in envelope.decode_record(record.value):
                    if content.id in by_id:
                        by_id[content.id].appended = record.timestamp


def _ms(text: str) -> float:
    return 1000 * dt.datetime.fromisoformat(text).timestamp()
