"""Short stories that each bring one promise to its edge, told to a right product and to wrong ones.

A scenario makes everything happen in one order by waiting for what it needs, ends with every job ended or given up, and
returns its history. Nothing in it asserts: what is right, the checker says.
"""

import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import redis

from results import keys
from tests.e2e import kit
from tests.faults import checker, clients, history, installation, lives

COMMIT: Final = 2.5
"""Seconds in which a worker surely commits what it holds for finished: its timer goes every second."""
PATIENCE: Final = 4.0
"""Seconds that a job gets to end once everything behind it in its partition did."""


class Stage:
    """What a scenario is told on: a model of its own, the product (or a patched copy), and a history."""

    def __init__(self, at: installation.Installation, name: str, tree: pathlib.Path) -> None:
        self.at = at
        self.model = name
        self.tree = tree
        self.kept = history.History()
        self.first, self.second = f"{name}-1", f"{name}-2"
        self._extra = 1_000

    def worker(self, name: str) -> None:
        """Start one of its two workers."""
        self.at.worker(name, self.model, tree=self.tree)

    def open(self, worker: str) -> None:
        """Let that worker's runner answer what waits at the gate."""
        (self.at.cache(worker, self.model) / "gate").touch()

    def started(self, n: int, worker: str, times: int = 1) -> None:
        """Wait until that worker's predict() was given an input so often."""
        kit.until(
            lambda: sum(line.n == n for line in self.at.starts(self.model, worker)) >= times,
            f"{worker} starts {n}\n{self.at.running.log(worker)}",
        )

    def fault(self, what: str, worker: str, at: float, until: float | None = None) -> None:
        """Write down what was done to a worker."""
        self.kept.add(history.Fault(at=at, until=until or at, what=what, whom="worker", worker=worker))

    @contextlib.contextmanager
    def ready(self) -> "Iterator[tuple[clients.Client, installation.Offsets]]":
        """With its model live at its first worker; afterwards its history is whole."""
        self.at.upload(self.model, timeout=60)
        self.worker(self.first)
        self.at.live(self.model)
        client = clients.Client(self.kept, self.at, self.model)
        with self.at.offsets(self.model) as offsets, contextlib.closing(client):
            yield client, offsets
            self._settle(client, offsets)
        self.kept.add(*self.at.starts(self.model, self.first, self.second))

    def produce(self, client: clients.Client, *orders: clients.Order) -> None:
        """One record into the first partition."""
        with self.at.producer() as producer:
            client.produce(producer, orders, partition=0)

    def committed(self, offsets: installation.Offsets, past: int) -> None:
        """Wait until the first partition is committed past `past`, or would have been."""
        until = time.monotonic() + COMMIT
        while time.monotonic() < until:
            looked = offsets.look()
            self.kept.add(*looked)
            if any(one.partition == 0 and one.offset > past for one in looked):
                return
            time.sleep(0.1)

    def kill(self, worker: str) -> None:
        """`kill -9` of a worker."""
        self.fault("kill", worker, time.time())
        self.at.kill(worker)

    def _settle(self, client: clients.Client, offsets: installation.Offsets) -> None:
        """Wait for every job; one that is behind them all says when to give up on a lost one."""
        self._extra += 1
        self.produce(client, clients.Order(n=self._extra))
        client.ended(f"n{self._extra}")
        for ref in lives.of(self.kept).lives:
            client.ended(ref, within=PATIENCE)
        until = time.monotonic() + COMMIT
        while installation.lag(looked := offsets.look()) and time.monotonic() < until:
            time.sleep(0.1)
        self.kept.add(*looked, history.Settled(at=time.time(), lag=installation.lag(looked)))
        client.pages()


def lost_worker(stage: Stage) -> None:
    """A worker is killed while it runs a job."""
    with stage.ready() as (client, offsets):
        stage.produce(client, clients.Order(n=1, gate="gate"))
        stage.started(1, stage.first)
        stage.committed(offsets, 0)
        stage.kill(stage.first)
        stage.worker(stage.second)
        stage.open(stage.second)


