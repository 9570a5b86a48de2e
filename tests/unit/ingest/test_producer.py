"""Jobs into records: shared while others are on their way, bounded in memory and time. The writer is a double."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from ingest import errors, producer
from wire import envelope

TOPIC = "panini.default.m.jobs"


class Sent:
    """A record that was handed to the writer; ended by the test."""

    def __init__(
        self,
        topic: str,
        value: bytes,
        acknowledged: Callable[[int, int], None],
        failed: Callable[[errors.KafkaUnavailable], None],
    ) -> None:
        self.topic, self.value = topic, value
        self.fail = failed
        self._acknowledged = acknowledged

    def acknowledge(self, offset: int = 0) -> None:
        self._acknowledged(1, offset)

    @property
    def jobs(self) -> int:
        return len(envelope.decode_record(self.value))


class Writer:
    """The writer as the producer uses it."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.closed = False
        self.known = True
        self.topics: set[str] = set()

    async def start(self) -> None:
        pass

    async def learn(self, topic: str) -> None:
        if not self.known:
            raise errors.KafkaUnavailable("no metadata")
        self.topics.add(topic)

    def send(
        self,
        topic: str,
        value: bytes,
        _: bytes | None,
        acknowledged: Callable[[int, int], None],
        failed: Callable[[errors.KafkaUnavailable], None],
    ) -> None:
        self.sent.append(Sent(topic, value, acknowledged, failed))

    def knows(self, topic: str) -> bool:
        return topic in self.topics

    def keep(self, topics: set[str]) -> None:
        self.topics &= topics

    def close(self) -> None:
        self.closed = True


