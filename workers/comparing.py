"""Whether two answers of a model are the same: exact, but for fractions, which arithmetic in batches rounds otherwise.

Text, whole numbers, true, false, null, keys and lengths are the same or they are not; so are bytes. Two fractions are
the same when they differ by no more than

- RELATIVE of the larger one; or
- ROUNDING of 1, or of the largest fraction at the same place of any answer if that is less: `1 - p` is 0.0 or 6e-8; or
- OF_SCALE of the largest fraction at the same place, if that is no more than OF_INDEX of what stands at its index.

A place is a path with all list indices left out, so it is the same for every element of a list: `[1700000000.0, 0.93]`
has one. That the 0.93 is not compared by the scale of the 1.7e9 is due to OF_INDEX: for each list on the way, some
answer must have a fraction that is large enough in the element with the same index, wherever the other lists are
entered. A box `[12.5, 40.0, 1900.0, 1000.0, 0.91]` among others has those of its row and those of its column.

An element of an embedding may be near zero in each of a few answers, and most of what a ReLU gives is. So in a list of
fractions one in FEW may be off by OF_SCALE alone; in one shorter than FEW, none. All is relative but for ROUNDING's 1:
answers that are all of the size 1e-9 are compared as closely as large ones. Pure.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from workers import outcomes

RELATIVE: Final = 1e-3
"""Of the larger of two fractions. float32 is off by 1e-6 to 1e-4 in a batch, TF32 and long sums by up to 1e-3. What
bfloat16 loses (4e-3) is more than this: such a model declares `batch = true` itself."""
OF_SCALE: Final = 1e-4
"""Of the largest fraction at the same place. Deep networks are off by that much near zero, beside large values."""
OF_INDEX: Final = 1e-2
"""Of the largest fraction at the same index. No smaller: what is off by OF_SCALE fails where all answers are below a
hundredth of the scale, which is rare by chance; with 1e-3, where they are below a tenth, which is common."""
ROUNDING: Final = 2.5e-7
"""Of 1: two steps of float32 above it, each 2**-23, or four below it."""
FEW: Final = 50
"""Elements of a list among which one may be off by OF_SCALE alone. Records of mixed numbers are shorter."""

_SHOWN: Final = 80
_DEEPEST: Final = 200
"""Levels of lists and objects that are compared: as many as a runner promises to let out."""

Place: TypeAlias = tuple[str, ...]
"""Keys, and "*" for any index."""
Path: TypeAlias = tuple["str | int", ...]
Found: TypeAlias = tuple[Path, Any, Any]
"""Path and both values of a difference."""


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
        self._scale = _Scale()
        self._values = [self._scale.add(_value(output)) for output in alone]

    def difference(self, together: Sequence[outcomes.Output]) -> Difference | None:
        """The first place at which `together` (as many) has something else."""
        for place, (raw, value, found) in enumerate(zip(self._raw, self._values, together, strict=True)):
            if raw == found:
                continue
            at = self._differs(value, _value(found))
            if at is not None:
                path, mine, theirs = at
                return Difference(
                    place=place, path=_shown_path(path), alone=_shown(mine), together=_shown(theirs),
                    small=_near(mine, theirs),
                )  # fmt: skip
        return None

    def same(self, one: int, other: int) -> bool:
        """Whether two of the answers cannot be told apart, be it that they nest too deep."""
        mine, theirs = self._values[one], self._values[other]
        return mine is _DEEP or theirs is _DEEP or self._differs(mine, theirs) is None

    def comparable(self, place: int) -> bool:
        """Whether that answer can be compared at all: it nests no deeper than that."""
        return self._values[place] is not _DEEP

    def reordered(self, together: Sequence[outcomes.Output]) -> bool:
        """Whether `together` holds the same answers, in another order."""
        left = list(range(len(self._values)))
        for found in together:
            value = _value(found)
            match = next((i for i in left if found == self._raw[i] or not self._differs(self._values[i], value)), None)
            if match is None:
                return False
            left.remove(match)
        return True

    def wrapped(self, together: Sequence[outcomes.Output]) -> bool:
        """Whether each answer alone is a list that holds what came together: the answer of a generator."""
        none = _Scale()
        return all(
            isinstance(value, list) and len(value) == 1 and _differs(value[0], _value(found), (), none) is None
            for value, found in zip(self._values, together, strict=True)
        )

    def _differs(self, mine: Any, theirs: Any) -> Found | None:
        return ((), mine, theirs) if mine is _DEEP else _differs(mine, theirs, (), self._scale)


def alike(outputs: Iterable[outcomes.Output]) -> bool:
    """Whether all of them are the same text or bytes: cheap."""
    return len(set(outputs)) <= 1


class _Bytes(msgspec.Struct, frozen=True):
    media: str
    data: bytes


class _TooDeep:
    """Stands for a value nested too deeply."""


_DEEP: Final = _TooDeep()


def _value(output: outcomes.Output) -> Any:
    if output.media is not None:
        return _Bytes(output.media, output.data)
    try:
        return msgspec.json.decode(output.data)
    except RecursionError:
        return _DEEP


class _Scale:
    """How large the fractions of some answers are. Of none: only RELATIVE holds."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._largest: dict[Place, float] = {}
        self._indexed: dict[Place, list[float]] = {}

    def add(self, value: Any) -> Any:
        """Measure one answer, before any is compared: that answer, or _DEEP."""
        try:
            _measure(value, (), self._largest)
        except RecursionError:
            return _DEEP
        self._values.append(value)
        return value

    def same(self, one: float, other: float, path: Path) -> bool:
        """Whether two fractions are the same that differ by more than RELATIVE."""
        gap = abs(one - other)
        if gap <= ROUNDING * min(self._largest.get(_place(path), 0.0), 1.0):
            return True
        return self.beside(one, other, path) and all(
            step < len(tops := self._tops(path[:level])) and tops[step] >= gap / OF_INDEX
            for level, step in enumerate(path)
            if isinstance(step, int)
        )

    def beside(self, one: float, other: float, path: Path) -> bool:
        """Whether two fractions differ by little beside the largest at their place."""
        return abs(one - other) <= OF_SCALE * self._largest.get(_place(path), 0.0)

    def _tops(self, path: Path) -> list[float]:
        """Of all lists at the place of `path`, the largest fraction at each index, or anywhere below it. Kept: matrices
        ask again and again."""
        place = _place(path)
        if place not in self._indexed:
            found = self._values
            for step in path:
                if isinstance(step, int):
                    found = [item for value in found if isinstance(value, list) for item in value]
                else:
                    found = [value[step] for value in found if isinstance(value, dict) and step in value]
            lists = [value for value in found if isinstance(value, list)]
            together = itertools.zip_longest(*lists, fillvalue=None)
            self._indexed[place] = [max(map(_top, items), default=0.0) for items in together]
        return self._indexed[place]


