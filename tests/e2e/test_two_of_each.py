"""Two workers of one model and two APIs: what one of them accepts or begins, the other tells, ends or takes over.

`all` and a results process answer reads; `all` and an ingest process take jobs. What ran is read from the log that
predict() itself writes into each worker's home, outside the system. Each test says which line of the product it would
miss if that line were gone.
"""

import concurrent.futures
import contextlib
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import httpx
import pytest
import redis

from panini.stack import kafka as stack_kafka
from panini.stack import valkey as stack_valkey
from results import keys, streams
from tests.e2e import kit
from tests.e2e.test_push_events import events
from tests.faults import installation

MODEL: Final = "both"
WORKERS: Final = ("first", "second")

CODE: Final = """\
import json, os, time
import panini
BY = os.urandom(6).hex()
HOME = os.environ['XDG_CACHE_HOME']
SEEN = os.open(os.path.join(HOME, 'starts'), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def wait(gate, told=False):
    while gate and not os.path.exists(os.path.join(HOME, gate)):
        if told:
            panini.progress(0.5, 'half')  # again and again: soon after another job's it is thinned out
        time.sleep(0.01)

def predict(inputs):
    for one in inputs:
        line = {'at': time.time(), 'n': one['n'], 'runner': BY, 'version': 1}
        os.write(SEEN, (json.dumps(line) + '\\n').encode())
    for one in inputs:
        wait(one.get('say'))
        wait(one.get('gate'), told='say' in one)
        time.sleep(one.get('slow', 0))
    return [{'n': one['n'], 'by': BY} for one in inputs]
"""
"""Notes each input it begins, waits for the input's gate, and says which runner answers."""

TOLD: Final = "batch = true\nmax_batch = 1\ntimeout = 120\n"