def raising_body(stage: Stage) -> None:
    """A batch ends with an error of ours: the store refuses its claim, once."""
    with stage.ready() as (client, _), redis.Redis.from_url(stage.at.valkey.url_with_password) as store:
        key = keys.job("default", stage.model, "n1")
        store.lpush(key, "no record of a job")
        stage.produce(client, clients.Order(n=1), clients.Order(n=2))
        kit.until(lambda: stage.at.running.code(stage.first) is not None, "the worker ends")
        stage.fault("kill", stage.first, time.time())
        store.delete(key)
        stage.worker(stage.second)


def gap(stage: Stage) -> None:
    """The later of two records is finished first, and then the worker is killed."""
    with stage.ready() as (client, offsets):
        stage.produce(client, clients.Order(n=1, gate="gate"))
        stage.started(1, stage.first)
        stage.produce(client, clients.Order(n=2, deadline=time.time() - 1))
        client.ended("n2")
        stage.committed(offsets, 0)
        stage.kill(stage.first)
        stage.worker(stage.second)
        stage.open(stage.second)


def late_answer(stage: Stage) -> None:
    """A worker stands still, is taken for lost, and answers while another runs its job."""
    with stage.ready() as (client, _):
        with _taken_over(stage, client):
            stage.open(stage.first)
        _heard_of_late(stage, client)
        stage.open(stage.second)


def later_answer(stage: Stage) -> None:
    """A worker stands still, is taken for lost, and answers when another has answered its job."""
    with stage.ready() as (client, _):
        with _taken_over(stage, client):
            stage.open(stage.second)
            client.ended("n1")
            stage.open(stage.first)
        _heard_of_late(stage, client)


def queue(stage: Stage) -> None:
    """Nothing is killed: jobs queue behind one that runs; some are canceled, some too late, and some bad."""
    with stage.ready() as (client, _):
        stage.produce(client, clients.Order(n=1, gate="gate"))
        stage.started(1, stage.first)
        for n in (20, 21):  # the other batches on their way: what follows stays queued
            stage.produce(client, clients.Order(n=n))
            kit.until(lambda n=n: (seen := client.look(f"n{n}")) and seen.status == "running", "it is claimed")  # type: ignore[misc]
        client.post(clients.Order(n=2))
        late = clients.Order(n=3, deadline=time.time() + 0.2)
        stage.produce(client, late)
        client.cancel("n2")
        stage.produce(client, *(clients.Order(n=n, do="raise" if n == 6 else "answer") for n in range(4, 10)))
        kit.until(lambda: time.time() > (late.deadline or 0) + checker.SLACK + 0.1, "the deadline is over")
        stage.open(stage.first)


def two_versions(stage: Stage) -> None:
    """Identical inputs, one after the other, at two versions of a model that are both there."""
    with stage.ready() as (client, _):
        stage.at.upload(stage.model, 2)
        stage.at.live(stage.model, 2)
        for number, version in enumerate((1, 1, 2, 2)):
            order = clients.Order(n=1, ref=f"twin{number}", version=version)
            stage.produce(client, order)
            client.ended(order.name)


@contextlib.contextmanager
def _taken_over(stage: Stage, client: clients.Client) -> Iterator[None]:
    """The first worker stands still in mid-predict, and the second began its job."""
    stage.produce(client, clients.Order(n=1, gate="gate"))
    stage.started(1, stage.first)
    pid, began = stage.at.running.pid(stage.first), time.time()
    stage.at.halt(pid)
    stage.worker(stage.second)
    stage.started(1, stage.second)
    yield
    stage.at.go_on(pid)
    stage.fault("stop", stage.first, began, time.time())


def _heard_of_late(stage: Stage, client: clients.Client) -> None:
    """The first worker's answer was refused, or stands."""

    def heard() -> bool:
        log = stage.at.running.log(stage.first)
        seen = client.look("n1")
        by = {line.runner for line in stage.at.starts(stage.model, stage.first)}
        stands = seen is not None and isinstance(seen.output, dict) and seen.output["by"] in by
        return stands or "came after another worker's" in log

    kit.until(heard, f"the late answer arrives\n{stage.at.running.log(stage.first)}", within=20)


SCENARIOS: Final[dict[str, Callable[[Stage], None]]] = {
    "lost-worker": lost_worker,
    "raising-body": raising_body,
    "gap": gap,
    "late-answer": late_answer,
    "later-answer": later_answer,
    "queue": queue,
    "two-versions": two_versions,
}
