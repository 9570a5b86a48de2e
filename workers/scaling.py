"""How many workers a model should have. Pure: a fold over what was seen, with no clock and no I/O of its own.

Two hands carry it out: the local supervisor (processes) and `k8s` (the replicas of a Deployment). Each keeps a `State`
of each model, and every few seconds calls `step` with what `workers.lag` and its own bookkeeping say:

    state = scaling.begin(at=clock(), replicas=running)
    state = scaling.step(limits, state, seen)
    start_or_stop_until(state.replicas)

The unit of work is the record, which may hold many jobs: both the backlog and the pace are counted in records, so how
many jobs a record holds need not be known. Pace is measured from committed offsets, so a worker need not tell it.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

USE: Final = 0.8
"""Share of a worker's time that arriving work may fill: at 1.0 a queue never shrinks."""

MEMORY: Final = 30.0
"""Seconds over which arrivals are averaged: long enough for bursts, short against the stable window."""

UNTOLD: Final = 2.0
"""Seconds for which a finished record may look like a waiting one: workers commit once a second, a look takes time."""

ROUNDING: Final = 1e-9
"""What a share of a worker may be off by, so that an exact quotient does not ask for one more."""

FRESH: Final = 0.5
"""Weight of the newest measurement of pace or of loading."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the operator wants."""

    least: int = 0
    """Workers that always run."""
    most: int = 4
    """Workers at most."""
    target_wait: float = 5.0
    """Seconds within which a waiting backlog should be gone."""
    load: float = 10.0
    """Seconds from a worker's start to its first job, until measured."""
    stable: float = 60.0
    """Seconds for which fewer workers must have been enough before any is stopped."""
    idle: float = 300.0
    """Seconds without any work after which only `least` stay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A model at one moment."""

    at: float
    """Seconds of a clock that never goes back."""
    backlog: int
    """Records that are not finished."""
    finished: int
    """Sum of the committed offsets: rises as records are finished."""
    partitions: int
    """Partitions that can be shared out: a worker beyond them would get none."""
    ready: int
    """Workers that consume now: started, loaded, in the group."""
    parked: int = 0
    """Records waiting for a later retry: they need one worker to come back to, no more."""
    building: bool = False
    """A version waits to be built, which a worker does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What is remembered of a model between two steps."""

    replicas: int
    """The decision: workers that should run."""
    why: str = ""
    """The decision in a few words, for logs and annotations."""
    at: float
    busy_at: float
    """When there was last any work."""
    highest: tuple[tuple[float, int], ...] = ()
    """The stable window: (when, workers wanted), falling, so that the first is the window's maximum."""
    seconds: float | None = None
    """Measured worker-seconds a record; none: not yet known."""
    load: float | None = None
    """Measured seconds from a worker's start to its readiness."""
    arrivals: float = 0.0
    """Records a second."""
    came: tuple[tuple[float, int], ...] = ()
    """(when, records that came since the look before) of the last UNTOLD seconds."""
    backlog: int = 0
    finished: int | None = None
    worked: float = 0.0
    """Worker-seconds since the last measurement of pace, all of them with more work waiting than commits are behind."""
    done: int = 0
    """Records finished in them."""
    grew_at: float | None = None
    """Since when more workers are wanted than are ready."""


def begin(*, at: float, replicas: int) -> State:
    """The state of a model that runs `replicas` workers now; they count as just wanted, so none is stopped at once."""
    return State(replicas=replicas, at=at, busy_at=at, highest=((at, replicas),) if replicas else ())


def step(limits: Limits, state: State, seen: Seen) -> State:
    """The next state; its `replicas` is the decision. Up at once, down once the stable window agrees, zero if idle."""
    state = _measured(state, seen)
    most = max(min(limits.most, seen.partitions), limits.least, 1)
    work = bool(seen.backlog or seen.parked or seen.building)
    if work:
        state = replace(state, busy_at=seen.at)
    if seen.at - state.busy_at >= limits.idle:
        return _decided(state, seen, limits.least, "idle", window=())
    need = wanted(
        backlog=_waiting(state, seen),
        seconds=_pace(state, limits, seen),
        arrivals=state.arrivals,
        running=min(seen.ready, state.replicas),
        target_wait=limits.target_wait,
        load=limits.load if state.load is None else state.load,
    )
    need = max(min(need, most), 1 if work or state.replicas else 0, limits.least)
    window = _window(state.highest, seen.at, need, limits.stable)
    desired = min(window[0][1], most)
    return _decided(state, seen, desired, _reason(state, seen, need, desired), window=window)


