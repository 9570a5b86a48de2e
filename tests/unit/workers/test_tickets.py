"""When a parked job has its turn, as tables."""

import hypothesis
import pytest
from hypothesis import strategies as st

from workers import tickets

T = 1_700_000_000_000
TICKET = tickets.Ticket(due=T + 45_000, place=(3, 17, 0), stamp=T - 5, ours=False, bulk=True, retries=2)


def test_a_ticket_survives_its_record() -> None:
    assert tickets.read((("other", b"x"), *tickets.headers(TICKET))) == TICKET


@pytest.mark.parametrize("headers", [(), (("other", b"x"),), ((tickets.HEADER, b"\xff"),), ((tickets.HEADER, None),)])
def test_a_record_without_a_ticket_has_none(headers: tickets.Headers) -> None:
    assert tickets.read(headers) is None


@pytest.mark.parametrize(
    ("delay", "name"),
    [
        (0, "10s"),
        (9, "10s"),
        (10, "10s"),
        (59.4, "10s"),
        (59.98, "1m"),
        (60, "1m"),
        (600, "10m"),
        (3600, "1h"),
        (86_400, "1h"),
    ],
)
def test_the_tier_of_a_delay(delay: float, name: str) -> None:
    assert tickets.tier(delay) == name


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("panini.acme.iris.later.10s", "10s"),
        ("panini.acme.iris.later.1h", "1h"),
        ("panini.acme.iris.later.2h", None),
        ("panini.acme.iris.jobs", None),
        ("panini.acme.iris2.later.10s", None),
        ("10s", None),
    ],
)
def test_the_tier_of_a_topic(topic: str, name: str | None) -> None:
    assert tickets.tier_of(topic, "acme", "iris") == name


@pytest.mark.parametrize(
    ("due", "ready"),
    [
        (-1, 10_000),  # overdue: the tier's own order all the same
        (10_000, 10_000),
        (14_999, 14_999),  # its rest is short: it is awaited at the head
        (15_000, 15_000),
        (15_001, 10_000),  # too long to be awaited there: parked once more
        (3_600_000, 10_000),
    ],
)
def test_when_the_head_of_a_tier_has_its_turn(due: int, ready: int) -> None:
    ticket = tickets.Ticket(due=T + due, place=(0, 0, 0), stamp=T)
    assert tickets.ready(ticket, tier="10s", parked_at=T) == T + ready


def test_a_record_without_a_ticket_waits_for_its_tier() -> None:
    assert tickets.ready(None, tier="1m", parked_at=T) == T + 60_000


@hypothesis.given(delay=st.floats(0.0, 86_400.0), lag=st.integers(0, 3_000))
def test_whatever_the_delay_a_job_is_not_early_and_soon_at_its_end(delay: float, lag: int) -> None:
    # Given a job that is parked until `due`, and `lag` ms between its turn and its next parking
    now, hops = T, 0
    ticket = tickets.Ticket(due=T + int(delay * 1000), place=(0, 0, 0), stamp=T)
    # When each tier hands it on
    while True:
        name = tickets.tier((ticket.due - now) / 1000)
        now = tickets.ready(ticket, tier=name, parked_at=now)
        hops += 1
        if not tickets.rest(ticket, now):
            break
        now += lag
    # Then it had few hops, and its end is right: late by a tier that was too long for a short rest, at most
    assert now >= ticket.due
    assert now - ticket.due <= tickets.TIERS["10s"] * 1000
    assert hops <= 24 + 5 + 9 + 5 + 1


def test_an_order_by_turn_is_the_order_of_a_tier() -> None:
    # Given jobs parked one after the other, whose rests differ
    dues = [10_000, 15_000, 10_200, 60_000, 14_000]
    turns = [
        tickets.ready(
            tickets.Ticket(due=T + 100 * n + due, place=(0, 0, n), stamp=T), tier="10s", parked_at=T + 100 * n
        )
        for n, due in enumerate(dues)
    ]
    # When each waits for those before it
    waited = [max(turns[: n + 1]) for n in range(len(turns))]
    # Then nobody waits more than the bound for them
    assert all(late - turn <= tickets.IN_PLACE * 1000 for late, turn in zip(waited, turns, strict=True))
