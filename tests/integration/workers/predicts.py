"""predict() functions that are wrong for several inputs, each in a way of its own, and what their authors are told."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """One of them."""

    source: str
    why: str
    """Words of the verdict."""
    advice: str


WRONG = {
    "the tutorial's: loops over its inputs, answers for the last": Wrong(
        """
def predict(inputs):
    for x in inputs:
        label = "seven" if x > 6 else "other"
    return [label, 1]
""",
        "got 3 inputs and returned 2",
        "one output per input",
    ),
    "drops duplicates": Wrong(
        """
def predict(inputs):
    return [x * 2 for x in dict.fromkeys(inputs)]
""",
        "returned 2",
        "one output per input",
    ),
    "sorts": Wrong(
        """
def predict(inputs):
    return [x * 2 for x in sorted(inputs)]
""",
        "alone it answers",
        "in the order of the inputs",
    ),
    "sorts downwards": Wrong(
        """
def predict(inputs):
    return [x * 2 for x in sorted(inputs, reverse=True)]
""",
        "alone it answers",
        "in the order of the inputs",
    ),
    "a generator": Wrong(
        """
def predict(inputs):
    for x in inputs:
        yield x * 2
""",
        "alone it answers [",
        "yields",
    ),
    "a dict of lists": Wrong(
        """
def predict(inputs):
    return {"doubled": [x * 2 for x in inputs]}
""",
        "returned a dict",
        "one output per input",
    ),
    "one shared mutable answer": Wrong(
        """
answer = {}
def predict(inputs):
    found = []
    for x in inputs:
        answer["doubled"] = x * 2
        found.append(answer)
    return found
""",
        "alone it answers",
        "new object",
    ),
    "off by one": Wrong(
        """
def predict(inputs):
    all = [x * 2 for x in inputs]
    return all[-1:] + all[:-1]
""",
        "alone it answers",
        "in the order of the inputs",
    ),
    "the first answer for all": Wrong(
        """
def predict(inputs):
    return [inputs[0] * 2] * len(inputs)
""",
        "alone it answers",
        "new object",
    ),
    "raises for several": Wrong(
        """
def predict(inputs):
    (x,) = inputs
    return [x * 2]
""",
        "too many values to unpack",
        "different sizes",
    ),
    "depends on its neighbours": Wrong(
        """
def predict(inputs):
    mean = sum(inputs) / len(inputs)
    return [x + 0.01 * mean for x in inputs]
""",
        "alone it answers",
        "model.eval()",
    ),
    "random": Wrong(
        """
import random
def predict(inputs):
    return [random.random() for x in inputs]
""",
        "it is random or remembers",
        "dropout",
    ),
    "a counter": Wrong(
        """
calls = 0
def predict(inputs):
    global calls
    calls += 1
    return [calls for x in inputs]
""",
        "remembers earlier calls",
        "counters",
    ),
    "whole numbers become fractions": Wrong(
        """
def predict(inputs):
    return [x if len(inputs) == 1 else float(x) for x in inputs]
""",
        ".0; alone it answers",
        "one output per input",
    ),
}

_STAND_INS = """
class Array:
    def __init__(self, rows):
        self.rows, self.shape = rows, (len(rows),)
    def __len__(self):
        return len(self.rows)
    def __iter__(self):
        return (Array(row) if isinstance(row, list) else Scalar(row) for row in self.rows)
    def __getitem__(self, place):
        return list(self)[place]
    def tolist(self):
        return self.rows
class Scalar:
    shape, device = (), "cuda:0"
    def __init__(self, value):
        self.value = value
    def __len__(self):
        raise TypeError("len() of a 0-d tensor")
    def __array__(self):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")
    def tolist(self):
        return self.value
def predict(inputs):
"""

RIGHT = {
    "an array": _STAND_INS + "    return Array([x / 3 for x in inputs])",
    "rows of an array": _STAND_INS + "    return Array([[x / 3] for x in inputs])",
    "tensors on another device": _STAND_INS + "    return [Scalar(x / 3) for x in inputs]",
    "a tuple of objects": "def predict(inputs):\n    return tuple({'x': [x / 3, 'text', None]} for x in inputs)",
    "what other kernels do to float32": (
        "def predict(inputs):\n    return [x / 3 * (1 + 1e-6 * len(inputs)) for x in inputs]"
    ),
}

LARGE_WRONG = """
def predict(inputs):
    if len(inputs) > 8:
        return [0] * len(inputs)
    return [x * 2 for x in inputs]
"""

SPOILT_LATER = """
def predict(inputs):
    right = [x * 2 for x in inputs]
    return right if len(inputs) < 2 or sum(inputs) < 1000 else {}
"""

PICKY = """
import panini
def predict(inputs):
    for x in inputs:
        if x < 0:
            raise panini.InvalidInput("below zero")
    return [x * 2 for x in inputs]
"""

RAISES = """
calls = 0
def predict(inputs):
    global calls
    calls += len(inputs) > 1
    if len(inputs) > 1 and (calls == 3 or max(inputs) > 99):
        raise OSError("away")
    return [x * 2 for x in inputs]
"""

DEADLY = """
import os
def predict(inputs):
    if len(inputs) > 1:
        os._exit(1)
    return inputs
"""
