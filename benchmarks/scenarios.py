"""The scenarios of load, and which of them a system can play."""

import dataclasses
from typing import Final

from benchmarks import load, systems, users

RATE: Final = 100.0
"""Jobs a second of the open loop."""

FASTEST: Final = 16000
"""Jobs a second for which inputs are made beforehand."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of load."""

    name: str
    title: str
    act: users.Act
    users: int = 0
    """Users of a closed loop; 0: the open loop."""
    kind: str = "poll"
    """`poll`: any queue; `wait`: knows Prefer: wait; `call`: answers at once."""


ALL: Final = (
    Scenario(name="poll64", title="64 users, submit then poll", act=users.poll(users.Pace()), users=64),
    Scenario(name="wait64", title="64 waiting POSTs", act=users.wait, users=64, kind="wait"),
    Scenario(name="call64", title="64 users, one POST", act=users.call, users=64, kind="call"),
    Scenario(name="one-poll", title="one user, submit then poll", act=users.poll(users.AT_ONCE), users=1),
    Scenario(name="one-paced", title="one user, polls as the 64 do", act=users.poll(users.Pace()), users=1),
    Scenario(name="one-wait", title="one user, waiting POST", act=users.wait, users=1, kind="wait"),
    Scenario(name="one-call", title="one user, one POST", act=users.call, users=1, kind="call"),
    Scenario(name="open-poll", title="100 jobs/s, submit then poll", act=users.poll(users.AT_ONCE)),
    Scenario(name="open-paced", title="100 jobs/s, polled as the 64 do", act=users.poll(users.Pace())),
    Scenario(name="open-wait", title="100 jobs/s, waiting POST", act=users.wait, kind="wait"),
    Scenario(name="open-call", title="100 jobs/s, one POST", act=users.call, kind="call"),
)


def of(system: systems.System) -> list[Scenario]:
    """Those that `system` can play."""
    kinds = {"poll"} if system.asynchronous else {"call"}
    if system.waits:
        kinds.add("wait")
    return [scenario for scenario in ALL if scenario.kind in kinds]


async def play(scenario: Scenario, system: systems.System, seed: str, spell: load.Spell) -> load.Outcome:
    """One run of it. Raises what went wrong; wrong answers are in the outcome."""
    target, roles = system.target(), system.roles()
    whole = spell.warm + spell.measured
    if not scenario.users:
        items = system.subject.items(seed, int(RATE * whole) + 1)
        return await load.opened(RATE, scenario.act, target, items, roles=roles, spell=spell)
    fastest = FASTEST if scenario.users > 1 else 2000
    items = system.subject.items(seed, int(fastest * whole))
    return await load.closed(scenario.users, scenario.act, target, items, roles=roles, spell=spell)


async def ready(system: systems.System, seed: str) -> None:
    """Let it answer a few jobs, then let it run: workers load their model at their first job, or before it."""
    act = users.poll(users.Pace()) if system.asynchronous else users.call
    target, items = system.target(), system.subject.items(f"{seed}/ready", 0)
    await load.closed(8, act, target, items, roles=[], spell=load.Spell(warm=0, measured=0.1))
    await load.closed(64, act, target, items, roles=[], spell=load.Spell(warm=0, measured=2.0))