class Two:
    """The installation with its model live at both workers."""

    def __init__(self, at: installation.Installation) -> None:
        self.at = at
        self.numbers = itertools.count(1)
        self.http = httpx.Client(headers=at.headers, trust_env=False, timeout=30)
        self.pairs = list(zip(at.posting, reversed(at.reading), strict=True))
        """An API that takes a job, and another process that is asked for it."""

    def prepare(self) -> None:
        """Deploy, start both workers, and wait until the model is live."""
        folder = self.at.root / "bundle"
        folder.mkdir()
        (folder / "predict.py").write_text(CODE)
        (folder / "panini.toml").write_text(TOLD)
        with self.at.client() as client:
            client.upload(folder, MODEL)
        for worker in WORKERS:
            self.at.worker(worker, MODEL)
        self.at.live(MODEL)

    def body(self, **more: Any) -> dict[str, Any]:
        """A job of an input that no other job has."""
        given = {"n": next(self.numbers)} | {name: more.pop(name) for name in ("say", "gate", "slow") if name in more}
        return {"input": given} | more

    def post(self, url: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        """What a POST of a job is answered."""
        answer = self.http.post(f"{url}/v1/models/{MODEL}/jobs", json=body, headers=headers)
        assert answer.status_code in {200, 202}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, url: str, job_id: str, *, wait: float | None = None) -> dict[str, Any] | None:
        """A job as that process shows it; none where no worker has read it."""
        params = {} if wait is None else {"wait": wait}
        answer = self.http.get(f"{url}/v1/models/{MODEL}/jobs/{job_id}", params=params)
        assert answer.status_code in {200, 404}, answer.text
        return answer.json() if answer.status_code == 200 else None

    def status(self, url: str, job_id: str) -> str | None:
        """Its status there."""
        found = self.job(url, job_id)
        return None if found is None else found["status"]

    def events(self, url: str, job_id: str) -> Iterator[tuple[int, str, Any]]:
        """Its events there, as they come: sooner than the process would look again if nobody told it."""
        path = f"{url}/v1/models/{MODEL}/jobs/{job_id}/events"
        with self.http.stream("GET", path, timeout=0.8 * streams.HEARTBEAT) as response:
            assert response.status_code == 200
            yield from events(response)

    def ended(self, job_ids: Sequence[str]) -> list[dict[str, Any]]:
        """All of them, once they ended, as both processes show them: the same."""
        seen = []
        for job_id in job_ids:
            kit.until(lambda job_id=job_id: self.status(self.at.reading[0], job_id) in ENDS, f"{job_id} ends")  # type: ignore[misc]
            one, other = (self.job(url, job_id) for url in self.at.reading)
            assert one is not None
            assert one == other
            seen.append(one)
        return seen

    def runs(self, n: int) -> list[str]:
        """The workers whose predict() was given that input, once for each time."""
        return [line.worker for line in self.at.starts(MODEL, *WORKERS) if line.n == n]

    def refused(self, worker: str) -> int:
        """How often that worker said that an answer of its came too late."""
        return (
            (self.at.root / "logs" / f"{worker}.log").read_text(errors="replace").count("came after another worker's")
        )

    def open(self, gate: str, *workers: str) -> None:
        """Let what waits for it at those workers be answered."""
        for worker in workers or WORKERS:
            (self.at.cache(worker, MODEL) / gate).touch()

    # -- partitions --------------------------------------------------------------------------------------------

    def produce(self, partition: int, *jobs: dict[str, Any]) -> None:
        """A record into a partition: so it is known which worker reads it."""
        with self.at.producer() as producer:
            producer.send(f"panini.default.{MODEL}.jobs", json.dumps(jobs).encode(), partition=partition).get(30)

    def shares(self) -> dict[str, int]:
        """A partition of each worker, once both have some and all are read."""

        def look() -> dict[str, int] | None:
            probes = {partition: self.body(id=f"probe-{next(self.numbers)}") for partition in range(4)}
            for partition, probe in probes.items():
                self.produce(partition, probe)
            self.ended([probe["id"] for probe in probes.values()])
            found = {self.runs(probe["input"]["n"])[-1]: partition for partition, probe in probes.items()}
            return found if set(found) == set(WORKERS) else None

        return kit.until(look, "both workers have partitions")

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Both workers run a batch and hold the two next: what is accepted meanwhile stays queued."""
        gate = f"busy-{next(self.numbers)}"
        held = []
        for partition in self.shares().values():
            before = self.body(id=f"before-{next(self.numbers)}", slow=0.05)  # of a fast model they would hold more
            self.produce(partition, before)
            self.ended([before["id"]])
            for _ in range(3):
                body = self.body(id=f"busy-{next(self.numbers)}", gate=gate)
                self.produce(partition, body)
                held.append(body["id"])
                kit.until(lambda: self.status(self.at.reading[0], held[-1]) == "running", "it is claimed")
        try:
            yield
        finally:
            self.open(gate)
        assert {one["status"] for one in self.ended(held)} == {"succeeded"}


ENDS: Final = {"succeeded", "failed", "canceled", "expired"}


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey
) -> Iterator[Two]:
    """Two APIs and two workers, for all tests here."""
    at = installation.Installation(tmp_path_factory.mktemp("two"), kafka, valkey)
    try:
        at.start()
        made = Two(at)
        with contextlib.closing(made.http):
            made.prepare()
            yield made
    finally:
        at.end()


@pytest.fixture
def store(valkey: stack_valkey.Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url_with_password) as client:
        yield client


def test_both_workers_run_what_either_api_took(two: Two) -> None:
    """Catches a worker that takes every partition, and an API whose jobs another process does not know: the shared
    signing key that `ids.Signer` is made with (panini/roles/results.py)."""
    two.shares()
    bodies = [two.body() for _ in range(40)]

    posted = [two.post(url, body)["id"] for body, url in zip(bodies, itertools.cycle(two.at.posting), strict=False)]

    found = two.ended(posted)
    assert [one["output"]["n"] for one in found] == [body["input"]["n"] for body in bodies]
    ran = [two.runs(body["input"]["n"]) for body in bodies]
    assert [len(workers) for workers in ran] == [1] * 40, "each once"
    assert {worker for (worker,) in ran} == set(WORKERS), "both did work"


def test_whoever_waits_at_another_api_is_told(two: Two, store: redis.Redis) -> None:
    """Catches the last PUBLISH of the ended channel, and the one to `channel`, in results/scripts/finish.lua."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with two.busy():
            posted = [(two.post(url, two.body())["id"], other) for url, other in two.pairs]
            # long polls at the other process, longer than this client's patience
            polls = [pool.submit(two.job, other, job_id, wait=60) for job_id, other in posted]
            channel = keys.ended("default", MODEL)
            kit.until(lambda: store.pubsub_numsub(channel)[0][1] == 2, "both processes wait")
            # and a POST that waits at each
            posts = [pool.submit(two.post, url, two.body(), Prefer="wait=60") for url in two.at.posting]
            kit.until(lambda: len(_queued(two)) == 4, "all of them are queued")
            assert not any(one.done() for one in polls)
            assert not any(one.done() for one in posts)
        found = [one.result(30) for one in polls], [one.result(30) for one in posts]

    assert [[one["status"] for one in some if one] for some in found] == [["succeeded"] * 2] * 2