def _place(path: Path) -> Place:
    return tuple("*" if isinstance(step, int) else step for step in path)


def _top(value: Any) -> float:
    """The largest fraction that is anywhere in it."""
    if isinstance(value, float):
        return abs(value)
    top, left = 0.0, [value]
    while left:
        item = left.pop()
        if isinstance(item, float):
            top = max(top, abs(item))
        elif isinstance(item, list):
            left.extend(item)
        elif isinstance(item, dict):
            left.extend(item.values())
    return top


def _measure(value: Any, place: Place, largest: dict[Place, float]) -> None:
    """Raises RecursionError for more than _DEEPEST levels."""
    if isinstance(value, float):
        largest[place] = max(largest.get(place, 0.0), abs(value))
    elif isinstance(value, (list, dict)):
        if len(place) == _DEEPEST:
            raise RecursionError
        if isinstance(value, dict):
            for key, item in value.items():
                _measure(item, (*place, key), largest)
        else:
            _measure_list(value, (*place, "*"), largest)


def _measure_list(value: list[Any], place: Place, largest: dict[Place, float]) -> None:
    top = largest.get(place, 0.0)
    for item in value:
        if isinstance(item, float):
            if not -top <= item <= top:
                top = abs(item)
        elif isinstance(item, (list, dict)):
            _measure(item, place, largest)
    largest[place] = top


def _differs(one: Any, other: Any, path: Path, scale: _Scale) -> Found | None:
    """The first difference."""
    if type(one) is not type(other):
        return path, one, other
    if isinstance(one, float):
        same = abs(one - other) <= RELATIVE * max(abs(one), abs(other)) or scale.same(one, other, path)
        return None if same else (path, one, other)
    if isinstance(one, list):
        return _lists_differ(one, other, path, scale)
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return path, one, other
        for key, value in one.items():
            found = _differs(value, other[key], (*path, key), scale)
            if found is not None:
                return found
        return None
    return None if one == other else (path, one, other)


def _lists_differ(one: list[Any], other: list[Any], path: Path, scale: _Scale) -> Found | None:
    if len(one) != len(other):
        return path, one, other
    spare = len(one) // FEW
    for i, (a, b) in enumerate(zip(one, other, strict=True)):
        if isinstance(a, float) and isinstance(b, float) and abs(a - b) <= RELATIVE * max(abs(a), abs(b)):
            continue
        found = _differs(a, b, (*path, i), scale)
        if found is None:
            continue
        if spare and isinstance(a, float) and isinstance(b, float) and scale.beside(a, b, (*path, i)):
            spare -= 1
            continue
        return found
    return None


def _near(one: Any, other: Any) -> bool:
    both = isinstance(one, float) and isinstance(other, float)
    return both and abs(one - other) <= 0.5 * max(abs(one), abs(other))


def _shown_path(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f'["{step}"]' for step in path)


def _shown(value: Any) -> str:
    if isinstance(value, _Bytes):
        return f"{len(value.data):,} bytes of {value.media}"
    if value is _DEEP:
        return "a value nested too deeply to be compared"
    try:
        text = msgspec.json.encode(value).decode()
    except RecursionError:
        return "a value nested too deeply to be shown"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
