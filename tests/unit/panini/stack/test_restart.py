"""The policy of restarts: a table."""

import pytest

from panini.stack import restart

POLICY = restart.Policy(first=0.5, factor=2.0, longest=30.0, healthy_after=20.0)


@pytest.mark.parametrize(
    ("streak", "ran", "expected"),
    [
        (0, 0.0, restart.Decision(1, 0.5)),  # the first failure: soon
        (1, 0.1, restart.Decision(2, 1.0)),
        (2, 19.9, restart.Decision(3, 2.0)),  # not yet a healthy run
        (5, 0.0, restart.Decision(6, 16.0)),
        (6, 0.0, restart.Decision(7, 30.0)),  # no longer than the longest
        (100_000, 0.0, restart.Decision(100_001, 30.0)),  # for ever, and no overflow
        (6, 20.0, restart.Decision(1, 0.5)),  # a healthy run ends the streak
        (0, 3600.0, restart.Decision(1, 0.5)),
    ],
)
def test_decision(streak: int, ran: float, expected: restart.Decision) -> None:
    assert restart.after(POLICY, streak=streak, ran=ran) == expected
