"""Load: many users at once (closed loop), or jobs at fixed times whatever the system does (open loop)."""

import asyncio
import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks import client, inputs, targets, usage, users

MOST_CONNECTIONS: Final = 1000
FIRST: Final = asyncio.FIRST_COMPLETED
PATIENCE: Final = 60.0
"""Seconds that users get to finish their last job."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run of load gave."""

    seconds: float
    jobs: int
    took: Sequence[float]
    """Seconds of each job, sorted."""
    looks: int
    wrong: int
    example: str
    cpu: dict[str, float]
    """CPU seconds by role, within `seconds`."""
    machine: float
    """CPU seconds of everything on the machine, other people's programs included."""

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds

    def quantile(self, part: float) -> float:
        """Seconds that `part` of the jobs took at most."""
        return quantile(self.took, part)

    def cpu_per_job(self) -> dict[str, float]:
        """CPU microseconds a job, by role."""
        return {name: 1e6 * seconds / max(1, self.jobs) for name, seconds in self.cpu.items()}

    @property
    def elsewhere(self) -> float:
        """Share of the machine's cores that programs outside this benchmark used meanwhile."""
        return max(0.0, (self.machine - sum(self.cpu.values())) / self.seconds)


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value at `part` of a sorted sequence (nearest rank); nan of an empty one."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spell:
    """How long load lasts, in seconds."""

    warm: float = 1.0
    measured: float = 5.0


async def closed(
    count: int,
    act: users.Act,
    target: targets.Target,
    items: Iterator[inputs.Item],
    *,
    roles: Sequence[usage.Role],
    spell: Spell,
    log: users.Log | None = None,
) -> Outcome:
    """`count` users, each doing one job after the other. Raises what ended a user early."""
    kept, stop = log if log is not None else users.Log(), asyncio.Event()
    running = await _Players.begin(target, count)
    for connection in list(running.idle):
        running.play(connection, users.again_and_again(act, target, items, kept, stop.is_set))
    try:
        await running.sleep(spell.warm)
        watch = _Watch(roles, kept)
        await running.sleep(spell.measured)
        outcome = watch.outcome()
        stop.set()
        await running.drain()
    finally:
        running.close()
    return dataclasses.replace(outcome, wrong=kept.wrong, example=kept.example)


async def opened(
    rate: float,
    act: users.Act,
    target: targets.Target,
    items: Iterator[inputs.Item],
    *,
    roles: Sequence[usage.Role],
    spell: Spell,
    log: users.Log | None = None,
) -> Outcome:
    """A job every 1/`rate` seconds, on a free connection or a new one, so that no job waits for another's answer.

    Raises what ended one.
    """
    kept = log if log is not None else users.Log()
    running = await _Players.begin(target, 64)

    async def paced(seconds: float) -> None:
        start = time.perf_counter()
        for number in range(int(rate * seconds)):
            delay = start + number / rate - time.perf_counter()
            if delay > 0:
                await running.sleep(delay)
            connection = running.idle.pop() if running.idle else await running.another()
            running.play(connection, act(target, next(items), kept, time.perf_counter()))
        await running.drain()

    try:
        await paced(spell.warm)
        watch = _Watch(roles, kept)
        await paced(spell.measured)
        outcome = watch.outcome()
    finally:
        running.close()
    return dataclasses.replace(outcome, wrong=kept.wrong, example=kept.example)


class _Watch:
    """Clears the log and reads the clocks at the begin of what is measured, and again at its end."""

    def __init__(self, roles: Sequence[usage.Role], log: users.Log) -> None:
        self._roles, self._log = roles, log
        self._cpu, self._machine = usage.cpu(roles), usage.machine()
        log.clear()
        self._began = time.perf_counter()

    def outcome(self) -> Outcome:
        """What was seen since."""
        ended = time.perf_counter()
        took = sorted(self._log.took)
        return Outcome(
            seconds=ended - self._began,
            jobs=len(took),
            took=took,
            looks=self._log.looks,
            wrong=self._log.wrong,
            example=self._log.example,
            cpu=usage.difference(self._cpu, usage.cpu(self._roles)),
            machine=usage.machine() - self._machine,
        )


class _Players:
    """The connections of a run, and the first error of any."""

    def __init__(self, target: targets.Target) -> None:
        self._target = target
        self._all: list[client.Connection] = []
        self.idle: list[client.Connection] = []
        self._acting = 0
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._quiet: asyncio.Future[None] | None = None

    @classmethod
    async def begin(cls, target: targets.Target, count: int) -> "_Players":
        made = cls(target)
        for _ in range(count):
            made.idle.append(await made.another())
        return made

    async def another(self) -> client.Connection:
        if len(self._all) >= MOST_CONNECTIONS:
            raise targets.Unexpected(f"{MOST_CONNECTIONS} jobs are open at once: the system does not keep up")
        connection = await client.connect(self._target.host, self._target.port)
        self._all.append(connection)
        return connection

    def play(self, connection: client.Connection, user: client.User) -> None:
        self._acting += 1
        connection.play(user, self._ended)

    async def sleep(self, seconds: float) -> None:
        """Raises what ended a user meanwhile."""
        done, _ = await asyncio.wait([self._failed], timeout=seconds)
        if done:
            self._failed.result()

    async def drain(self) -> None:
        if self._acting == 0:
            return
        self._quiet = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([self._quiet, self._failed], timeout=PATIENCE, return_when=FIRST)
        if self._failed in done:
            self._failed.result()
        if not done:
            raise targets.Unexpected(f"{self._acting} jobs did not end within {PATIENCE} s")

    def close(self) -> None:
        for connection in self._all:
            connection.close()
        self._failed.cancel()

    def _ended(self, connection: client.Connection, error: Exception | None) -> None:
        self._acting -= 1
        if error is None:
            self.idle.append(connection)
        elif not self._failed.done():
            self._failed.set_exception(error)
        if self._acting == 0 and self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)
