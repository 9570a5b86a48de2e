"""Offsets: nothing is committed past a record that is unfinished, whatever ends first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers import offsets


def partition(committed: int | None, *fetched: int) -> offsets.Partition:
    kept = offsets.Partition(committed)
    for offset in fetched:
        kept.fetched(offset)
    return kept


def test_records_finished_out_of_order_wait_for_the_one_before() -> None:
    """faust's own bookkeeping commits 13 here (its `Consumer._new_offset`), and 10 is lost with its worker.

    Catches the loss of the `while self._open and self._open[0] in self._finished` in Partition.committable.
    """
    # Given 10 committed, and 10, 11, 12 fetched
    kept = partition(10, 10, 11, 12)
    # When 11 and 12 are finished
    kept.finished(11)
    kept.finished(12)
    # Then nothing may be committed until 10 is, and then all
    assert kept.committable() is None
    kept.finished(10)
    assert kept.committable() == 13


@pytest.mark.parametrize("committed", [None, 0])
def test_a_partition_never_committed_does_not_skip_its_first_records(committed: int | None) -> None:
    """With committed None or 0 and acked 5 and 6, faust commits 7: 0 to 4 are lost."""
    # Given records 0 to 6, none ever committed
    kept = partition(committed, *range(7))
    # When 5 and 6 are finished
    kept.finished(5)
    kept.finished(6)
    # Then nothing past 0 is committed
    assert kept.committable() in {None, 0}
    for offset in (0, 1, 2, 3, 4):
        kept.finished(offset)
    assert kept.committable() == 7


def test_markers_and_compacted_offsets_are_stepped_over() -> None:
    # Given records 3 and 7 (between them markers), both finished
    kept = partition(3, 3, 7)
    kept.finished(3)
    assert kept.committable() == 7
    kept.finished(7)
    # When the position moves over a marker behind them
    kept.position = 9
    # Then it may be committed, so that lag reaches zero
    assert kept.committable() == 9


def test_a_position_ahead_is_not_committed_over_an_unfinished_record() -> None:
    kept = partition(3, 3)
    kept.position = 99
    assert kept.unfinished == 1
    assert kept.committable() is None


def test_what_was_committed_is_not_committed_again() -> None:
    kept = partition(None, 0)
    kept.finished(0)
    assert kept.committable() == 1
    kept.committed = 1
    assert kept.committable() is None


def test_nothing_fetched_nothing_to_commit() -> None:
    assert partition(None).committable() is None
    assert partition(5).committable() is None


@given(st.data())
def test_whatever_order_they_finish_in_nothing_is_lost_and_all_is_committed(data: st.DataObject) -> None:
    # Given records with gaps between their offsets
    gaps = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=30))
    fetched = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    kept = partition(data.draw(st.sampled_from([None, fetched[0]])), *fetched)
    unfinished = set(fetched)
    # When they finish in any order, with commits at any moment
    for offset in data.draw(st.permutations(fetched)):
        kept.finished(offset)
        unfinished.discard(offset)
        if data.draw(st.booleans()):
            due = kept.committable()
            # Then a restart at the commit would bring every unfinished record again
            if due is not None:
                assert due <= min(unfinished, default=fetched[-1] + 1)
                assert kept.committed is None or due > kept.committed
                kept.committed = due
        assert kept.unfinished == len(unfinished)
    # ... and in the end all of it is committed
    assert (kept.committable() or kept.committed) == fetched[-1] + 1
