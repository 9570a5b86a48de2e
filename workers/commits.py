"""Offsets to the broker, as the source's books have them. The books themselves are `workers.offsets`.

Names inside aiokafka are used here; `fetching.check_library()` proves that it is what this was written for.
"""

import asyncio
import logging
from collections.abc import Mapping

import aiokafka
import aiokafka.errors
from aiokafka.structs import TopicPartition

from workers import source

log = logging.getLogger(__name__)


async def write(consumer: aiokafka.AIOKafkaConsumer, due: Mapping[source.Partition, int], *, timeout: float) -> bool:
    """Commit offsets, within so many seconds; whether the broker has them. What is not held is left out."""
    assigned = consumer.assignment()
    wanted = {key: offset for partition, offset in due.items() if (key := TopicPartition(*partition)) in assigned}
    if not wanted:
        return False
    try:
        async with asyncio.timeout(timeout):
            await consumer.commit(wanted)
    except (aiokafka.errors.KafkaError, aiokafka.errors.IllegalStateError, TimeoutError) as error:
        log.warning("offsets not committed, trying again: %r", error)
        return False
    return True


def note_positions(kept: source.Source, consumer: aiokafka.AIOKafkaConsumer) -> None:
    """Let a partition whose records are all finished move on over transaction markers."""
    subscription = consumer._subscription.subscription  # noqa: SLF001
    assignment = subscription and subscription.assignment
    if assignment is None:
        return
    for partition, books in kept.partitions.items():
        tp = TopicPartition(*partition)
        if tp not in assignment.tps or books.unfinished:
            continue
        state = assignment.state_value(tp)
        if state is not None and state.has_valid_position and state.position > (books.position or 0):
            books.position = state.position
