"""When two answers are the same."""

import random
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
        ([1.7e9, 0.93], [1.7e9, 0.07]),
        ([250000.0, 0.93], [250000.0, 0.91]),
        ([12.5, 40.0, 1900.0, 1000.0, 0.91], [12.5, 40.0, 1900.0, 1000.0, 0.75]),
        ([[12.5, 1900.0, 0.91], [0.01, 40.0, 0.6]], [[12.5, 1900.0, 0.91], [0.01, 40.0, 0.5]]),
        ([[1.7e9, 1.8e9], [0.93, 0.5]], [[1.7e9, 1.8e9], [0.93, 0.6]]),
        (
            [{"of": "time", "is": 1.7e9}, {"of": "score", "is": 0.9}],
            [{"of": "time", "is": 1.7e9}, {"of": "score", "is": 0.1}],
        ),
        ([1.7e9, *[0.25] * 99], [1.7e9, *[0.5] * 99]),
        ([1e-9, 1e-12], [1e-9, 2e-12]),
        ([1e9, 0.0], [1e9, 1e-6]),
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
        ([1.0, 0.0], [1.0, 1e-44]),
        ([1.0, 0.0], [0.99999994, 1.2e-7]),
        ([[40.0, 1900.0, 0.9], [0.01, 70.0, 0.8]], [[40.0, 1900.0, 0.9], [0.012, 70.0, 0.8]]),  # near zero in one row
        ({"x": [[12.5, 7.0], [12.5, -0.00001]]}, {"x": [[12.5, 7.0], [12.5001, 0.00001]]}),
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


def test_an_element_is_compared_by_what_the_others_have_at_its_index() -> None:
    assert difference([[1.7e9, 0.93], [1.7e9, 1e-5]], [[1.7e9, 0.93], [1.7e9, 2e-5]]) is None
    assert difference([[1.7e9, 0.93], [1.7e9, 1e-5]], [[1.7e9, 0.93], [1.7e9, 0.02]]) is not None
    mixed = comparing.Answers([output([1.7e9, 0.93]), output([1.7e9, 0.07])])
    assert not mixed.same(0, 1)
    assert mixed.reordered([output([1.7e9, 0.07]), output([1.7e9, 0.93])])
    assert not mixed.reordered([output([1.7e9, 0.07]), output([1.7e9, 0.07])])


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("least", [float("-inf"), 0.0], ids=["embedding", "relu"])
@pytest.mark.parametrize("size", [1.0, 1e-7])
def test_embeddings_may_be_off_by_noise(count: int, least: float, size: float) -> None:
    # Given the embeddings of a few inputs
    draw = random.Random(7)
    for _ in range(5):
        exact = [[draw.gauss(0, size) for _ in range(768)] for _ in range(count)]
        noise = 1e-5 * max(abs(x) for answer in exact for x in answer)
        # When a batch is off by a hundred-thousandth of their scale
        alone, together = (
            [[max(x + off * draw.gauss(0, noise), least) for x in answer] for answer in exact] for off in (0, 1)
        )
        # Then it is the same, but shifted it is not
        assert difference(alone, together) is None
        assert count == 1 or difference(alone, together[1:] + together[:1]) is not None


def test_one_element_in_fifty_may_be_near_zero_in_all_answers() -> None:
    for others, off, same in ((48, 1, False), (49, 1, True), (97, 2, False), (98, 2, True)):
        alone, together = [*[100.0] * others, *[0.0] * off], [*[100.0] * others, *[0.001] * off]
        assert (difference([alone], [together]) is None) == same, (others, off)


def nested(levels: int, inner: float) -> outcomes.Output:
    """An answer of so many lists, one in the other, that is not the same text as its equals."""
    return outcomes.Output(b"[" * levels + f" {inner}".encode() + b"]" * levels)


def test_what_nests_is_compared() -> None:
    answers = comparing.Answers([nested(150, 0.5), nested(150, 0.7), nested(150, 0.0)])
    assert answers.difference([nested(150, 0.50001), nested(150, 0.7), nested(150, 0.00001)]) is None
    assert answers.difference([nested(150, 0.5), nested(150, 0.8), nested(150, 0.0)]) is not None
    assert answers.reordered([nested(150, 0.7), nested(150, 0.0), nested(150, 0.5)])
    assert answers.wrapped([nested(149, 0.5), nested(149, 0.7), nested(149, 0.0)])
    assert not answers.same(0, 1)


@pytest.mark.parametrize("levels", [450, 900, 5000])
def test_what_nests_too_deep_is_a_difference_and_not_kept(levels: int) -> None:
    # Given one that nobody can compare, and one that is plain
    deep, other, plain = nested(levels, 0.5), nested(levels, 0.7), output([0.5])
    answers = comparing.Answers([deep, plain])
    # Then the same text is the same, and anything else is not
    assert answers.difference([deep, plain]) is None
    found = answers.difference([other, plain])
    assert found is not None
    assert (found.path, found.alone) == ("", "a value nested too deeply to be compared")
    assert answers.difference([plain, plain]) is not None
    assert answers.difference([deep, deep]) is not None
    assert answers.same(0, 0)
    assert answers.same(0, 1)
    assert answers.reordered([plain, deep])
    assert not answers.reordered([plain, other])
    assert not answers.wrapped([nested(levels - 1, 0.5), output(0.5)])


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