def test_events_are_told_at_another_api(two: Two) -> None:
    """Catches the PUBLISH in results/scripts/say.lua, and that of the ended channel in results/scripts/finish.lua."""
    for url, other in two.pairs:
        say, gate = f"say-{next(two.numbers)}", f"told-{next(two.numbers)}"
        posted = two.post(url, two.body(say=say, gate=gate))
        told = two.events(other, posted["id"])

        assert [next(told)[:2], next(told)[:2]] == [(1, "queued"), (2, "started")]
        two.open(say)
        assert next(told)[:2] == (3, "progress")
        two.open(gate)
        *more, (number, name, job) = told
        assert {name for _, name, _ in more} <= {"progress"}
        assert (number, name, job["status"]) == (4 + len(more), "ended", "succeeded")


def test_a_queued_job_is_canceled_at_another_api(two: Two) -> None:
    """Catches `status ~= 'R' and status ~= 'Q'` in results/scripts/claim.lua: it would run all the same."""
    with two.busy():
        bodies = [two.body() for _ in two.pairs]
        posted = [two.post(url, body)["id"] for (url, _), body in zip(two.pairs, bodies, strict=True)]
        for job_id, (_, other) in zip(posted, two.pairs, strict=True):
            answer = two.http.post(f"{other}/v1/jobs/{job_id}/cancel")
            assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        with two.at.offsets(MODEL) as offsets:
            behind = installation.lag(offsets.look())
        assert behind >= 2, "their records are still to be read"

    with two.at.offsets(MODEL) as offsets:
        kit.until(lambda: (seen := offsets.look()) and not installation.lag(seen), "every record is finished")
    assert [one["status"] for one in two.ended(posted)] == ["canceled"] * 2
    assert [two.runs(body["input"]["n"]) for body in bodies] == [[], []]


def test_a_running_job_is_canceled_at_another_api(two: Two) -> None:
    """Catches the PUBLISH to the control channel in results/scripts/cancel.lua: no worker would hear of it."""
    shares = two.shares()
    for (worker, partition), url in zip(shares.items(), two.at.reading, strict=True):
        body = two.body(id=f"running-{next(two.numbers)}", gate=f"never-{next(two.numbers)}")
        two.produce(partition, body)
        kit.until(lambda: two.runs(body["input"]["n"]) == [worker], "it runs there")  # noqa: B023  at once

        answer = two.http.post(f"{url}/v1/models/{MODEL}/jobs/{body['id']}/cancel")

        assert answer.status_code == 200, answer.text
        assert [one["status"] for one in two.ended([body["id"]])] == ["canceled"]
        # and its worker goes on
        after = two.body(id=f"after-{next(two.numbers)}")
        two.produce(partition, after)
        assert [one["status"] for one in two.ended([after["id"]])] == ["succeeded"]
        assert two.runs(body["input"]["n"]) == [worker]


