"""The scaling policy: tables for its formula, steps for its memory, and a simulated model for the whole."""

import dataclasses
import itertools
from collections.abc import Callable

import pytest

from workers import scaling

LIMITS = scaling.Limits(least=0, most=8, target_wait=5, load=2, stable=60, idle=300)


def seen(at: float, backlog: int = 0, **more: int | bool) -> scaling.Seen:
    """A moment of a model with 8 partitions."""
    given = {"finished": 0, "partitions": 8, "ready": 0} | more
    return scaling.Seen(at=at, backlog=backlog, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("backlog", "seconds", "arrivals", "running", "load", "expected"),
    [
        (0, None, 0, 0, 2, 0),  # nothing to do, nothing known
        (5000, None, 0, 0, 2, 1),  # pace unknown: one, to measure it
        (0, 1.0, 0, 1, 2, 0),  # nothing to do
        (1, 0.01, 0, 0, 2, 1),  # one job wakes one worker
        (30, 1.0, 0, 0, 2, 10),  # 30 s of work in the 3 s that a new worker has of 5
        (6, 1.0, 0, 1, 2, 1),  # one in hand, five others: 5 s, in time
        (11, 1.0, 0, 1, 2, 3),  # 10 s of work; one runs 2 s alone, the rest in 3 s
        (2, 60.0, 0, 2, 2, 2),  # each has its record in hand: nobody waits
        (8, 1.0, 0, 1, 10, 1),  # done in 7 s, before a new one has loaded
        (25, 1.0, 0, 1, 10, 2),  # 24 s: the target is twice the load time then
        (0, 0.5, 4, 3, 2, 3),  # 2 workers' worth arriving, at 80 %
        (0, 0.5, 3.2, 3, 2, 2),  # exactly 2 at 80 %: not rounded up
    ],
)
def test_the_formula(
    *, backlog: int, seconds: float | None, arrivals: float, running: int, load: float, expected: int
) -> None:
    assert expected == scaling.wanted(
        backlog=backlog, seconds=seconds, arrivals=arrivals, running=running, target_wait=5, load=load
    )


def test_up_at_once_and_never_above_the_partitions_or_the_most() -> None:
    state = dataclasses.replace(scaling.begin(at=0, replicas=0), seconds=1.0)

    assert scaling.step(LIMITS, state, seen(2, 1000)).replicas == 8
    assert scaling.step(LIMITS, state, seen(2, 1000, partitions=3)).replicas == 3
    assert scaling.step(dataclasses.replace(LIMITS, most=2), state, seen(2, 1000)).replicas == 2


def test_down_only_when_fewer_were_enough_for_the_stable_window() -> None:
    state = dataclasses.replace(scaling.begin(at=0, replicas=0), seconds=1.0)
    state = scaling.step(LIMITS, state, seen(2, 1000))
    held = []
    for at in range(4, 70, 2):
        state = scaling.step(LIMITS, state, seen(at, 0, ready=8, finished=1000))
        held.append((at, state.replicas))

    assert all(replicas == 8 for at, replicas in held if at < 62)
    assert held[-1][1] < 8


def test_a_wave_shorter_than_the_window_stops_nobody() -> None:
    state = dataclasses.replace(scaling.begin(at=0, replicas=8), seconds=1.0)
    found, waiting, finished = set(), 0, 0
    for at in range(2, 600, 2):
        waiting += 200 if at % 40 == 2 else 0
        done = min(waiting, 16)  # eight workers, a second a record
        waiting, finished = waiting - done, finished + done
        state = scaling.step(LIMITS, state, seen(at, waiting, ready=8, finished=finished))
        found.add(state.replicas)

    assert found == {8}


def test_zero_after_idle_seconds_and_one_until_then() -> None:
    state = scaling.begin(at=0, replicas=1)
    before = scaling.step(LIMITS, state, seen(299, ready=1))
    after = scaling.step(LIMITS, before, seen(300, ready=1))

    assert (before.replicas, after.replicas) == (1, 0)
    assert after.why == "idle"
    assert scaling.step(LIMITS, after, seen(302)).replicas == 0


def test_the_least_stay_when_idle() -> None:
    limits = dataclasses.replace(LIMITS, least=2)

    assert scaling.step(limits, scaling.begin(at=0, replicas=5), seen(400, ready=5)).replicas == 2


@pytest.mark.parametrize("work", [{"building": True}, {"parked": 40}])
def test_a_version_to_build_or_a_parked_job_keeps_one_worker(work: dict[str, bool | int]) -> None:
    state = scaling.step(LIMITS, scaling.begin(at=0, replicas=0), seen(1000, **work))

    assert state.replicas == 1


def test_a_sleeping_model_without_work_is_not_woken() -> None:
    assert scaling.step(LIMITS, scaling.begin(at=0, replicas=0), seen(2)).replicas == 0


