"""What is served in a comparison: a model's bundle, what peers must install for it, and inputs with right answers."""

import abc
import itertools
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Final

from benchmarks import environments, inputs

HERE: Final = pathlib.Path(__file__).resolve().parent
IRIS: Final = HERE.parent / "examples" / "iris"
MLP: Final = HERE / "models" / "mlp"

PACED: Final = HERE / "models" / "paced"

MLP_INPUTS: Final = 40_000
"""Inputs of mlp in a run; past them they come again, so its panini.toml turns the cache off."""


class Subject(abc.ABC):
    """A model under load."""

    name: str
    bundle: pathlib.Path

    @abc.abstractmethod
    def items(self, seed: str, count: int) -> Iterator[inputs.Item]:
        """Inputs without end, the first `count` of them made beforehand."""


class Iris(Subject):
    """examples/iris: four floats in, a label out."""

    name = "iris"
    bundle = IRIS

    def items(self, seed: str, count: int) -> Iterator[inputs.Item]:
        """See Subject."""
        return inputs.prepared(seed, count)


class Mlp(Subject):
    """models/mlp: torch, 2 KB inputs. They are made once, by the model's own environment, and dealt out in turn."""

    name = "mlp"
    bundle = MLP

    def __init__(self, folder: pathlib.Path, seed: str) -> None:
        path = folder / "mlp.inputs"
        program = environments.python("mlp", self.bundle / "requirements.txt")
        words = [str(program), str(HERE / "apps" / "answers.py"), str(self.bundle), seed, str(MLP_INPUTS), str(path)]
        subprocess.run(words, check=True, timeout=300)
        self._items = itertools.cycle([_item(line) for line in path.read_text(encoding="ascii").splitlines()])

    def items(self, seed: str, count: int) -> Iterator[inputs.Item]:  # noqa: ARG002  they were made in `__init__`
        """See Subject."""
        return self._items


class Paced(Subject):
    """models/paced: 5 ms a batch and 0.2 ms an input, whatever else the machine does; it answers its input."""

    name = "paced"
    bundle = PACED

    def items(self, seed: str, count: int) -> Iterator[inputs.Item]:  # noqa: ARG002  nothing is worth making before
        """See Subject."""
        texts = (f'"{seed} {number}."' for number in itertools.count())
        return (inputs.Item(text, f'"output":{text}'.encode(), "", 0.0) for text in texts)


def _item(line: str) -> inputs.Item:
    text, species, probability = line.split("\t")
    answer = f'{{"species":"{species}","probability":{probability}}}'.encode()
    return inputs.Item(text, answer, species, float(probability))
