"""What follows from the values that processes tell each other."""

import pytest

from wire import specs

RANDOM = specs.Verdict(batching=specs.Batching.CLOSED, why="two answers to one input", steady=False)
OPEN = specs.Verdict(batching=specs.Batching.OPEN, why="the same")


@pytest.mark.parametrize(
    ("said", "verdict", "default", "expected"),
    [
        (True, None, 600.0, 600.0),
        (True, OPEN, 600.0, 600.0),
        (False, OPEN, 600.0, 0.0),
        (0, None, 600.0, 0.0),
        (30, None, 600.0, 30.0),
        (7200, None, 600.0, 7200.0),
        (1, None, 600.0, 1.0),
        (True, RANDOM, 600.0, 0.0),
        (30, RANDOM, 600.0, 0.0),
        (30, None, 0.0, 0.0),
        (True, None, 0.0, 0.0),
    ],
)
def test_how_long_answers_count(
    said: bool | float, verdict: specs.Verdict | None, default: float, expected: float
) -> None:
    assert specs.cached(specs.Options(cache=said), verdict, default) == expected
