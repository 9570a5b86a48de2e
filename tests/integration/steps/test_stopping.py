"""Workers that come and go by themselves: what each leaves to the others, and how it ends."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e import kit

from .conftest import Bench


@pytest.fixture(autouse=True)
def nothing_held(bench: Bench) -> Iterator[None]:
    """Whatever a test left held is let go."""
    yield
    for name in ("hold", "hold-load"):
        (bench.cache / name).unlink(missing_ok=True)


def test_a_worker_told_to_stop_ends_its_batch_and_leaves_the_group(bench: Bench) -> None:
    """Catches a drain that drops what runs or does not commit it (Worker._drain), and a group that is not left."""
    # Given a worker that runs a job, and one job behind it
    (bench.cache / "hold").touch()
    places = bench.produce([{"id": "s1", "input": 1}])
    kit.until(lambda: 1 in bench.seen(), "it runs")
    assert bench.worker is not None
    # When it is told to stop, and predict answers after that
    os.kill(bench.running.pid(bench.worker), signal.SIGTERM)
    kit.until(lambda: "drain" in bench.running.log(bench.worker or ""), "it drains")
    (bench.cache / "hold").unlink()
    # Then it ends well, everything is committed, and nobody is in the group
    assert bench.running.gone(bench.worker) == 0
    assert bench.committed()[places[0][0]] == places[0][1] + 1
    assert bench.members() == []
    with bench.http() as http:
        found = http.get(f"/v1/models/{bench.model}/jobs/s1").json()
    assert (found["status"], found["output"], found["attempt"]) == ("succeeded", 2, 1)
    bench.start_worker()


def test_told_twice_to_stop_it_waits_for_nothing(bench: Bench) -> None:
    """Catches a second SIGTERM that is not heard (Pipeline.hurry), and what it leaves being committed or lost."""
    (bench.cache / "hold").touch()
    places = bench.produce([{"id": "s2", "input": 2}])
    kit.until(lambda: 2 in bench.seen(), "it runs")
    assert bench.worker is not None
    os.kill(bench.running.pid(bench.worker), signal.SIGTERM)
    kit.until(lambda: "drain" in bench.running.log(bench.worker or ""), "it drains")
    # When it is told once more, while predict does not answer: it ends, well
    assert bench.running.stop(bench.worker) == 0
    assert bench.committed().get(places[0][0], 0) <= places[0][1]
    # Then the job is another worker's
    (bench.cache / "hold").unlink()
    bench.start_worker()
    with bench.http() as http:
        url = f"/v1/models/{bench.model}/jobs/s2"
        found = kit.until(lambda: one if (one := http.get(url).json())["completed_at"] else None, "it ended")
    assert (found["status"], found["output"], found["attempt"]) == ("succeeded", 4, 2)


def test_a_worker_that_joins_others_loads_first(bench: Bench) -> None:
    """Catches a worker that takes partitions before it can run anything (Worker._consume): they would stand still
    for as long as its version loads."""
    (bench.cache / "loading").unlink()
    (bench.cache / "hold-load").touch()
    # Given a worker, and another whose version loads and loads
    before = bench.members()
    other = bench.begin_worker()
    kit.until((bench.cache / "loading").exists, "the other loads", within=90)
    # When jobs come in every partition, then the first worker answers them all
    with bench.http() as http:
        for number in range(40):
            url = f"/v1/models/{bench.model}/jobs"
            answer = http.post(url, json={"input": number}, headers={"Prefer": "wait=30"})
            assert (answer.status_code, answer.json()["output"]) == (200, 2 * number)
    assert bench.members() == before
    # ... and once it is loaded, there are two
    (bench.cache / "hold-load").unlink()
    bench.ready(other)
    kit.until(lambda: len(bench.members()) == 2, "both are in the group")
    assert bench.running.stop(other) == 0


def test_a_worker_told_to_stop_while_it_loads_ends(bench: Bench) -> None:
    """Catches a load, which may take minutes, that is waited for (Worker._follow_unless_stopped)."""
    (bench.cache / "loading").unlink(missing_ok=True)
    (bench.cache / "hold-load").touch()
    other = bench.begin_worker()
    kit.until((bench.cache / "loading").exists, "it loads", within=90)
    # When it is told to stop, it ends well although its version is not loaded
    assert bench.running.stop(other) == 0
    (bench.cache / "hold-load").unlink()
