"""How many inputs the next batch may have, learned from models whose costs are known."""

import math
from collections.abc import Callable

import pytest

from workers import sizing

MOST = 64


def settle(cost: Callable[[int], float], *, sizes: sizing.Sizes | None = None, batches: int = 310) -> sizing.Sizes:
    """Batches as large as allowed, for long enough to learn."""
    learned = sizes or sizing.Sizes()
    for _ in range(batches):
        size = learned.limit(MOST, within=10.0)
        learned.took(size, cost(size))
    return learned


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        pytest.param(lambda n: 0.00005 + 0.000004 * n, {64}, id="so fast that only claiming counts"),
        pytest.param(lambda n: 0.05 + 0.0001 * n, {64}, id="a fixed cost to share"),
        pytest.param(lambda n: 0.2 * n, {1}, id="nothing to gain"),
        pytest.param(lambda n: 0.005 * n, {1, 2, 4}, id="little to gain"),
        pytest.param(lambda n: 0.02 * math.ceil(n / 16), {16}, id="a staircase"),
        pytest.param(lambda n: 0.005 + 0.0005 * n + 0.004 * max(0, n - 16), {16}, id="a cliff"),
    ],
)
def test_it_settles_at_the_knee(cost: Callable[[int], float], expected: set[int]) -> None:
    learned = settle(cost)
    assert learned.limit(MOST, within=10.0) in expected


def test_the_first_batches_double() -> None:
    learned, seen = sizing.Sizes(), []
    for _ in range(7):
        seen.append(learned.limit(MOST, within=10.0))
        learned.took(seen[-1], 0.05)
    assert seen == [1, 2, 4, 8, 16, 32, 64]


def test_light_load_does_not_forget_that_larger_is_better() -> None:
    # Given a model whose batches of 64 are best
    learned = settle(lambda n: 0.05 + 0.0001 * n)
    # When only single inputs come for a while, then a backlog
    for _ in range(1000):
        learned.took(1, 0.0501)
    # Then it goes together at once
    assert learned.limit(MOST, within=10.0) == MOST


def test_a_model_that_became_slower_at_large_sizes_is_followed() -> None:
    learned = settle(lambda n: 0.05 + 0.0001 * n)
    settle(lambda n: 0.005 + 0.0005 * n + 0.004 * max(0, n - 16), sizes=learned, batches=1000)
    assert learned.limit(MOST, within=10.0) == 16


def test_a_smaller_batch_where_there_is_less_time() -> None:
    learned = settle(lambda n: 0.1 + 0.1 * n, batches=20)
    for within in (10.0, 2.0, 0.5):
        size = learned.limit(MOST, within=within)
        assert learned.expected(size) <= within
    assert learned.limit(MOST, within=0.01) == 1


def test_a_size_that_failed_is_not_tried_again() -> None:
    learned = settle(lambda n: 0.05 + 0.0001 * n)
    learned.failed(64)
    assert learned.limit(MOST, within=10.0) == 32
    learned.failed(1)
    assert learned.limit(MOST, within=10.0) == 1


def test_batches_that_were_on_their_way_fail_only_once() -> None:
    learned = settle(lambda n: 0.05 + 0.0001 * n)
    for size in (64, 64, 40):
        learned.failed(size)
    assert learned.ceiling == 32
    for _ in range(sizing.PATIENCE):
        learned.took(32, 0.053)
    assert learned.ceiling == 64


def test_the_ceiling_is_tried_again_ever_more_seldom() -> None:
    learned = settle(lambda n: 0.05 + 0.0001 * n)
    seen = []
    # Given memory that is short for more than 16 inputs
    for _ in range(3):
        learned.failed(32)
        before = 0
        # When batches of 16 do well
        while learned.ceiling == 16:
            learned.took(16, 0.0516)
            before += 1
        seen.append(before)
    # Then a larger one is tried, each time later
    assert seen == [sizing.PATIENCE, 2 * sizing.PATIENCE, 4 * sizing.PATIENCE]
    # and small ones, which say nothing of that, do not count
    learned.failed(32)
    for _ in range(100 * sizing.PATIENCE):
        learned.took(1, 0.05)
    assert learned.ceiling == 16


MATRIX = {n: 0.004 + 0.001 * n for n in (1, 2, 4, 8, 16, 32, 64)}
"""Seconds of a call: 0.068 for 64, 0.036 for 32, 0.020 for 16."""


@pytest.mark.parametrize(
    ("due", "size"),
    [
        pytest.param([], 64, id="no deadline"),
        pytest.param([(0, 0.100)], 64, id="in time as it is"),
        pytest.param([(0, 0.050)], 32, id="in time with half"),
        pytest.param([(0, 0.025)], 16, id="in time with a quarter"),
        pytest.param([(0, 0.001)], 64, id="late whatever is done"),
        pytest.param([(40, 0.050)], 64, id="behind the end of a smaller one it would only be later"),
        pytest.param([(40, 0.001), (3, 0.050)], 32, id="one that is lost does not hurt another before it"),
        pytest.param([(0, 0.001), (3, 0.050)], 32, id="nor one behind it"),
        pytest.param([(0, -5.0)], 64, id="one that has passed"),
    ],
)
def test_a_deadline_makes_a_batch_smaller_where_that_helps(due: list[tuple[int, float]], size: int) -> None:
    learned = sizing.Sizes()
    for n, seconds in MATRIX.items():
        learned.took(n, seconds)
    assert learned.in_time(64, due) == size


def test_no_deadline_costs_half_of_the_throughput() -> None:
    """Catches an overload in which all deadlines are near: batches of one would make it worse for everybody."""
    learned = sizing.Sizes()
    for n in MATRIX:
        learned.took(n, 0.05 + 0.0001 * n)
    assert learned.in_time(64, [(0, 0.0515)]) == 64


def test_what_is_expected_of_sizes_not_measured() -> None:
    learned = sizing.Sizes()
    assert learned.expected(8) == 0.0
    learned.took(8, 0.8)
    assert learned.expected(8) == pytest.approx(0.8)
    assert learned.expected(64) == pytest.approx(6.4)
    assert 0 < learned.expected(2) <= 0.8
    assert learned.expected(5000) > 0