def test_a_repeated_post_at_another_api_is_the_same_job(two: Two) -> None:
    """Catches `"GET"` in `Reservations.reserve` (results/reservations.py): each would be a job of its own; and `key` in
    `Acceptor._produce` (ingest/accept.py): two workers would take the one job from each other."""
    two.shares()
    bodies = [two.body() for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for body in bodies:
            key = {"Idempotency-Key": f"key-{next(two.numbers)}"}
            found = [*pool.map(lambda url: two.post(url, body, **key), two.at.posting * 8)]  # noqa: B023  at once

            (job_id,) = {one["id"] for one in found}
            assert [(one["status"], one["attempt"]) for one in two.ended([job_id])] == [("succeeded", 1)]
    with two.at.offsets(MODEL) as offsets:
        kit.until(lambda: (seen := offsets.look()) and not installation.lag(seen), "every record is finished")
    assert [len(two.runs(body["input"]["n"])) for body in bodies] == [1] * 8


def test_deadlines_are_kept_while_both_workers_stand_still(two: Two) -> None:
    """Catches the ZADD of `deadlines` in results/scripts/note.lua, and `_hint` in `Store.note` (results/store.py)."""
    two.shares()
    pids = [two.at.running.pid(worker) for worker in WORKERS]
    with contextlib.ExitStack() as halted, concurrent.futures.ThreadPoolExecutor() as pool:
        for pid in pids:
            halted.enter_context(kit.hanging(pid))
        bodies = [two.body(deadline=time.time() + 1) for _ in range(4)]
        posted = [two.post(url, body)["id"] for url, body in zip(two.at.posting, bodies[:2], strict=True)]
        waiting = [
            pool.submit(two.post, url, body, Prefer="wait=25")
            for url, body in zip(two.at.posting, bodies[2:], strict=True)
        ]
        assert [one["status"] for one in two.ended(posted)] == ["expired"] * 2
        posted += [one.result(30)["id"] for one in waiting]
        assert [one["status"] for one in two.ended(posted)] == ["expired"] * 4

    two.shares()
    with two.at.offsets(MODEL) as offsets:
        kit.until(lambda: (seen := offsets.look()) and not installation.lag(seen), "every record is finished")
    assert [one["status"] for one in two.ended(posted)] == ["expired"] * 4
    assert [two.runs(body["input"]["n"]) for body in bodies] == [[]] * 4, "no worker ran one afterwards"


@pytest.mark.parametrize("late", ["while another runs it", "after another ended it"])
def test_the_answer_of_a_worker_that_comes_back(two: Two, late: str) -> None:
    """Catches `mine` in results/scripts/finish.lua, the fence, and beside it `sub(was, 1, 1) == 'R'`: without them the
    late answer would stand, in place of the other worker's or over it."""
    worker, other = WORKERS
    partition = two.shares()[worker]
    body = two.body(id=f"late-{next(two.numbers)}", gate=f"late-{next(two.numbers)}")
    job_id, n, gate = body["id"], body["input"]["n"], body["input"]["gate"]

    # Given a worker that stands still in mid-predict until it is taken for lost
    before = two.refused(worker)
    two.produce(partition, body)
    kit.until(lambda: two.runs(n) == [worker], "it runs")
    ends: list[dict[str, Any]] = []
    with kit.hanging(two.at.running.pid(worker)):
        kit.until(lambda: two.runs(n) == [worker, other], "it is taken over")
        if late.startswith("after"):
            two.open(gate, other)
            ends = two.ended([job_id])
        two.open(gate, worker)
    # When it goes on, and answers
    kit.until(lambda: two.refused(worker) > before, "its answer is refused")

    # Then nobody hears of it
    if not ends:
        assert {two.status(url, job_id) for url in two.at.reading} == {"running"}
        two.open(gate, other)
        ends = two.ended([job_id])
    (end,) = two.ended([job_id])
    assert [end] == ends
    (by,) = {line.runner for line in two.at.starts(MODEL, other) if line.n == n}
    assert (end["status"], end["attempt"], end["output"]["by"]) == ("succeeded", 2, by)
    for url in two.at.reading:
        assert [name for _, name, _ in two.events(url, job_id)].count("ended") == 1
    assert two.runs(n) == [worker, other], "and predict ran no more than that"
    # and both work on
    assert set(two.shares()) == set(WORKERS)


def _queued(two: Two) -> list[dict[str, Any]]:
    url = f"{two.at.reading[0]}/v1/models/{MODEL}/jobs"
    found: list[dict[str, Any]] = two.http.get(url, params={"status": "queued"}).json()["jobs"]
    return found