def test_pace_is_measured_from_commits_while_work_waits() -> None:
    state = scaling.step(LIMITS, scaling.begin(at=0, replicas=2), seen(0, 100, ready=2, finished=0))
    state = scaling.step(LIMITS, state, seen(10, 80, ready=2, finished=20))

    assert state.seconds == pytest.approx(1.0)  # 20 worker-seconds, 20 records


def test_a_record_that_takes_minutes_grows_the_model_before_it_ends() -> None:
    state = scaling.begin(at=0, replicas=1)
    for at in range(0, 40, 2):
        state = scaling.step(LIMITS, state, seen(at, 20, ready=min(1, state.replicas), finished=0))

    assert state.seconds is None
    assert state.replicas == 8


def test_what_waits_while_nobody_is_ready_says_nothing_of_the_pace() -> None:
    state = scaling.begin(at=0, replicas=0)
    for at in range(0, 120, 2):
        state = scaling.step(LIMITS, state, seen(at, 20, ready=0, finished=0))

    assert state.replicas == 1


def test_loading_is_measured_except_while_a_version_is_built() -> None:
    def start(building: bool) -> scaling.State:
        state = scaling.step(LIMITS, scaling.begin(at=0, replicas=0), seen(2, 1))
        state = scaling.step(LIMITS, state, seen(6, 1, building=building))
        return scaling.step(LIMITS, state, seen(10, 1, ready=1))

    assert start(building=False).load == 8
    assert start(building=True).load is None


def test_a_topic_made_anew_does_not_confuse() -> None:
    state = scaling.step(LIMITS, scaling.begin(at=0, replicas=1), seen(2, 5, ready=1, finished=10_000))
    state = scaling.step(LIMITS, state, seen(4, 1, ready=1, finished=0))

    assert state.replicas == 1
    assert state.arrivals >= 0


@pytest.mark.parametrize("use", [0.05, 0.3, 0.6])
def test_a_worker_that_keeps_up_stays_alone_though_commits_are_always_behind(use: float) -> None:
    rate, state, counts = 20.0, scaling.begin(at=0, replicas=1), set()
    for at in range(1, 600):
        # 20 records a second that take 50 ms * use each; the last second's are finished and not committed yet
        behind = round(rate * (1.0 + 0.05 * use))
        finished = int(rate * at) - behind
        state = scaling.step(LIMITS, state, seen(at, behind, ready=state.replicas, finished=finished))
        counts.add(state.replicas)

    assert counts == {1}


@dataclasses.dataclass
class Simulated:
    """A model whose workers take `load` seconds to start and `seconds` a record."""

    seconds: float
    load: float
    waiting: float = 0.0
    done: float = 0.0
    started: list[float] = dataclasses.field(default_factory=list)

    def pass_time(self, at: float, interval: float, arriving: float, replicas: int) -> scaling.Seen:
        del self.started[replicas:]
        self.started += [at] * (replicas - len(self.started))
        ready = sum(1 for began in self.started if at - began >= self.load)
        self.waiting += arriving * interval
        worked = min(self.waiting, ready * interval / self.seconds)
        self.waiting -= worked
        self.done += worked
        return seen(at, round(self.waiting), finished=int(self.done), ready=ready)


def simulate(rate: Callable[[float], float], seconds: float, load: float, until: int) -> list[tuple[float, int, int]]:
    """(when, replicas, backlog) of a model under `rate` records a second, a step each 2 s."""
    model, state, rows = Simulated(seconds=seconds, load=load), scaling.begin(at=0, replicas=0), []
    for at in range(2, until, 2):
        now = model.pass_time(at, 2, rate(at), state.replicas)
        state = scaling.step(LIMITS, state, now)
        rows.append((float(at), state.replicas, now.backlog))
    return rows


@pytest.mark.parametrize("seconds", [0.01, 0.1, 1.0])
def test_steady_load_settles_and_does_not_flap(seconds: float) -> None:
    rows = simulate(lambda at: 3 / seconds, seconds=seconds, load=4, until=1200)  # three workers' worth

    late = [replicas for at, replicas, _ in rows if at > 600]
    assert min(late) >= 3
    assert max(late) <= 6
    assert sum(a != b for a, b in itertools.pairwise(late)) <= 2
    assert max(backlog for at, _, backlog in rows if at > 600) <= 5 / seconds * 8


def test_a_burst_is_cleared_and_the_model_sleeps_again() -> None:
    rows = simulate(lambda at: 50.0 if 100 <= at < 130 else 0.0, seconds=0.2, load=4, until=900)

    counts = [replicas for _, replicas, _ in rows]
    assert counts[0] == 0
    assert max(counts) == 8
    assert rows[-1][1:] == (0, 0)
    changes = [b - a for a, b in itertools.pairwise(counts) if a != b]
    assert sum(change > 0 for change in changes) <= 4
    first_down = next(i for i, change in enumerate(changes) if change < 0)
    assert all(change < 0 for change in changes[first_down:])  # once down, never up again
