"""Whose turn it is, as plain calls."""

from workers import lanes


def test_a_topic_has_a_lane() -> None:
    assert lanes.of_topic("panini.acme.iris.bulk", "acme", "iris") is lanes.Lane.BULK
    assert lanes.of_topic("panini.acme.iris.jobs", "acme", "iris") is lanes.Lane.INTERACTIVE


def test_bulk_alone_has_the_runner() -> None:
    turns = lanes.Turns()
    assert turns.bulk_may(waiting=False)


def test_one_bulk_batch_at_a_time_so_that_an_interactive_one_waits_for_no_more() -> None:
    turns = lanes.Turns()
    turns.bulk_began()
    assert not turns.bulk_may(waiting=False)
    turns.bulk_ended(1.0)
    assert turns.bulk_may(waiting=False)


def test_short_bulk_batches_may_be_two() -> None:
    turns = lanes.Turns()
    turns.bulk_began()
    turns.bulk_ended(lanes.SHORT / 2)
    turns.bulk_began()
    assert turns.bulk_may(waiting=False)
    turns.bulk_began()
    assert not turns.bulk_may(waiting=False)
    turns.bulk_ended(lanes.SHORT * 2)
    assert not turns.bulk_may(waiting=False)


def test_bulk_waits_while_interactive_jobs_wait_or_run() -> None:
    turns = lanes.Turns()
    assert not turns.bulk_may(waiting=True)
    turns.interactive_began()
    assert not turns.bulk_may(waiting=False)
    turns.interactive_ended()
    assert turns.bulk_may(waiting=False)


def test_bulk_does_not_starve_and_has_one_turn_only() -> None:
    turns = lanes.Turns()
    bulk = []
    for batch in range(4 * lanes.PATIENCE):
        turns.interactive_began()
        if turns.bulk_may(waiting=True):
            turns.bulk_began()
            turns.bulk_ended(1.0)
            bulk.append(batch + 1)
        turns.interactive_ended()
    assert bulk == [n * lanes.PATIENCE for n in (1, 2, 3, 4)]
