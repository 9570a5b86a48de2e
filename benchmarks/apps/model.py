# mypy: ignore-errors
"""The model of BENCH_EXAMPLE, loaded as its author wrote it; the floats come as float32, as Panini hands them over."""

import os
import pathlib
import sys

import numpy as np

EXAMPLE = pathlib.Path(os.environ["BENCH_EXAMPLE"])
sys.path.insert(0, str(EXAMPLE))

import predict  # noqa: E402  the example's own file

LOADED = predict.load(str(next(EXAMPLE.glob("*.joblib"), EXAMPLE)))


def one(values):
    """The answer to one input."""
    return predict.predict(LOADED, [np.asarray(values, dtype=np.float32)])[0]


def many(inputs):
    """The answers to several."""
    return predict.predict(LOADED, [np.asarray(values, dtype=np.float32) for values in inputs])
