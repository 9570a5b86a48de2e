"""Kafka and Valkey away for some seconds under load: test_outages in little, for every change."""

import pytest

from tests.e2e import kit
from tests.faults import outages


@pytest.mark.parametrize("how", ["hangs", "killed"])
@pytest.mark.parametrize("engine", ["valkey", "kafka"])
def test_away_for_some_seconds(stack: kit.Stack, engine: str, how: str) -> None:
    """Catches a retry without a pause, and a batch dropped while the store was away (persisting.stored)."""
    outages.check(stack, engine, how, seconds=5)
