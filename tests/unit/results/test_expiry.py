"""Which models the sweeper asks, and when."""

import pytest

from results import expiry

A, B, C = ("acme", "a"), ("acme", "b"), ("other", "c")
NOW = 1000.0
LONG_AGO = NOW - expiry.LOOK
LATELY = LONG_AGO + 0.1


@pytest.mark.parametrize(
    ("known", "due", "asked", "chosen"),
    [
        (set(), [], {}, []),
        (set(), [A], {}, []),  # its model was removed
        ({A, B}, [], {}, [A, B]),  # a new sweeper asks all
        ({A, B}, [], {A: LATELY, B: NOW}, []),  # idle models cost nothing
        ({A, B, C}, [B], {A: LATELY, B: NOW, C: LATELY}, [B]),
        ({A, B, C}, [B, B], {A: LATELY, B: LATELY, C: LONG_AGO}, [B, C]),
        ({A, B}, [], {A: LATELY}, [B]),  # a model made since
        ({A}, [C], {A: LATELY, B: LONG_AGO}, []),
    ],
)
def test_choice(
    known: set[expiry.Name], due: list[expiry.Name], asked: dict[expiry.Name, float], chosen: list[expiry.Name]
) -> None:
    assert expiry.choose(known, due=due, asked=asked, now=NOW) == chosen
