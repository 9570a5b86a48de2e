"""Kafka and Valkey away for a minute under load."""

import pytest

from tests.e2e import kit
from tests.faults import outages


@pytest.mark.parametrize("how", ["hangs", "killed"])
@pytest.mark.parametrize("engine", ["valkey", "kafka"])
def test_away_for_a_minute(stack: kit.Stack, engine: str, how: str) -> None:
    """Catches a retry without a pause, one that gives up in a minute, and a batch dropped while the store was away."""
    outages.check(stack, engine, how, seconds=60)
