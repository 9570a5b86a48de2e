"""Writes the table of docs/observing.md from wire/metrics.py: every metric with its labels and its sentence.

`make docs` runs it; tests/docs holds the page against it.
"""

import pathlib
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from wire import metrics

PAGE: Final = pathlib.Path(__file__).resolve().parent.parent / "docs" / "observing.md"
MARKS: Final = ("<!-- metrics: written by `make docs` -->\n", "<!-- /metrics -->\n")

Metric = Counter | Gauge | Histogram


def found() -> list[Metric]:
    """Every metric, in the order of the list."""
    return [one for one in vars(metrics).values() if isinstance(one, Metric)]


def table() -> str:
    """A row a metric, under the name that /metrics shows."""
    lines = ["| metric | labels | |", "| --- | --- | --- |"]
    for one in found():
        [family] = one.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(one._labelnames) or "none"  # noqa: SLF001  the library keeps no public list of them
        lines.append(f"| `{name}` | {labels} | {family.documentation} ({family.type}) |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page, its table new."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return before + MARKS[0] + table() + MARKS[1] + after


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
