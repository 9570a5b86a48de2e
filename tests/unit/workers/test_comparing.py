"""When two answers are the same."""

from typing import Any

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest

from workers import comparing, outcomes


def output(value: Any) -> outcomes.Output:
    """An answer in JSON."""
    return outcomes.Output(msgspec.json.encode(value))


def difference(alone: list[Any], together: list[Any]) -> comparing.Difference | None:
    """The first one."""
    answers = comparing.Answers([output(value) for value in alone])
    return answers.difference([output(value) for value in together])


@pytest.mark.parametrize(
    ("alone", "together"),
    [
        (1, 2),
        (1, 1.0),
        (1, True),
        (0, None),
        (2**60, 2**60 + 1),
        ("a", "b"),
        ("1", 1),
        ([1, 2], [2, 1]),
        ([1, 2], [1, 2, 3]),
        ([], {}),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": 1}, {"b": 1}),
        ([[{"a": ["x"]}]], [[{"a": ["y"]}]]),
        (0.5, 0.51),
        (1e-9, 2e-9),
        (0.0, 1e-12),
        ([0.5, 0.1], [0.5, 0.2]),
        ({"price": 1e6, "chance": 0.5}, {"price": 1e6, "chance": 0.6}),
    ],
)
def test_other(alone: Any, together: Any) -> None:
    assert difference([alone], [together]) is not None
    assert difference([together], [alone]) is not None


@pytest.mark.parametrize(
    ("alone", "together"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (0.1, 0.1 * (1 + 5e-4)),
        ([0.99, 1e-9], [0.99, 1.1e-9]),  # what float32 loses beside 0.99
        ({"x": [[12.5, -0.00001]]}, {"x": [[12.5001, 0.00001]]}),
        (1e-9, 1.0001e-9),
        (0.0, -0.0),
    ],
)
def test_the_same(alone: Any, together: Any) -> None:
    assert difference([alone], [together]) is None
    assert difference([together], [alone]) is None


def test_the_scale_is_that_of_all_answers_at_the_same_place() -> None:
    # A regression that happens to be near zero for one input is as exact as for the others
    assert difference([812.0, 0.001], [812.0, 0.0015]) is None
    assert difference([0.001], [0.0015]) is not None


def test_what_is_told_of_a_difference() -> None:
    found = difference([{"a": [1, 2]}, {"a": [1, "x"]}], [{"a": [1, 2]}, {"a": [1, "y"]}])
    assert found == comparing.Difference(place=1, path='["a"][1]', alone='"x"', together='"y"', small=False)
    near = difference([0.5], [0.6])
    assert near is not None
    assert near.small


def test_bytes_and_their_type_are_exact() -> None:
    png = outcomes.Output(b"\x89", "image/png")
    answers = comparing.Answers([png])
    assert answers.difference([outcomes.Output(b"\x89", "image/png")]) is None
    for other in (outcomes.Output(b"\x8a", "image/png"), outcomes.Output(b"\x89", "image/gif"), output(1)):
        assert answers.difference([other]) is not None


def test_reordered_and_wrapped() -> None:
    answers = comparing.Answers([output(1), output(2), output(1)])
    assert answers.reordered([output(1), output(1), output(2)])
    assert not answers.reordered([output(2), output(1), output(2)])
    assert comparing.Answers([output([1]), output([2])]).wrapped([output(1), output(2)])
    assert not comparing.Answers([output([1]), output([2])]).wrapped([output(1), output(3)])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@hypothesis.given(st.lists(_JSON, min_size=1, max_size=4))
def test_every_answer_is_the_same_as_itself_encoded_otherwise(values: list[Any]) -> None:
    answers = comparing.Answers([output(value) for value in values])
    spaced = [outcomes.Output(msgspec.json.format(msgspec.json.encode(value), indent=2)) for value in values]
    assert answers.difference(spaced) is None
    assert answers.reordered(spaced[::-1])


@hypothesis.given(_JSON, _JSON)
def test_it_is_symmetric_for_whole_values(one: Any, other: Any) -> None:
    answers = comparing.Answers([output(one), output(other)])
    assert answers.same(0, 1) == answers.same(1, 0)
