"""Names: what is legal, and that they keep apart what must be apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import names

ACCOUNTS = st.from_regex(names.ACCOUNT, fullmatch=True)
MODELS = st.from_regex(names.MODEL, fullmatch=True)


@pytest.mark.parametrize("text", ["iris", "a", "7", "my-model-2", "a" * 40, "a" * 39 + "b"])
def test_names_of_models(text: str) -> None:
    assert names.is_model(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a.b", "a b", "ä", "a" * 41, "a/b", "..", "iris\n"])
def test_no_names_of_models(text: str) -> None:
    assert not names.is_model(text)


@pytest.mark.parametrize("text", ["order-17", "a:b.c_d", "x" * 128])
def test_ids_that_clients_may_choose(text: str) -> None:
    assert names.is_job_id(text)


@pytest.mark.parametrize("text", ["", "a b", "ü", "x" * 129, "a/b", "a\n", "a*"])
def test_ids_that_clients_may_not_choose(text: str) -> None:
    assert not names.is_job_id(text)


@given(ACCOUNTS, MODELS, ACCOUNTS, MODELS)
def test_no_two_models_share_a_topic_or_a_group(account: str, model: str, other: str, another: str) -> None:
    if (account, model) != (other, another):
        assert names.jobs_topic(account, model) != names.jobs_topic(other, another)
        assert names.group(account, model) != names.group(other, another)


@given(ACCOUNTS, MODELS)
def test_topics_are_names_that_kafka_takes(account: str, model: str) -> None:
    topics = [
        names.jobs_topic(account, model),
        names.bulk_topic(account, model),
        names.later_topic(account, model, "10s"),
        names.history_topic(account, model),
    ]
    assert len(set(topics)) == 4
    assert all(len(topic) <= 249 and set(topic) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for topic in topics)


def test_a_derived_id_is_a_place_in_kafka() -> None:
    made = names.derived_job_id("AbC-d_0123456789ABCDEF", 3, 10**12, 9_999)
    assert made == "k-AbC-d_0123456789ABCDEF-3-1000000000000-9999"
    assert names.is_job_id(made)


def test_a_topic_tells_whose_it_is_and_of_what_kind() -> None:
    for topic, kind in (
        (names.jobs_topic("acme", "iris"), "jobs"),
        (names.bulk_topic("acme", "iris"), "bulk"),
        (names.later_topic("acme", "iris", "10s"), "later"),
        (names.history_topic("acme", "iris"), "history"),
    ):
        assert names.parts(topic) == ("acme", "iris", kind)
    assert names.parts("__consumer_offsets") is None
    assert names.parts("other.acme.iris.jobs") is None
