"""Figures and moments as people read them: every figure with its unit, nothing rounded to nothing. Pure."""

import datetime as dt
import json
from typing import Final, NamedTuple

import msgspec

from dashboard import records

LONGEST: Final = 20_000
"""Characters of an output that a page shows; the whole is a download."""

BYTES_UNITS: Final = ("B", "kB", "MB", "GB", "TB")

NEEDS: Final = {"failed": 0, "building": 1}
"""What needs a person comes first in a list of models."""


class Part(NamedTuple):
    """A stretch of the timing bar, in percent of its width."""

    kind: str
    ms: float
    x: float
    width: float


def size(count: int) -> str:
    """Bytes: `312 B`, `46.8 MB`."""
    value = float(count)
    for unit in BYTES_UNITS:
        if value < 1000 or unit == BYTES_UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def duration(ms: float | None) -> str:
    """Milliseconds: `< 0.1 ms`, `0.4 ms`, `86 ms`, `1.8 s`, `3 min`, `72 h`; a dash for none."""
    if ms is None:
        return "\N{EN DASH}"
    if 0 < ms < 0.05:
        return "< 0.1 ms"
    if ms < 10:
        return f"{round(ms, 1):g} ms"
    if ms < 1000:
        return f"{ms:.0f} ms"
    if ms < 10_000:
        return f"{ms / 1000:.1f} s"
    if ms < 120_000:
        return f"{ms / 1000:.0f} s"
    if ms < 7_200_000:
        return f"{ms / 60_000:.0f} min"
    return f"{ms / 3_600_000:.0f} h"


def moment(text: str) -> dt.datetime:
    """The API's ISO 8601."""
    return dt.datetime.fromisoformat(text)


def between(start: str, end: str | None) -> float | None:
    """Milliseconds from one moment to another."""
    return None if end is None else (moment(end) - moment(start)).total_seconds() * 1000


def ago(text: str, now: dt.datetime) -> str:
    """How long ago: `now`, `2 s ago`, `40 min ago`, `9 days ago`."""
    seconds = (now - moment(text)).total_seconds()
    if seconds < 1:
        return "now"
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h ago"
    return f"{seconds / 86_400:.0f} days ago"


def clock(text: str) -> str:
    """A moment's time of day in UTC, `14:32:08.112`."""
    return moment(text).astimezone(dt.UTC).strftime("%H:%M:%S.%f")[:-3]


def day(text: str) -> str:
    """A moment's day and time in UTC, `2026-01-31 14:32`."""
    return moment(text).astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M")


def bar(timings: records.Timings | None) -> list[Part]:
    """Where the milliseconds went; empty where they are not known."""
    if timings is None:
        return []
    kinds = (("queued", timings.queued_ms), ("batch", timings.batch_ms), ("predict", timings.predict_ms))
    known = [(kind, ms) for kind, ms in kinds if ms is not None]
    total = sum(ms for _, ms in known)
    if not known or total <= 0:
        return []
    widths = [max(ms / total * 100, 1.0) for _, ms in known]  # a sliver is seen, too
    scale = 100 / sum(widths)
    parts, x = [], 0.0
    for (kind, ms), width in zip(known, widths, strict=True):
        parts.append(Part(kind, ms, round(x, 2), round(max(width * scale - 0.4, 0.3), 2)))
        x += width * scale
    return parts


def total(timings: records.Timings | None) -> float | None:
    """Milliseconds of a job's three stretches together."""
    parts = bar(timings)
    return sum(part.ms for part in parts) if parts else None


def document(raw: msgspec.Raw) -> tuple[str, bool]:
    """An output as indented JSON, and whether it was cut."""
    try:
        text = json.dumps(msgspec.json.decode(raw), indent=2, ensure_ascii=False)
    except (msgspec.DecodeError, RecursionError, ValueError):
        text = bytes(raw).decode("utf-8", "replace")
    text = _numbers_in_rows(text)
    return (text, False) if len(text) <= LONGEST else (text[:LONGEST], True)


def needs_first(models: list[records.Model]) -> list[records.Model]:
    """Those that need a person, then by name."""
    return sorted(models, key=lambda model: (NEEDS.get("building" if model.building else model.state, 2), model.model))


def _numbers_in_rows(text: str) -> str:
    """Lists of numbers on lines of their own, not one number a line."""
    lines, row = [], ""
    for line in text.split("\n"):
        bare = line.strip().removesuffix(",")
        if bare and not bare.strip("-+.0123456789eE") and line.startswith("  "):
            joined = f"{row} {line.strip()}" if row else line
            if len(joined) > 72 and row:
                lines.append(row)
                joined = line
            row = joined
            continue
        if row:
            lines.append(row)
            row = ""
        lines.append(line)
    return "\n".join([*lines, row] if row else lines)
