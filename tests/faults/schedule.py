"""What a seed makes of a run: its jobs, by which way each goes in, and what is done to which process when. Pure.

Moments are counted in jobs sent, not in seconds: the same seed breaks the same thing at the same place of the load,
however fast the machine is.
"""

import random
from dataclasses import dataclass
from typing import Final

from tests.faults import installation

WAYS: Final = {"post": 10, "wait": 5, "bulk": 40, "kafka": 45}
"""Ways in, and how many of a hundred jobs go that way; of large runs fewer are posted one by one (`ONE_BY_ONE`)."""
ONE_BY_ONE: Final = 6_000
"""Jobs that are posted one by one at most, so that clients written in Python do not set the pace."""
WORKERS: Final = 2
BATCH: Final = 20
"""Jobs in one record, or a fiftieth of a bulk set's, at most."""

FAULTS: Final = (
    ("kill", "worker"),
    ("kill", "runner"),
    ("stop", "ingest"),
    ("stop", "worker"),
    ("kill", "results"),
    ("kill", "runner"),
    ("kill", "ingest"),
    ("stop", "runner"),
    ("kill", "api"),
    ("stop", "results"),
)
"""Each kind of fault at least once in any run; longer runs draw further ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A job of the run."""

    n: int
    way: str
    do: str
    deadline: float | None
    """Seconds after it is sent."""
    cancel: bool
    version: int | None
    webhook: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Something that is done to a process when so many jobs were sent."""

    after: int
    what: str
    whom: str
    which: int
    """The number of the worker, of a worker or a runner."""
    lasting: float
    """Seconds that it stands still."""


def jobs(seed: int, count: int) -> list[Job]:
    """The jobs of a run, in the order in which they are sent."""
    rng = random.Random(f"jobs {seed}")
    guilty = _guilty(rng, count)
    share = min(1.0, ONE_BY_ONE / (count * (WAYS["post"] + WAYS["wait"]) / 100))
    weights = [weight * (share if way in {"post", "wait"} else 1.0) for way, weight in WAYS.items()]
    made = []
    for n in range(count):
        do, way = guilty.get(n, "answer"), rng.choices([*WAYS], weights)[0]
        made.append(
            Job(
                n=n,
                way=way,
                do=do,
                deadline=rng.uniform(0.02, 5.0) if do == "answer" and rng.random() < 0.03 else None,
                cancel=do == "answer" and way in {"post", "kafka"} and rng.random() < 0.05,
                version=rng.choice((1, 2)) if rng.random() < 0.05 else None,
                webhook=way == "post" and rng.random() < 0.2,
            )
        )
    return made


def _guilty(rng: random.Random, count: int) -> dict[int, str]:
    """Inputs that are bad: few enough to hang, as each costs a batch its halvings of the timeout."""
    kinds = {"raise": max(3, min(count // 100, 300)), "exit": max(2, count // 5_000), "hang": max(1, count // 20_000)}
    chosen = rng.sample(range(count), sum(kinds.values()))
    names = [kind for kind, number in kinds.items() for _ in range(number)]
    return dict(zip(chosen, names, strict=True))


def steps(seed: int, count: int, faults: int) -> list[Step]:
    """What is done, in order of time: the first when a tenth of the jobs is sent, the last when nine tenths are."""
    rng = random.Random(f"steps {seed}")
    kinds = [*FAULTS, *(rng.choice(FAULTS) for _ in range(faults - len(FAULTS)))][:faults]
    rng.shuffle(kinds)
    moments = sorted(rng.uniform(0.1, 0.9) for _ in kinds)
    return [
        Step(
            after=int(moment * count),
            what=what,
            whom=whom,
            which=rng.randrange(WORKERS),
            lasting=_lasting(rng, whom) if what == "stop" else 0.0,
        )
        for moment, (what, whom) in zip(moments, kinds, strict=True)
    ]


def _lasting(rng: random.Random, whom: str) -> float:
    """Of a worker long enough that another takes its jobs over; of others short, so that clients go on."""
    return installation.SESSION + rng.uniform(1.0, 3.0) if whom == "worker" else rng.uniform(0.2, 2.0)
