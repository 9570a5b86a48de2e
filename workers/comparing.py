"""Whether two answers of a model are the same: exact, but for fractions, which arithmetic in batches rounds otherwise.

Text, whole numbers, true, false, null, keys and lengths are the same or they are not; so are bytes. Two fractions are
the same when they differ by no more than RELATIVE of the larger one, or by OF_SCALE of the largest fraction that stands
at the same place of any of the answers compared: so a probability of 1e-9 beside one of 0.99 may be off by what float32
loses, while answers that are all of the size 1e-9 are compared as closely as large ones. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from workers import outcomes

RELATIVE: Final = 1e-3
"""Of the larger of two fractions. float32 is off by 1e-6 to 1e-4 in a batch, TF32 and long sums by up to 1e-3. What
bfloat16 loses (4e-3) is more than this: such a model declares `batch = true` itself."""
OF_SCALE: Final = 1e-4
"""Of the largest fraction at the same place."""

_SHOWN: Final = 80

Path: TypeAlias = tuple[str, ...]
Scales: TypeAlias = dict[Path, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Where two answers are not the same."""

    place: int
    """Index of the input."""
    path: str
    """Where in the answer, such as `["scores"][2]`; empty: the whole."""
    alone: str
    """What stands there when the input runs alone, as short JSON."""
    together: str
    small: bool
    """Two fractions that are near each other: arithmetic or neighbours, not another input's answer."""


class Answers:
    """Decoded answers of several inputs, compared by one scale."""

    def __init__(self, alone: Sequence[outcomes.Output]) -> None:
        self._raw = alone
        self._values = [_value(output) for output in alone]
        self._scales: Scales = {}
        for value in self._values:
            _measure(value, (), self._scales)

    def difference(self, together: Sequence[outcomes.Output]) -> Difference | None:
        """The first place at which `together` (as many) has something else."""
        for place, (raw, value, found) in enumerate(zip(self._raw, self._values, together, strict=True)):
            if raw == found:
                continue
            other = _value(found)
            at = _differs(value, other, (), self._scales)
            if at is not None:
                path, mine, theirs = at
                return Difference(
                    place=place, path=_shown_path(path), alone=_shown(mine), together=_shown(theirs),
                    small=_near(mine, theirs),
                )  # fmt: skip
        return None

    def same(self, one: int, other: int) -> bool:
        """Whether two of the answers cannot be told apart."""
        return _differs(self._values[one], self._values[other], (), self._scales) is None

    def reordered(self, together: Sequence[outcomes.Output]) -> bool:
        """Whether `together` holds the same answers, in another order."""
        left = list(range(len(self._values)))
        for found in together:
            value = _value(found)
            match = next((i for i in left if _differs(self._values[i], value, (), self._scales) is None), None)
            if match is None:
                return False
            left.remove(match)
        return True

    def wrapped(self, together: Sequence[outcomes.Output]) -> bool:
        """Whether each answer alone is a list that holds what came together: the answer of a generator."""
        return all(
            isinstance(value, list) and len(value) == 1 and _differs(value[0], _value(found), (), {}) is None
            for value, found in zip(self._values, together, strict=True)
        )


def alike(outputs: Iterable[outcomes.Output]) -> bool:
    """Whether all of them are the same text or bytes: cheap."""
    return len(set(outputs)) <= 1


def _value(output: outcomes.Output) -> Any:
    if output.media is not None:
        return _Bytes(output.media, output.data)
    return msgspec.json.decode(output.data)


class _Bytes(msgspec.Struct, frozen=True):
    media: str
    data: bytes


def _measure(value: Any, path: Path, scales: Scales) -> None:
    if isinstance(value, float):
        scales[path] = max(scales.get(path, 0.0), abs(value))
    elif isinstance(value, list):
        for item in value:
            _measure(item, (*path, "*"), scales)
    elif isinstance(value, dict):
        for key, item in value.items():
            _measure(item, (*path, key), scales)


_Step: TypeAlias = tuple["str | int", ...]


def _differs(one: Any, other: Any, path: _Step, scales: Scales) -> "tuple[_Step, Any, Any] | None":
    """Path and both values of the first difference."""
    if type(one) is not type(other):
        return path, one, other
    if isinstance(one, float):
        return None if _close(one, other, path, scales) else (path, one, other)
    if isinstance(one, list):
        if len(one) != len(other):
            return path, one, other
        pairs = ((_differs(a, b, (*path, i), scales)) for i, (a, b) in enumerate(zip(one, other, strict=True)))
        return next((found for found in pairs if found is not None), None)
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return path, one, other
        pairs = ((_differs(one[key], other[key], (*path, key), scales)) for key in one)
        return next((found for found in pairs if found is not None), None)
    return None if one == other else (path, one, other)


def _close(one: float, other: float, path: _Step, scales: Scales) -> bool:
    gap = abs(one - other)
    if gap <= RELATIVE * max(abs(one), abs(other)):
        return True
    scale = scales.get(tuple("*" if isinstance(step, int) else step for step in path), 0.0)
    return gap <= OF_SCALE * scale


def _near(one: Any, other: Any) -> bool:
    both = isinstance(one, float) and isinstance(other, float)
    return both and abs(one - other) <= 0.5 * max(abs(one), abs(other))


def _shown_path(path: _Step) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f'["{step}"]' for step in path)


def _shown(value: Any) -> str:
    if isinstance(value, _Bytes):
        return f"{len(value.data):,} bytes of {value.media}"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
