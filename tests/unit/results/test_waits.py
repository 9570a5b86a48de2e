"""What a client says of how long it will wait."""

import pytest

from results import waits
from wire import problems


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=20", 20.0),
        ("Wait = 2.5", 2.5),
        ('wait="7"', 7.0),
        ("respond-async, wait=3", 3.0),
        ("respond-async;wait=3", 3.0),
        ("wait=0", 0.0),
        ("wait=9999999", 60.0),
        ("wait=-1", None),
        ("wait=abc", None),
        ("await=5", None),
        ("respond-async", None),
        ("", None),
    ],
)
def test_a_preference(prefer: str, seconds: float | None) -> None:
    assert waits.preferred(prefer, most=60.0) == seconds


@pytest.mark.parametrize(("query", "seconds"), [("20", 20.0), ("0.5", 0.5), ("60", 60.0)])
def test_a_query(query: str, seconds: float) -> None:
    assert waits.asked(query, most=60.0) == seconds


@pytest.mark.parametrize("query", ["", "-1", "61", "abc", "1e3", " 5", "nan", "9" * 50])
def test_a_query_out_of_range_is_told(query: str) -> None:
    with pytest.raises(problems.Problem, match="from 0 to 60") as told:
        waits.asked(query, most=60.0)
    assert told.value.status == 422
