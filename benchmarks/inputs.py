"""Inputs for the model iris, each another, and the answer that each must get.

Never the same input twice in a run: identical inputs are answered from the cache, and such an answer counts as wrong.
The answers come from the model's own numbers (`iris.json`), worked out here, so that a wrong answer is seen whoever
gives it.
"""

import functools
import itertools
import json
import math
import pathlib
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

NUMBERS: Final = pathlib.Path(__file__).with_name("iris.json")
NEAR: Final = 1.5e-4
"""How far a probability, rounded to four places, may be off: float32 against float64, one input against a batch."""


TIE: Final = 1e-4
"""Scores of the two likeliest species this near are no answer: a float32 may say the other one, once in a million."""


class Item(NamedTuple):
    """One job."""

    text: str
    """The input, as JSON."""
    answer: bytes
    """What a right answer holds, byte for byte, unless its last digit was rounded the other way."""
    species: str
    probability: float

    def right(self, body: bytes) -> bool:
        """Whether a finished job's (or a prediction's) JSON holds the right output."""
        if self.answer in body:
            return True
        try:
            found: Any = json.loads(body)
        except ValueError:
            return False
        output = found.get("output") if isinstance(found, dict) else None
        return self.matches(output)

    def matches(self, output: Any) -> bool:
        """Whether an output is right."""
        return (
            isinstance(output, dict)
            and output.get("species") == self.species
            and abs(float(output.get("probability", -1)) - self.probability) < NEAR
        )


class Iris:
    """The model: a scaled logistic regression of four numbers."""

    def __init__(self, numbers: dict[str, Any]) -> None:
        self.species: list[str] = numbers["species"]
        rows = list(zip(numbers["coefficients"], numbers["intercept"], strict=True))
        # scaling folded into the weights: w·(x - mean)/scale + b = (w/scale)·x + (b - w·mean/scale)
        self._rows = [
            (
                *(weight / scale for weight, scale in zip(weights, numbers["scale"], strict=True)),
                bias - sum(w * m / s for w, m, s in zip(weights, numbers["mean"], numbers["scale"], strict=True)),
            )
            for weights, bias in rows
        ]

    def answer(self, x: Sequence[float]) -> tuple[str, float] | None:
        """The species and its probability, rounded as the model rounds it; None: two are as likely."""
        scores = [a * x[0] + b * x[1] + c * x[2] + d * x[3] + bias for a, b, c, d, bias in self._rows]
        most = max(scores)
        if sum([most - score < TIE for score in scores]) > 1:
            return None
        total = sum(math.exp(score - most) for score in scores)
        return self.species[scores.index(most)], round(1.0 / total, 4)


@functools.cache
def iris() -> Iris:
    """The model of examples/iris."""
    return Iris(json.loads(NUMBERS.read_text(encoding="utf-8")))


def endless(seed: str) -> Iterator[Item]:
    """Items without end; the same seed gives the same ones."""
    chance, model = random.Random(seed), iris()
    ranges = ((4.3, 7.9), (2.0, 4.4), (1.0, 6.9), (0.1, 2.5))
    while True:
        x = [round(chance.uniform(low, high), 4) for low, high in ranges]
        found = model.answer(x)
        if found is None:
            continue
        species, probability = found
        answer = f'{{"species":"{species}","probability":{probability}}}'.encode()
        yield Item(f"[{x[0]},{x[1]},{x[2]},{x[3]}]", answer, species, probability)


def prepared(seed: str, count: int) -> Iterator[Item]:
    """The same, the first `count` made now, so that making them costs nothing while it is measured."""
    source = endless(seed)
    first = list(itertools.islice(source, count))
    return itertools.chain(first, source)
