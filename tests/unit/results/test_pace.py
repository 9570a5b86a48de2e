"""When a queued job may start, from how it moved."""

import pytest

from results import pace


@pytest.mark.parametrize(
    ("sights", "eta"),
    [
        ([(0.0, 10)], None),  # seen once
        ([(0.0, 10), (0.5, 9)], None),  # too short to tell
        ([(0.0, 10), (2.0, 10)], None),  # nothing moves
        ([(0.0, 10), (2.0, 12)], None),  # others were noted before it, late
        ([(0.0, 10), (2.0, 6)], 3.0),
        ([(0.0, 10), (1.0, 10), (2.0, 6)], 3.0),
        ([(0.0, 1000), (20.0, 100), (40.0, 80)], 80.0),  # the first is too long ago
        ([(0.0, 1000), (100.0, 10)], None),
        ([(0.0, 3), (3.0, 1)], 1.5),
    ],
)
def test_eta(sights: list[tuple[float, int]], eta: float | None) -> None:
    paces = pace.Paces()
    for now, position in sights:
        found = paces.place("one", position, now)
        paces.place("another", 1, now)
    assert found == pace.Place(sights[-1][1], eta)


def test_what_was_asked_about_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MOST", 2)
    paces = pace.Paces()
    for now, job_id in enumerate(["a", "b", "a", "c"]):
        paces.place(job_id, 10 - now, now)

    assert paces.place("a", 4, 4.0).eta is not None
    assert paces.place("b", 4, 5.0).eta is None
