"""The policy of verified batching: when a trial is due, what a trial is, and when a batch is checked."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from wire import jobs, specs
from workers import outcomes, verifying

OPEN, CLOSED, UNPROVEN = specs.Batching.OPEN, specs.Batching.CLOSED, specs.Batching.UNPROVEN


def output(value: Any) -> outcomes.Output:
    """An answer in JSON."""
    return outcomes.Output(msgspec.json.encode(value))


def learn(policy: verifying.Policy, *pairs: tuple[bytes, Any]) -> verifying.Trial | None:
    """Inputs that ran one by one."""
    return policy.remember([given for given, _ in pairs], [output(value) for _, value in pairs])


def opened() -> verifying.Policy:
    """A policy whose trial passed."""
    policy = verifying.Policy()
    trial = learn(policy, (b"a", 1), (b"b", 2))
    assert trial is not None
    policy.passed(trial)
    return policy


def test_a_trial_needs_two_inputs_with_different_answers() -> None:
    policy = verifying.Policy()
    assert learn(policy, (b"a", 1)) is None
    assert learn(policy, (b"a", 1), (b"a", 1)) is None
    assert learn(policy, (b"b", 1)) is None
    trial = learn(policy, (b"c", 2))
    assert trial is not None
    assert not trial.weak
    assert policy.state is UNPROVEN


def test_failures_are_no_evidence() -> None:
    policy = verifying.Policy()
    failure = outcomes.Failure(jobs.ErrorType.INVALID_INPUT, "no")
    lost = outcomes.Lost(jobs.ErrorType.CRASHED, "gone")
    assert policy.remember([b"a", b"b", b"c"], [failure, lost, output(1)]) is None


def test_only_one_trial_at_a_time() -> None:
    policy = verifying.Policy()
    assert learn(policy, (b"a", 1), (b"b", 2)) is not None
    assert learn(policy, (b"a", 1), (b"b", 2)) is None
    policy.postpone()
    assert learn(policy, (b"a", 1)) is not None


@pytest.mark.parametrize(
    "wrong",
    [
        sorted,
        lambda inputs: sorted(inputs, reverse=True),
        lambda inputs: list(dict.fromkeys(inputs)),
        lambda inputs: inputs[1:] + inputs[:1],
        lambda inputs: inputs[-1:] + inputs[:-1],
        lambda inputs: [inputs[0]] * len(inputs),
        lambda inputs: [inputs[-1]] * len(inputs),
        lambda inputs: inputs[-1:],
    ],
)
def test_no_rearranging_passes_a_trial(wrong: Callable[[list[bytes]], list[bytes]]) -> None:
    for seed, size in itertools.product(range(20), (2, 3, 4)):
        random.seed(seed)
        policy = verifying.Policy()
        trial = learn(policy, *((b"%d" % n, n) for n in random.sample(range(10), size)))
        assert trial is not None
        assert wrong(list(trial.inputs)) != list(trial.inputs)
        assert [msgspec.json.decode(one.data) for one in trial.alone] == [int(given) for given in trial.inputs]


def test_answers_that_are_always_alike_open_batches_weakly() -> None:
    policy = verifying.Policy()
    for number in range(verifying.ALIKE - 1):
        assert learn(policy, (b"%d" % number, "ok")) is None
    trial = learn(policy, (b"another", "ok"))
    assert trial is not None
    assert trial.weak
    policy.passed(trial)
    assert policy.weak
    policy.agreed(2, cost_ms=1, alike=True)
    assert policy.weak
    policy.agreed(2, cost_ms=1, alike=False)
    assert not policy.weak


def test_checks_are_due_at_first_for_larger_ones_and_then_seldom() -> None:
    policy = opened()
    assert policy.checks(4)
    policy.agreed(4, cost_ms=1.0, alike=False)
    assert not policy.checks(8)
    assert policy.checks(9)
    policy.agreed(9, cost_ms=1.0, alike=False)
    due = 0
    for _ in range(10_000):
        if policy.checks(9):
            policy.agreed(9, cost_ms=1.0, alike=False)
            due += 1
        else:
            policy.ran(10.0)
    assert due == 10_000 // (verifying.EVERY + 1)


def test_checks_stay_below_their_share_of_the_time() -> None:
    policy = opened()
    policy.agreed(64, cost_ms=400.0, alike=False)
    spent = checks = 0.0
    for _ in range(100_000):
        if policy.checks(64):
            policy.agreed(64, cost_ms=400.0, alike=False)
            checks += 400
        else:
            policy.ran(100.0)
            spent += 100
    assert 0 < checks <= spent * verifying.SHARE


def test_two_ended_runners_are_enough() -> None:
    policy = verifying.Policy()
    assert not policy.broke()
    assert policy.broke()


def test_what_was_known_before() -> None:
    assert verifying.Policy(specs.Verdict(batching=UNPROVEN, why="")).state is UNPROVEN
    known = verifying.Policy(specs.Verdict(batching=OPEN, why=""))
    assert (known.state, known.checks(2)) == (OPEN, True)
    known.told(specs.Verdict(batching=CLOSED, why=""))
    known.told(specs.Verdict(batching=OPEN, why=""))
    assert known.state is CLOSED


def test_an_open_verdict_is_taken_for_a_weak_one() -> None:
    """Catches a restart after which answers that were all alike are proof: the first that differ are to be checked."""
    known = verifying.Policy(specs.Verdict(batching=OPEN, why=""))
    known.agreed(64, cost_ms=1.0, alike=True)
    assert known.weak
    known.agreed(64, cost_ms=1.0, alike=False)
    assert not known.weak


def test_strikes_are_counted_in_a_row() -> None:
    policy = verifying.Policy()
    assert not policy.broke()
    trial = learn(policy, (b"a", 1), (b"b", 2))
    assert trial is not None
    policy.passed(trial)
    for _ in range(3):
        assert not policy.broke()
        policy.agreed(2, cost_ms=1.0, alike=False)


def test_a_check_takes_the_ends_and_what_differs() -> None:
    same = [output(0)] * 50
    assert len(verifying.sample(same)) == verifying.SAMPLE
    odd = [output(0)] * 20 + [output(1)] + [output(0)] * 20 + [output(2)] + [output(0)] * 9
    assert verifying.sample(odd) == [0, 20, 41, 50]
    assert verifying.sample([output(1), output(1)]) == [0, 1]


def test_what_nests_too_deep_to_be_compared_does_not_stand_in_the_way() -> None:
    policy = verifying.Policy()
    deep = outcomes.Output(b"[" * 900 + b"]" * 900)
    assert policy.remember([b"deep"], [deep]) is None
    trial = learn(policy, (b"a", 1), (b"b", 2))
    assert trial is not None
    assert {one.data for one in trial.alone} == {b"1", b"2"}


def test_large_ones_are_not_remembered() -> None:
    policy = verifying.Policy()
    large = b"x" * (verifying.MOST_BYTES + 1)
    assert learn(policy, (large, 1), (b"b", 2)) is None
