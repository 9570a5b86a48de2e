"""Workers by backlog, on a whole stack: more under load, none when idle, and back for the next job."""

from collections.abc import Iterator

import pytest

from panini.client import Client
from panini.stack import pidfile
from tests.e2e import kit

SOON = {
    "PANINI_SCALE_IDLE": "1",
    "PANINI_SCALE_STABLE": "1",
    "PANINI_SCALE_INTERVAL": "0.2",
    "PANINI_SCALE_TARGET_WAIT": "1",
    "PANINI_SCALE_LOAD": "1",
}


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Stack]:
    """A stack that grows and shrinks at once."""
    made = kit.Stack(tmp_path_factory.mktemp("scaled"), environ=SOON)
    try:
        yield made.start()
    finally:
        made.end()


@pytest.fixture
def client(scaled: kit.Stack) -> Iterator[Client]:
    with scaled.client() as made:
        yield made


def workers(stack: kit.Stack, model: str) -> list[int]:
    """Pids of the model's workers."""
    places = (stack.home / "run").glob(f"worker.default.{model}*.json")
    return [pid for place in places if (pid := pidfile.running(place))]


def test_to_zero_and_back_with_the_cold_start_told(scaled: kit.Stack, client: Client) -> None:
    model = scaled.deploy(kit.DOUBLE)
    assert client.submit(model, 2, wait=30).output == 4

    # When nobody asks for anything, no worker stays
    kit.until(lambda: not workers(scaled, model), "the model sleeps")

    # Then the next job wakes it, and says what the wait was for
    woken = client.submit(model, 3, wait=60)
    assert woken.output == 6
    timings = woken.document["timings"]
    assert 0 < timings["cold_ms"] <= timings["queued_ms"]
    # and one that finds the worker there does not
    warm = client.submit(model, 4, wait=30)
    assert warm.output == 8
    assert "cold_ms" not in warm.document["timings"]


def test_more_workers_while_jobs_wait_and_fewer_when_they_are_done(scaled: kit.Stack, client: Client) -> None:
    files = kit.logging_model("while not os.path.exists(os.environ['XDG_CACHE_HOME'] + '/gate'): time.sleep(.02)")
    model = scaled.deploy(files)
    assert client.submit(model, -1).id
    # When many jobs wait that the one worker does not get through
    waiting = [client.submit(model, number) for number in range(40)]
    kit.until(lambda: len(workers(scaled, model)) > 1, "a second worker helps")
    # Then all are answered once they may go on
    (scaled.cache(model) / "gate").touch()
    assert [job.result(60) for job in waiting] == [2 * number for number in range(40)]
    # and nobody stays for nothing
    kit.until(lambda: not workers(scaled, model), "the model sleeps")
    assert sorted(kit.seen(scaled, model)) == list(range(-1, 40)), "each ran once, though workers came and went"