def wanted(
    *, backlog: int, seconds: float | None, arrivals: float, running: int, target_wait: float, load: float
) -> int:
    """Workers that keep up with what arrives and clear the backlog in time, without regard to bounds or the past.

    In time is the target wait, or twice the load time where loading takes longer, since a worker that still loads
    clears nothing. A backlog that the running ones clear before a new one could help asks for no more. The record that
    each running worker has in hand waits for nobody; where records take longer than the target wait, it keeps its
    worker. Unknown pace: one worker, to measure it.
    """
    if seconds is None:
        return 1 if backlog else 0
    in_hand = min(backlog, running)
    work = (backlog - in_hand) * seconds
    horizon = max(target_wait, 2 * load)
    if work <= running * target_wait:
        share = work / target_wait
    elif work <= running * load:
        share = float(running)
    elif horizon > load:
        share = max((work - running * load) / (horizon - load), running)
    else:
        share = work / target_wait
    held = in_hand if seconds >= target_wait else 0
    return max(math.ceil(arrivals * seconds / USE + share - ROUNDING), held, 1 if backlog else 0)


def _measured(state: State, seen: Seen) -> State:
    """Pace, arrivals and load time, brought up to now."""
    passed = max(seen.at - state.at, 0.0)
    before = seen.finished if state.finished is None else state.finished
    done = max(seen.finished - before, 0)  # offsets fall where a topic was made anew
    came = max(done + seen.backlog - state.backlog, 0)
    if state.finished is None and seen.ready:  # the first look at workers that run already
        state = replace(state, came=((seen.at, seen.backlog),))
    elif passed and state.finished is not None:
        keep = math.exp(-passed / MEMORY)
        arrivals = state.arrivals * keep + came / passed * (1 - keep)
        latest = *((when, n) for when, n in state.came if seen.at - when < UNTOLD), (seen.at, came)
        state = replace(state, arrivals=arrivals, came=latest, busy_at=seen.at if came else state.busy_at)
    state = _paced(state, seen, passed, done)
    return replace(_loading(state, seen), at=seen.at, backlog=seen.backlog, finished=seen.finished)


def _paced(state: State, seen: Seen, passed: float, done: int) -> State:
    """Count worker-seconds in which work waited all the while, until each worker may have finished a record."""
    if not (_waiting(state, seen) and state.backlog and seen.ready):
        return replace(state, worked=0.0, done=0)
    worked, done = state.worked + passed * min(seen.ready, seen.partitions), state.done + done
    if done < min(seen.ready, seen.partitions) or not done:
        return replace(state, worked=worked, done=done)
    return replace(state, seconds=_mixed(state.seconds, worked / done), worked=0.0, done=0)


def _waiting(state: State, seen: Seen) -> int:
    """The backlog without what came just now, which may be finished and not yet committed: else workers that keep up
    would look busy all the time, and any steady load would end with as many workers as there may be."""
    return max(seen.backlog - sum(came for _, came in state.came), 0)


def _loading(state: State, seen: Seen) -> State:
    """How long a worker takes from its start to its readiness, measured where no version is built meanwhile."""
    if seen.building:
        return replace(state, grew_at=None)
    if seen.ready < state.replicas:
        return state if state.grew_at is not None else replace(state, grew_at=state.at)
    if state.grew_at is None:
        return state
    return replace(state, load=_mixed(state.load, seen.at - state.grew_at), grew_at=None)


def _pace(state: State, limits: Limits, seen: Seen) -> float | None:
    """Seconds a record. Work that goes on without an end says that a record takes at least as long as that."""
    longest = state.worked / max(seen.ready, 1)
    if not state.done and longest > max(limits.target_wait, limits.load, state.seconds or 0.0):
        return longest
    return state.seconds


def _mixed(old: float | None, new: float) -> float:
    return new if old is None else old * (1 - FRESH) + new * FRESH


def _window(
    highest: tuple[tuple[float, int], ...], at: float, need: int, stable: float
) -> tuple[tuple[float, int], ...]:
    """The sliding maximum: what is too old, or not above the newest need, can never be the maximum again."""
    return (*((when, n) for when, n in highest if at - when < stable and n > need), (at, need))


def _decided(state: State, seen: Seen, replicas: int, why: str, *, window: tuple[tuple[float, int], ...]) -> State:
    grew_at = seen.at if replicas > state.replicas and state.grew_at is None else state.grew_at
    return replace(state, replicas=replicas, why=why, highest=window, grew_at=grew_at)


def _reason(state: State, seen: Seen, need: int, desired: int) -> str:
    pace = "pace unknown" if state.seconds is None else f"{state.seconds:.3g} s a record"
    load = f"{seen.backlog} waiting, {state.arrivals:.3g} a second, {pace}"
    if seen.building:
        load += ", a version to build"
    return load if desired == need else f"{load}; {need} would do, kept until that lasts"
