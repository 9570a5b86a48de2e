"""A build's log as the four steps that a person follows. Pure: lines in, steps out.

The log tells where it is by itself: two lines of the registry, `files: …` when the worker has them, uv's own lines,
`environment: ready …`, what predict.py prints while it loads, `load: …`, what it prints during the check, `check: …`.
"""

import dataclasses
import re
from collections import deque
from enum import StrEnum
from typing import Final

NAMES: Final = ("upload", "environment", "load", "check")

KEPT: Final = 500
"""Lines of a step that a page shows, the last ones."""

_OURS: Final = re.compile(r"(files|environment|load|check|worker|runner|registry): (.*)", re.DOTALL)
_PANINI: Final = re.compile(
    r"done deploying|failed at (files|environment|load|check): .*|batches (open|closed|unproven): .*"
)
_TOOK: Final = re.compile(r"^(.*?),? in (\d[\d.]* s)$")
_WARNING: Final = re.compile(r"\b\w*Warning:|^warning\b", re.IGNORECASE)
_ERROR: Final = re.compile(r"^(\w+(\.\w+)*(Error|Exception)\b|error:|\u00d7)")
_OF_STEP: Final = {"files": "upload", "environment": "environment", "load": "load", "check": "check"}


class State(StrEnum):
    """Where a step stands. The words are those of the stylesheet."""

    TODO = "todo"
    NOW = "now"
    DONE = "done"
    BAD = "bad"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line as it is shown."""

    number: int
    source: str
    """Who wrote it: `predict.py` (the entry file), `uv`, or the part of Panini."""
    text: str
    author: bool = False
    """The author's own code printed it."""
    level: str = ""
    """`warn` or `bad`, where its words say so."""


@dataclasses.dataclass(kw_only=True, slots=True)
class Step:
    """One step, with its last lines."""

    name: str
    state: State = State.TODO
    note: str = ""
    took: str = ""
    lines: deque[Line] = dataclasses.field(default_factory=lambda: deque(maxlen=KEPT))


class Build:
    """The steps of a version, folded from its log."""

    def __init__(self, entry: str = "predict.py") -> None:
        self._entry = entry
        self.steps = {name: Step(name=name) for name in NAMES}
        self.current = "upload"
        self.steps["upload"].state = State.NOW
        self.number = 0
        """Of the last line taken."""

    def take(self, number: int, text: str) -> tuple[str, Line, set[str]]:
        """The step that a line belongs to, the line, and the steps whose state changed."""
        self.number = number
        found = _OURS.fullmatch(text)
        if found is None:
            place, line = self.current, self._printed(number, text)
        else:
            named = _OF_STEP.get(found[1], self.current)
            place = self.current if self.steps[named].state is State.TODO else named
            line = Line(number=number, source=found[1], text=found[2])
        self.steps[place].lines.append(line)
        return place, line, self._advanced(found) if found is not None else set()

    def settle(self, state: str, failed_step: str | None = None) -> None:
        """The version left `building`: what is not done by then is done, or never was."""
        if state == "building":
            return
        if state != "failed":
            for step in self.steps.values():
                step.state = State.DONE
            return
        bad = NAMES.index(_OF_STEP.get(failed_step or "", self.current))
        for place, name in enumerate(NAMES):
            self.steps[name].state = State.DONE if place < bad else State.BAD if place == bad else State.TODO
            if place > bad:
                self.steps[name].note = "not reached"

    def _printed(self, number: int, text: str) -> Line:
        if _PANINI.fullmatch(text):
            return Line(number=number, source="panini", text=text, level="bad" if text.startswith("failed") else "")
        level = "bad" if _ERROR.match(text) else "warn" if _WARNING.search(text) else ""
        if self.current == "upload":
            return Line(number=number, source="registry", text=text)
        if self.current == "environment":
            return Line(number=number, source="uv", text=text, level=level)
        return Line(number=number, source=self._entry, text=text, author=True, level=level)

    def _advanced(self, found: re.Match[str]) -> set[str]:
        """Close the step that says what it took, or that it had nothing to do; open the next."""
        took = _TOOK.match(found[2])
        if _OF_STEP.get(found[1]) != self.current or (took is None and self.current != NAMES[-1]):
            return set()
        step = self.steps[self.current]
        step.state = State.DONE
        step.note, step.took = (took[1], took[2]) if took is not None else (found[2].partition(";")[0], "")
        place = NAMES.index(self.current) + 1
        changed = {self.current}
        if place < len(NAMES):
            self.current = NAMES[place]
            self.steps[self.current].state = State.NOW
            changed.add(self.current)
        return changed


def shown(entry: str, first: int, text: str) -> list[Line]:
    """A log's text as lines, the last ones, each with its writer; `first` is the number of its first line."""
    build = Build(entry)
    lines: deque[Line] = deque(maxlen=KEPT)
    for number, line in enumerate(text.splitlines(), first):
        lines.append(build.take(number, line)[1])
    return list(lines)
