"""Which addresses webhooks may reach, and when they are tried again."""

import random

import pytest

from results import addresses, errors, schedule

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "192.0.2.1", "240.0.0.1", "::", "::1", "fe80::1%eth0",
    "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::",
    "2001:0:53aa:64c:0:0:0:0", "2001:db8::1",
]  # fmt: skip
"""What attackers name, in the forms that `ipaddress` takes for global among them."""


@pytest.mark.parametrize("address", PRIVATE)
def test_private_is_private_in_every_disguise(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public(address: str) -> None:
    assert addresses.is_public(address)


async def test_one_private_answer_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def mixed(*args: object, **more: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (address, 443)) for address in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", mixed)

    with pytest.raises(errors.SendFailed, match=r"10\.0\.0\.1"):
        await addresses.resolve("rebind.example", 443, private=False)
    assert await addresses.resolve("rebind.example", 443, private=True) == ["8.8.8.8", "10.0.0.1"]


def test_ten_tries_over_three_days() -> None:
    chance = random.Random(1)
    delays = [schedule.after(tries, chance=chance) for tries in range(1, 11)]

    assert delays[-1] is None
    assert len(delays) == schedule.TRIES
    for delay, least in zip(delays[:-1], schedule.DELAYS, strict=True):
        assert delay is not None
        assert least <= delay <= least * (1 + schedule.JITTER)
    assert 75 * 3600 <= sum(schedule.DELAYS) <= 76 * 3600
    assert 1000 * sum(schedule.DELAYS) * (1 + schedule.JITTER) < schedule.SPAN_MS


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    chance = random.Random(1)

    assert schedule.after(1, retry_after=600.0, chance=chance) == 600.0
    assert schedule.after(1, retry_after=1e9, chance=chance) == schedule.LONGEST
    assert (schedule.after(5, retry_after=1.0, chance=chance) or 0) >= schedule.DELAYS[4]