class Bench:
    """A producer whose writers are doubles: each renewal makes another."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, buffer_bytes: int = 1 << 20, ack_timeout: float = 60
    ) -> None:
        self.writers: list[Writer] = []

        def make(_: producer.Producer) -> Writer:
            self.writers.append(Writer())
            return self.writers[-1]

        monkeypatch.setattr(producer.Producer, "_make", make)
        self.producer = producer.Producer(kafka_python={}, buffer_bytes=buffer_bytes, ack_timeout=ack_timeout)

    @property
    def writer(self) -> Writer:
        return self.writers[-1]

    async def started(self) -> "Bench":
        await self.producer.start()
        await until(lambda: self.producer.connected)
        await self.producer.warm(TOPIC)
        return self


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  any condition
            await asyncio.sleep(0)


def job(number: int = 0, size: int = 0) -> bytes:
    return envelope.encode(envelope.Envelope(id=f"j{number}", input=envelope.value_input(b"x" * size)))


def accepting(bench: Bench, *contents: bytes) -> list["asyncio.Task[producer.Place]"]:
    return [asyncio.create_task(bench.producer.accept(TOPIC, content)) for content in contents]


async def test_a_lone_job_goes_out_at_once_and_is_accepted_when_kafka_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(monkeypatch).started()
    (one,) = accepting(bench, job())
    await until(lambda: bench.writer.sent)
    # Then it is not accepted before Kafka acknowledged it
    assert not one.done()
    bench.writer.sent[0].acknowledge(7)
    assert await one == producer.Place(1, 7)
    assert msgspec.msgpack.decode(bench.writer.sent[0].value)["id"] == "j0"


async def test_jobs_that_come_while_two_records_are_on_their_way_share_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = await Bench(monkeypatch).started()
    # Given two records on their way
    tasks = []
    for number in (1, 2):
        tasks += accepting(bench, job(number))
        await until(lambda number=number: len(bench.writer.sent) == number)  # type: ignore[misc]
    # When many more jobs come
    tasks += accepting(bench, *[job(number) for number in range(3, 153)])
    await asyncio.sleep(0)
    assert len(bench.writer.sent) == 2
    # Then each place that is freed takes as many as a record may hold
    bench.writer.sent[0].acknowledge()
    await until(lambda: len(bench.writer.sent) == 3)
    bench.writer.sent[1].acknowledge()
    await until(lambda: len(bench.writer.sent) == 4)
    assert [sent.jobs for sent in bench.writer.sent] == [1, 1, producer.MAX_JOBS, 50]
    for sent in bench.writer.sent[2:]:
        sent.acknowledge()
    assert len(await asyncio.gather(*tasks)) == 152


async def test_in_company_records_keep_a_distance_and_jobs_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "APART", 1000.0)
    monkeypatch.setattr(producer, "APART_MOST", 1000.0)
    bench = await Bench(monkeypatch).started()
    # Given a record that was sent a moment ago, and is acknowledged
    tasks = accepting(bench, job(0))
    await until(lambda: bench.writer.sent)
    bench.writer.sent[0].acknowledge()
    await tasks[0]
    # When jobs come one after the other; Then they wait for their time
    for number in range(1, 6):
        tasks += accepting(bench, job(number))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(bench.writer.sent) == 1
    # ... and then share a record
    lane = bench.producer._lanes[TOPIC]
    lane.next = 0.0
    bench.producer._flush(TOPIC, lane)
    assert [sent.jobs for sent in bench.writer.sent] == [1, 5]
    # ... while as many as a record may hold wait for nothing
    tasks += accepting(bench, *[job(number) for number in range(6, 6 + producer.MAX_JOBS)])
    await until(lambda: len(bench.writer.sent) == 3)
    for sent in bench.writer.sent[1:]:
        sent.acknowledge()
    await asyncio.gather(*tasks)


async def test_a_lone_user_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(monkeypatch).started()
    for number in range(5):
        (one,) = accepting(bench, job(number))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(bench.writer.sent) == number + 1
        bench.writer.sent[-1].acknowledge()
        await one


async def test_a_shared_record_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    big = producer.MAX_RECORD // 2 - 100
    waiting = [producer._Waiting(job(number, big), asyncio.get_running_loop().create_future()) for number in range(5)]
    assert [len(producer._take(waiting)), len(producer._take(waiting)), len(producer._take(waiting))] == [2, 2, 1]
    huge = producer._Waiting(job(0, 2 * producer.MAX_RECORD), asyncio.get_running_loop().create_future())
    assert len(producer._take([huge, huge])) == 1


async def test_a_full_buffer_refuses_at_once_and_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(monkeypatch, buffer_bytes=1000).started()
    # Given a buffer that is nearly full
    (held,) = accepting(bench, job(size=900))
    await until(lambda: bench.writer.sent)
    # Then the next job is refused at once
    with pytest.raises(errors.Full):
        await bench.producer.accept(TOPIC, job(size=200))
    # When the first is acknowledged; Then there is room
    bench.writer.sent[0].acknowledge()
    await held
    (next_one,) = accepting(bench, job(size=200))
    await until(lambda: len(bench.writer.sent) == 2)
    bench.writer.sent[1].acknowledge()
    await next_one


async def test_silence_is_unavailable_in_time_and_the_silent_writer_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was refused is not written later. Catches the `_renew` in accept taken out."""
    bench = await Bench(monkeypatch, ack_timeout=0.05).started()
    first = bench.writer
    with pytest.raises(errors.KafkaUnavailable):
        await bench.producer.accept(TOPIC, job())
    await until(lambda: len(bench.writers) == 2 and bench.producer.connected)
    # When the next job comes, it goes to the new writer
    (one,) = accepting(bench, job())
    await until(lambda: bench.writer.sent)
    # ... and a late word of the old one changes nothing
    first.sent[0].acknowledge()
    bench.writer.sent[0].acknowledge(3)
    assert await one == producer.Place(1, 3)
    await until(lambda: first.closed)
    assert bench.producer._lanes[TOPIC].in_flight == 0


async def test_an_expired_record_replaces_the_writer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(monkeypatch).started()
    tasks = accepting(bench, job(1))
    await until(lambda: bench.writer.sent)
    bench.writer.sent[0].fail(errors.Expired("expired"))
    with pytest.raises(errors.KafkaUnavailable):
        await tasks[0]
    await until(lambda: len(bench.writers) == 2)


async def test_one_refused_record_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(monkeypatch).started()
    tasks = accepting(bench, job(1))
    await until(lambda: bench.writer.sent)
    bench.writer.sent[0].fail(errors.KafkaUnavailable("large"))
    with pytest.raises(errors.KafkaUnavailable):
        await tasks[0]
    await asyncio.sleep(0)
    assert len(bench.writers) == 1


async def test_topics_of_removed_models_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(monkeypatch).started()
    (one,) = accepting(bench, job())
    await until(lambda: bench.writer.sent)
    bench.writer.sent[0].acknowledge()
    await one
    await bench.producer.warm("other")
    bench.producer.keep({"other"})
    assert bench.writer.topics == {"other"}
    assert TOPIC not in bench.producer._lanes


async def test_a_topic_nobody_knows_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(monkeypatch).started()
    bench.writer.known = False
    with pytest.raises(errors.KafkaUnavailable):
        await bench.producer.accept("panini.default.gone.jobs", job())
