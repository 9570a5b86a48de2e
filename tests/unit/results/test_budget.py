"""How much results may take, and when jobs are refused."""

import pytest

from results import budget

MIB = 1 << 20


@pytest.mark.parametrize(
    ("asked", "maxmemory", "bound"),
    [
        (None, 1000 * MIB, 800 * MIB),
        (None, 0, budget.UNBOUNDED),
        (500 * MIB, 1000 * MIB, 500 * MIB),
        (900 * MIB, 1000 * MIB, 800 * MIB),  # the ends of accepted jobs need room
        (900 * MIB, 0, 900 * MIB),
    ],
)
def test_bound(asked: int | None, maxmemory: int, bound: int) -> None:
    assert budget.bound(asked, maxmemory) == bound


@pytest.mark.parametrize(
    ("used", "was", "full"),
    [(0, False, False), (999, False, False), (1000, False, True), (1000, True, True), (950, True, True),
     (949, True, False), (950, False, False)],
)  # fmt: skip
def test_full(used: int, was: bool, full: bool) -> None:
    assert budget.full(used, 1000, was=was) is full


def test_info_is_read() -> None:
    info = b"# Memory\r\nused_memory:123\r\nused_memory_human:1K\r\nmaxmemory:0\r\nfragmentation_ratio:1.5\r\n\r\n"
    assert budget.parsed(info) == {"used_memory": 123, "maxmemory": 0}
