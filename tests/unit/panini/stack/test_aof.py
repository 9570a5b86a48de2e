"""When the log of Valkey is rewritten, and that it is forced onto the disk."""

from pathlib import Path

import pytest

from panini.stack import aof

MB = 2**20


def asked(*looks: tuple[int, int]) -> list[bool]:
    """What one second after the other says of (base, written), in MB."""
    rewrites = aof.Rewrites()
    return [rewrites.due(aof.Sizes(base * MB, written * MB)) for base, written in looks]


def test_a_log_that_grew_is_rewritten_in_the_first_quiet_second() -> None:
    assert asked((0, 0), (0, 70), (0, 90), (0, 90)) == [False, False, False, True]


def test_a_small_log_is_left() -> None:
    assert asked((0, 63), (0, 63), (0, 63)) == [False, False, False]


def test_a_log_of_much_that_is_kept_may_grow_by_half_of_it() -> None:
    """Catches a bound of its own size: the server's rule is met at the same moment, in the middle of work."""
    assert asked((400, 190), (400, 190), (400, 201), (400, 201)) == [False, False, False, True]


def test_it_is_asked_once_until_as_much_was_written_again() -> None:
    """Catches a rewrite that fails, or takes minutes, asked for in each quiet second."""
    assert asked((0, 70), (0, 70), (0, 70), (0, 130), (0, 130), (0, 140), (0, 140)) == [
        False, True, False, False, False, False, True,
    ]  # fmt: skip


def test_after_a_rewrite_it_counts_from_the_new_log() -> None:
    assert asked((0, 100), (0, 100), (50, 1), (50, 66), (50, 66)) == [False, True, False, False, True]


@pytest.mark.parametrize(("jobs", "quiet"), [(20, True), (100, False)])
def test_a_few_jobs_a_second_are_quiet_and_a_trickle_of_a_hundred_is_not(jobs: int, quiet: bool) -> None:
    rewrites, written = aof.Rewrites(), 70 * MB
    rewrites.due(aof.Sizes(0, written))
    assert rewrites.due(aof.Sizes(0, written + 600 * jobs)) is quiet


def test_both_parts_are_counted(tmp_path: Path) -> None:
    for name, size in (("a.1.base.rdb", 10), ("a.1.incr.aof", 200), ("a.2.incr.aof", 3000), ("a.manifest", 40_000)):
        (tmp_path / name).write_bytes(b"x" * size)
    assert aof.sync(tmp_path) == aof.Sizes(base=10, written=3200)


def test_a_folder_that_is_not_there_yet_has_no_log(tmp_path: Path) -> None:
    assert aof.sync(tmp_path / "none") == aof.Sizes(0, 0)


def test_a_log_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.1.incr.aof").symlink_to(tmp_path / "a.1.incr.aof")
    with pytest.raises(OSError, match="symbolic links"):
        aof.sync(tmp_path)
