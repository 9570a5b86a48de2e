"""Systems measured in turns, A B C A B C: what disturbs the machine for a minute disturbs all of them."""

import dataclasses
from collections.abc import Sequence

from benchmarks import load, scenarios, servers, systems, tables, targets, usage


@dataclasses.dataclass(frozen=True)
class Found:
    """What rounds gave, by system and scenario."""

    rounds: dict[str, dict[str, list[tables.Figures]]] = dataclasses.field(default_factory=dict)
    memory: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """Resident MiB by role, after the last round's load."""
    made_of: dict[str, str] = dataclasses.field(default_factory=dict)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    """Systems that did not get through a round, and why."""

    def median(self, system: str, scenario: str) -> tables.Figures | None:
        """The medians of one scenario; None where it was not played."""
        rounds = self.rounds.get(system, {}).get(scenario)
        return tables.median(rounds) if rounds else None

    def ratio(self, figure: str, mine: tuple[str, str], theirs: tuple[str, str]) -> float:
        """The median ratio of a figure, round by round; each side is a system and a scenario."""
        left, right = (self.rounds.get(system, {}).get(scenario, []) for system, scenario in (mine, theirs))
        return tables.paired(left, right, figure)

    @property
    def wrong(self) -> int:
        """Answers that were not the model's, in all."""
        every = (one for played in self.rounds.values() for rounds in played.values() for one in rounds)
        return sum(int(one["wrong"]) for one in every)

    @property
    def elsewhere(self) -> tuple[float, float]:
        """Cores that programs outside took meanwhile: median and worst of all runs."""
        every = sorted(
            one["elsewhere"] for played in self.rounds.values() for rounds in played.values() for one in rounds
        )
        return (every[len(every) // 2], every[-1]) if every else (0.0, 0.0)


async def rounds(
    wanted: Sequence[systems.System], count: int, spell: load.Spell, *, only: Sequence[str] = (), seed: str
) -> Found:
    """Measure each system in each round. A system that fails is left out of the rest, and said so."""
    found = Found()
    for number in range(count):
        for system in wanted:
            if system.name not in found.failures:
                print(f"round {number + 1} of {count}: {system.name}", flush=True)
                await _turn(system, found, spell, only, f"{seed}/{number}/{system.name}")
    return found


async def _turn(system: systems.System, found: Found, spell: load.Spell, only: Sequence[str], seed: str) -> None:
    try:
        system.start()
        try:
            found.made_of[system.name] = system.made_of
            await scenarios.ready(system, seed)
            for scenario in scenarios.of(system):
                if not only or scenario.name in only:
                    outcome = await scenarios.play(scenario, system, f"{seed}/{scenario.name}", spell)
                    played = found.rounds.setdefault(system.name, {})
                    played.setdefault(scenario.name, []).append(tables.figures(outcome))
                    print(f"  {line(scenario, outcome)}", flush=True)
            found.memory[system.name] = {name: size >> 20 for name, size in usage.rss(system.roles()).items()}
        finally:
            system.stop()
    except (servers.Failed, targets.Unexpected, OSError) as error:
        found.failures[system.name] = f"{type(error).__name__}: {error}"
        print(f"  {system.name} is left out: {error}", flush=True)


def line(scenario: scenarios.Scenario, outcome: load.Outcome) -> str:
    """One run, for who watches."""
    figures = tables.figures(outcome)
    wrong = f"   {outcome.wrong} WRONG, such as {outcome.example}" if outcome.wrong else ""
    return (
        f"{scenario.title:30}{outcome.rate:8,.0f} jobs/s"
        f"   p50 {figures['p50_ms']:7.1f}   p99 {figures['p99_ms']:7.1f} ms"
        f"   {tables.cost(figures):6.2f} CPU-s/1,000"
        f"   ({tables.breakdown(figures)} µs; others {outcome.elsewhere:.1f} cores){wrong}"
    )
