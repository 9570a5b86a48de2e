"""A run under load: clients of every way in, watchers, and somebody who kills and stops processes by a schedule."""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any

import kafka as kafka_python

from panini.client import errors as client_errors
from tests.e2e import kit
from tests.faults import clients, history, installation, lives, schedule
from wire import envelope, names

PATIENCE = 60.0
"""Seconds without anything that ends, after which what has not ended counts as lost."""


class Run:
    """One model under load and under fire."""

    def __init__(self, at: installation.Installation, model: str, planned: Sequence[schedule.Job]) -> None:
        self.at = at
        self.model = model
        self.kept = history.History()
        self._planned = planned
        self._sent = 0
        self._lock = threading.Condition()
        self._over = threading.Event()
        self._workers = [f"{model}-{number}" for number in range(schedule.WORKERS)]
        self._known = clients.Known()
        self._sets: list[tuple[str, list[str]]] = []

    # -- the run -----------------------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Two versions, live one after the other; both workers run."""
        self.at.upload(self.model, 1, timeout=1.5)
        for worker in self._workers:
            self.at.worker(worker, self.model)
        self.at.live(self.model, 1)
        self.at.upload(self.model, 2, timeout=1.5)
        self.at.live(self.model, 2)

    def go(self, steps: Sequence[schedule.Step]) -> None:
        """Send everything, do what the steps say, wait for the ends, and write the history to its end."""
        ways = {way: [job for job in self._planned if job.way == way] for way in schedule.WAYS}
        with _receiver(self.kept) as hook, self.at.offsets(self.model) as offsets:
            work: list[Callable[[], None]] = [
                *(lambda part=part: self._post(ways["post"][part::3], hook) for part in range(3)),
                lambda: self._wait(ways["wait"]),
                lambda: self._bulk(ways["bulk"]),
                lambda: self._produce(ways["kafka"]),
                lambda: self._break(steps),
            ]
            watching = [lambda: self._watch(offsets), self._read]
            with futures.ThreadPoolExecutor(len(work) + len(watching)) as pool:
                try:
                    watchers = [pool.submit(one) for one in watching]
                    for done in futures.as_completed([pool.submit(one) for one in work]):
                        done.result()
                    self._wait_for_ends(offsets)
                finally:
                    self._over.set()
                for done in watchers:
                    done.result()
            for name in installation.APIS:
                self.at.ready(name)
            self._read_everything()
            kit.until(lambda: self._called() or self._stale(), "webhooks arrive", within=2 * PATIENCE)
        self.kept.add(*self.at.starts(self.model, *self._workers), *self._places())

    # -- clients -----------------------------------------------------------------------------------------------

    def _client(self) -> "contextlib.closing[clients.Client]":
        return contextlib.closing(clients.Client(self.kept, self.at, self.model, self._known))

    def _order(self, job: schedule.Job, hook: str = "") -> clients.Order:
        return clients.Order(
            n=job.n,
            do=job.do,
            deadline=None if job.deadline is None else round(time.time() + job.deadline, 3),
            version=job.version,
            webhook=f"{hook}/n{job.n}" if job.webhook and hook else None,
        )

    def _post(self, planned: Sequence[schedule.Job], hook: str) -> None:
        with self._client() as client:
            for job in planned:
                ref = client.post(self._order(job, hook))
                if job.cancel and ref is not None:
                    client.cancel(ref)
                self._count(1)
            self._follow(client, planned)

    @staticmethod
    def _follow(client: clients.Client, planned: Sequence[schedule.Job]) -> None:
        """Long polls, one after the other, until the first job that does not end: what it is, the checker says."""
        for job in planned:
            seen = client.ended(f"n{job.n}", within=PATIENCE)
            if seen is None and client.knows(f"n{job.n}"):
                return

    def _wait(self, planned: Sequence[schedule.Job]) -> None:
        with self._client() as client:
            for job in planned:
                client.post(self._order(job), wait=2)
                self._count(1)
            self._follow(client, planned)

    def _bulk(self, planned: Sequence[schedule.Job]) -> None:
        size = max(len(planned) // 50, schedule.BATCH)
        with self._client() as client:
            for some in _parts(planned, size):
                orders = [self._order(job) for job in some]
                self._sets.append(client.bulk(orders))
                self._count(len(some))

    def _produce(self, planned: Sequence[schedule.Job]) -> None:
        with self._client() as client, self.at.producer() as producer:
            for some in _parts(planned, schedule.BATCH):
                client.produce(producer, [self._order(job) for job in some])
                for job in some:
                    if job.cancel:
                        client.cancel(f"n{job.n}")
                self._count(len(some))

    def _count(self, sent: int) -> None:
        with self._lock:
            self._sent += sent
            self._lock.notify_all()

    # -- faults ------------------------------------------------------------------------------------------------

    def _break(self, steps: Sequence[schedule.Step]) -> None:
        """What the steps say, one after the other; now and then the other version goes live."""
        for number, step in enumerate(steps):
            with self._lock:
                self._lock.wait_for(lambda step=step: self._sent >= step.after)  # type: ignore[misc]
            self._do(step)
            if number % 3 == 1:
                with self.at.client() as client, contextlib.suppress(client_errors.ClientError):
                    client.rollback(self.model, 1 if number % 2 else 2)

    def _do(self, step: schedule.Step) -> None:
        worker = self._workers[step.which]
        name = worker if step.whom == "worker" else step.whom
        if step.whom == "runner":
            pid: int = kit.until(lambda: self.at.runner(worker), f"{worker} has a runner")
        else:
            pid = self.at.running.pid(name)
        at = time.time()
        if step.what == "stop":
            self.at.halt(pid)
            time.sleep(step.lasting)  # the fault itself: it stands still for so long
            self.at.go_on(pid)
        elif step.whom == "runner":
            self.at.shoot(pid)
        else:
            self.at.kill(name)
            self.at.again(name)
        self.kept.add(
            history.Fault(
                at=at,
                until=time.time(),
                what=step.what,
                whom=step.whom,
                worker=worker if step.whom in {"worker", "runner"} else None,
            )
        )

    # -- watching ----------------------------------------------------------------------------------------------

    def _watch(self, offsets: installation.Offsets) -> None:
        """What is committed, again and again."""
        while not self._over.wait(0.3):
            self.kept.add(*offsets.look())

    def _read(self) -> None:
        """The newest jobs as lists show them, again and again: an end that changes is seen to."""
        with self._client() as client:
            while not self._over.wait(0.5):
                client.pages(most=3)

    def _wait_for_ends(self, offsets: installation.Offsets) -> None:
        """Return when nothing is left in Kafka, or nothing moves any more."""
        moved, last = time.monotonic(), -1
        while True:
            looked = offsets.look()
            left = installation.lag(looked) if looked else last
            if looked and not left:
                break
            moved, last = (time.monotonic(), left) if left != last else (moved, last)
            if time.monotonic() - moved > PATIENCE:
                break
            time.sleep(0.2)
        self.kept.add(*looked, history.Settled(at=time.time(), lag=left))

    def _read_everything(self) -> None:
        """Every job with its output, and twice: from each API."""
        with self._client() as client:
            for bulk_id, refs in self._sets:
                client.results(bulk_id, refs)
            for place in {(one.partition, one.offset): one for one in self.kept if isinstance(one, history.Placed)}:
                client.record(*place)
            for _ in self.at.reading:
                client.pages()
            for ref, life in lives.of(self.kept).lives.items():
                if life.accepted and (life.end is None or not life.end.whole):
                    client.ended(ref, within=2)

    def _places(self) -> Iterator[history.Placed]:
        """Where Kafka holds each job that did not come straight to it: read from its topics."""
        consumer = kafka_python.KafkaConsumer(**self.at.kafka.client, enable_auto_commit=False)
        try:
            for topic in (names.jobs_topic("default", self.model), names.bulk_topic("default", self.model)):
                for number in sorted(consumer.partitions_for_topic(topic) or ()):
                    tp = kafka_python.TopicPartition(topic, number)
                    consumer.assign([tp])
                    consumer.seek_to_beginning(tp)
                    end = consumer.end_offsets([tp])[tp]
                    while consumer.position(tp) < end:
                        for record in consumer.poll(1000).get(tp, ()):
                            yield from _placed(record)
        finally:
            consumer.close()

    def _called(self) -> bool:
        """Whether every webhook that is due came."""
        found = lives.of(self.kept).lives.values()
        return all(life.calls for life in found if life.submitted.webhook and life.accepted and life.end)

    def _stale(self) -> bool:
        settled = lives.of(self.kept).settled
        return settled is not None and time.time() - settled.at > PATIENCE


def _parts(planned: Sequence[schedule.Job], size: int) -> Iterator[Sequence[schedule.Job]]:
    for start in range(0, len(planned), size):
        yield planned[start : start + size]


def _placed(record: Any) -> Iterator[history.Placed]:
    for job in envelope.decode_record(record.value):
        if isinstance(job, envelope.Envelope) and job.metadata and job.id and job.id.startswith("j_"):
            ref = job.metadata["ref"]
            yield history.Placed(ref=ref, topic=record.topic, partition=record.partition, offset=record.offset)


@contextlib.contextmanager
def _receiver(kept: history.History) -> Iterator[str]:
    """Takes webhooks, each at the address that ends with its job's name; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["type"].removeprefix("job.")
            ref, named = self.path.rpartition("/")[2], self.headers["webhook-id"]
            kept.add(history.Called(at=time.time(), ref=ref, id=named, status=told))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
