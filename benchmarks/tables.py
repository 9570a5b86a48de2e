"""Medians of rounds, ratios, and the Markdown that goes into docs/performance.md."""

import json
import math
import pathlib
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmarks import load

NONE: Final = "-"
"""A figure that there is not."""

Figures = dict[str, float]
"""What one scenario gave, by name: `rate`, `p50_ms`, `p99_ms`, `looks`, `elsewhere`, `cpu_us.ROLE`."""


def figures(outcome: load.Outcome) -> Figures:
    """An outcome in numbers for people."""
    found = {
        "rate": outcome.rate,
        "p50_ms": 1000 * outcome.quantile(0.5),
        "p99_ms": 1000 * outcome.quantile(0.99),
        "looks": outcome.looks / max(1, outcome.jobs),
        "elsewhere": outcome.elsewhere,
        "wrong": float(outcome.wrong),
    }
    return found | {f"cpu_us.{role}": micros for role, micros in outcome.cpu_per_job().items()}


def median(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over rounds."""
    names = dict.fromkeys(name for one in rounds for name in one)
    return {name: statistics.median(one.get(name, 0.0) for one in rounds) for name in names}


def cost(found: Figures) -> float:
    """CPU seconds per 1,000 jobs of everything but the client."""
    return sum(value for name, value in found.items() if name.startswith("cpu_us.") and name != "cpu_us.client") / 1000


def paired(mine: Sequence[Figures], theirs: Sequence[Figures], name: str) -> float:
    """The median of the ratios of neighbouring rounds: what slows the machine slows both of a pair."""
    pairs = [a[name] / b[name] for a, b in zip(mine, theirs, strict=False) if b[name]]
    return statistics.median(pairs) if pairs else float("nan")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def breakdown(found: Figures) -> str:
    """CPU microseconds a job, by process: `api 234, kafka 78`."""
    parts = {name.removeprefix("cpu_us."): value for name, value in found.items() if name.startswith("cpu_us.")}
    ordered = sorted(parts.items(), key=lambda part: (part[0] == "client", -part[1]))
    return ", ".join(f"{name} {value:.0f}" for name, value in ordered if value >= 0.5)


def number(value: float, digits: int = 1) -> str:
    """A figure for a table: thousands with commas, small ones with digits."""
    if math.isnan(value):
        return NONE
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def times(ratio: float) -> str:
    """A ratio for a table."""
    return NONE if math.isnan(ratio) else f"{ratio:.2f}\N{MULTIPLICATION SIGN}"


_MARK: Final = "<!-- {name} -->\n", "<!-- /{name} -->"


def insert(page: pathlib.Path, name: str, text: str) -> None:
    """Put `text` between the markers `name` of a page; at its end where it has none yet."""
    begin, end = (mark.format(name=name) for mark in _MARK)
    whole = page.read_text(encoding="utf-8") if page.exists() else ""
    block = f"{begin}\n{text.strip()}\n\n{end}"
    if begin in whole:
        pattern = re.escape(begin) + r".*?" + re.escape(end)
        whole = re.sub(pattern, lambda _: block, whole, count=1, flags=re.DOTALL)
    else:
        whole = f"{whole.rstrip()}\n\n{block}\n"
    page.write_text(whole, encoding="utf-8")


def keep(path: pathlib.Path, name: str, found: Mapping[str, Any]) -> None:
    """Put a run's figures under `name` into the JSON file, next to those of other kinds of run."""
    whole = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rounded = json.loads(json.dumps({**whole, name: found}), parse_float=lambda text: round(float(text), 4))
    path.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
