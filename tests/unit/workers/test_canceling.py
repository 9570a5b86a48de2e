"""When a runner is killed for a canceled job."""

import pytest

from workers import canceling


def seen(**given: object) -> canceling.Seen:
    fields: dict[str, object] = {"others": 0, "together": False, "elapsed": 0.1, "usual": None, "load": 1.0}
    return canceling.Seen(**(fields | given))  # type: ignore[arg-type]  # fields of several types


@pytest.mark.parametrize(
    ("given", "kills"),
    [
        ({}, True),
        ({"usual": 30.0}, True),
        ({"usual": 0.5}, False),
        ({"usual": 0.05, "elapsed": 3.0}, True),
    ],
    ids=["alone, nothing known", "alone and long", "alone and about to end", "alone and overdue"],
)
def test_alone(given: dict[str, object], kills: bool) -> None:
    assert canceling.kills(seen(**given)) is kills


@pytest.mark.parametrize(
    ("given", "kills"),
    [
        ({"usual": 1.5, "elapsed": 0.1, "load": 1.0}, True),
        ({"usual": 1.5, "elapsed": 0.1, "load": 60.0}, False),
        ({"usual": 9.0, "elapsed": 0.5, "load": 1.0, "together": True}, False),
        ({"usual": 0.1, "elapsed": 20.0, "load": 1.0}, True),
        ({"usual": 0.1, "elapsed": 1.0, "load": 1.0, "together": True}, False),
        ({"usual": 0.1, "elapsed": 1.2, "load": 1.0, "together": True}, True),
        ({"usual": None, "elapsed": 1.9, "load": 1.0, "together": True}, False),
        ({"usual": None, "elapsed": 2.1, "load": 1.0, "together": True}, True),
    ],
    ids=[
        "loading is shorter than the rest",
        "loading is longer than the rest",
        "a shared call ends as it always does",
        "overdue, the others wait",
        "overdue in a shared call, not long enough",
        "overdue in a shared call",
        "a shared first call",
        "a shared first call that takes long",
    ],
)
def test_with_neighbours_the_cheaper_way(given: dict[str, object], kills: bool) -> None:
    assert canceling.kills(seen(others=3, **given)) is kills
