"""The Markdown of a run: ratios first, then what they are made of."""

from typing import Final

from benchmarks import compare, scenarios, tables

PANINI: Final = "Panini"

# a peer's scenarios beside ours: users at once, one user, the open loop
QUEUE: Final = ("poll64", "one-poll", "open-poll", "one-paced", "open-paced")
INLINE: Final = ("call64", "one-call", "open-call", "one-call", "open-call")


def ratios(found: compare.Found) -> str:
    """Panini against each of the others."""
    head = (
        "against",
        "64 users: jobs/s",
        "64 users: CPU a job",
        "one user: p50",
        "100 jobs/s: p50, wait",
        "100 jobs/s: p99, wait",
        "100 jobs/s: p50, poll",
        "100 jobs/s: p99, poll",
        "one user: p50, they poll as the 64 do",
        "100 jobs/s: p50, likewise",
        "100 jobs/s: p99, likewise",
    )
    rows = [_row(found, name) for name in found.rounds if name != PANINI]
    return tables.table(head, rows)


def _row(found: compare.Found, peer: str) -> list[str]:
    queue = any(name in found.rounds[peer] for name in QUEUE)
    many, one, paced, one_later, paced_later = QUEUE if queue else INLINE
    mine_many = "poll64" if queue else "wait64"

    def of(figure: str, mine: str, theirs: str) -> str:
        value = found.ratio(figure, (PANINI, mine), (peer, theirs))
        return tables.times(value)

    mine, theirs = found.median(PANINI, mine_many), found.median(peer, many)
    cpu = tables.times(tables.cost(mine) / tables.cost(theirs) if mine and theirs else float("nan"))
    return [
        f"{peer} ({'poll' if queue else 'wait'} against {'poll' if queue else 'its one POST'})",
        f"**{of('rate', mine_many, many)}**",
        cpu,
        of("p50_ms", "one-wait", one),
        of("p50_ms", "open-wait", paced),
        of("p99_ms", "open-wait", paced),
        of("p50_ms", "open-poll", paced),
        of("p99_ms", "open-poll", paced),
        of("p50_ms", "one-wait", one_later),
        of("p50_ms", "open-wait", paced_later),
        of("p99_ms", "open-wait", paced_later),
    ]


def details(found: compare.Found) -> str:
    """Every median, with the CPU by process."""
    head = (
        "system",
        "scenario",
        "jobs/s",
        "p50 ms",
        "p99 ms",
        "looks a job",
        "CPU-s per 1,000 jobs",
        "CPU µs a job by process",
    )
    rows = []
    for scenario in scenarios.ALL:
        for system in found.rounds:
            one = found.median(system, scenario.name)
            if one is not None:
                rows.append(
                    (
                        system,
                        scenario.title,
                        tables.number(one["rate"]),
                        tables.number(one["p50_ms"]),
                        tables.number(one["p99_ms"]),
                        f"{one['looks']:.1f}" if scenario.kind == "poll" else "",
                        f"{tables.cost(one):.2f}",
                        tables.breakdown(one),
                    )
                )
    return tables.table(head, rows)


def memory(found: compare.Found) -> str:
    """Resident memory after the load."""
    rows = [
        (
            name,
            sum(size for role, size in sizes.items() if role != "client"),
            ", ".join(f"{r} {s}" for r, s in sizes.items() if r != "client"),
        )
        for name, sizes in found.memory.items()
    ]
    return tables.table(("system", "MiB in all", "by process, MiB (shared pages counted in each)"), rows)


def made_of(found: compare.Found) -> str:
    """What ran, a line each; what failed, too."""
    lines = [f"- **{name}**: {text}" for name, text in found.made_of.items()]
    lines += [f"- **{name}** was left out: {text.splitlines()[0]}" for name, text in found.failures.items()]
    return "\n".join(lines)
