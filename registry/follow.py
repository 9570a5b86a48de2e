"""A version's log as a stream: its lines as they come, and the version when its state changes."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Coroutine
from enum import StrEnum
from typing import Any, Generic, TypeVar

from registry import logs
from wire import specs

V = TypeVar("V")


class Until(StrEnum):
    """When a followed log ends."""

    BUILT = "built"
    """When the version has left `building`."""
    NEVER = "never"
    """When its reader goes away, or the model is removed."""


@dataclasses.dataclass(frozen=True, slots=True)
class State(Generic[V]):
    """The version's state is another than before."""

    value: V


@dataclasses.dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing happened for a while: time for a heartbeat."""


async def follow(
    log: logs.Log,
    look: Callable[[], Coroutine[Any, Any, tuple[specs.VersionState, V]]],
    *,
    after: int,
    until: Until,
    heartbeat: float,
) -> AsyncIterator[logs.Line | State[V] | Quiet]:
    """The lines behind number `after`, then new ones as they come; `State` when the version has left `building`.

    `look` tells the version's state, and what to hand on as `State`. Its errors end the stream. `heartbeat` in seconds.
    """
    cursor = logs.Cursor(after=after)
    told = specs.VersionState.BUILDING
    while True:
        seen = log.changes.number
        state, value = await look()  # before the lines: what was written before the state changed is read after it
        while lines := await log.read(cursor):
            for line in lines:
                yield line
        if state != told:
            told = state
            yield State(value)
        if until is Until.BUILT and state is not specs.VersionState.BUILDING:
            return
        while not await log.changes.wait(seen, heartbeat):
            if log.changes.released:
                return
            yield Quiet()
        if log.changes.released:
            return
