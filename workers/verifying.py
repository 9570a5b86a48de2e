"""Whether a version's inputs may come together: the policy of verified batching. Pure.

A version begins unproven: its inputs run one by one, and `Policy.remember` collects answers until there is a *trial*:
inputs whose answers differ, arranged so that a predict() which sorts, shifts, drops duplicates or answers only the last
one cannot pass. When their batch gives the same answers, batches open. From then on a check is due for the first batch,
for one more than twice as large as any checked, and after EVERY batches as long as checks stay below SHARE of the time
spent predicting. One difference closes them for good.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wire import specs
from workers import comparing, outcomes

EVERY: Final = 200
"""Batches between two checks at least: fewer than one answer in a hundred waits for one."""
SHARE: Final = 0.01
"""Of the milliseconds in predict() that checks may take in the long run."""
SAMPLE: Final = 4
"""Inputs in a trial, and inputs of a batch that a check runs alone, at most."""
ALIKE: Final = 32
"""Inputs that all had the same answer, after which a trial of them will do. The first batch whose answers differ is
then checked."""
STRIKES: Final = 2
"""Trials or checks in a row whose runner ended, after which batches close."""
MOST_BYTES: Final = 4 << 20
"""Bytes of one remembered input or answer at most."""

OPEN, CLOSED, UNPROVEN = specs.Batching.OPEN, specs.Batching.CLOSED, specs.Batching.UNPROVEN


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """A batch to be run for proof, and what its inputs gave alone."""

    inputs: Sequence[bytes]
    alone: Sequence[outcomes.Output]
    weak: bool = False
    """All the answers are alike, so that it proves little."""


class Policy:
    """What one worker knows of one version."""

    def __init__(self, known: specs.Verdict | None = None) -> None:
        self.state = UNPROVEN
        self.weak = False
        """Open, but no batch with different answers was checked yet."""
        self._trusted = 0
        self._since = 0
        self._spent = 0.0
        self._cost = 0.0
        self._strikes = 0
        self._trying = False
        self._kept: dict[bytes, outcomes.Output] = {}
        self._seen: set[int] = set()
        if known is not None:
            self.told(known)

    def told(self, verdict: specs.Verdict) -> None:
        """Another worker, or an earlier life of this one, found `verdict`."""
        if verdict.batching is CLOSED:
            self.close()
        elif verdict.batching is OPEN and self.state is UNPROVEN:
            self._open(weak=True)  # it may have been: until answers that differ were checked here, nobody knows

    # -- unproven ----------------------------------------------------------------------------------------------

    def remember(self, inputs: Sequence[bytes], found: Sequence[outcomes.Outcome]) -> Trial | None:
        """Inputs ran one by one: the trial to run now, if there is enough for one. Then tell how it went."""
        if self.state is not UNPROVEN or self._trying:
            return None
        for given, outcome in zip(inputs, found, strict=True):
            if isinstance(outcome, outcomes.Output) and len(given) + len(outcome.data) <= MOST_BYTES:
                self._keep(given, outcome)
        weak = len(self._kept) < 2
        if weak and len(self._seen) < ALIKE:
            return None
        self._trying = True
        order = random.sample(sorted(self._kept), len(self._kept))
        order.append(order[0])
        return Trial(inputs=order, alone=[self._kept[given] for given in order], weak=weak)

    def _keep(self, given: bytes, outcome: outcomes.Output) -> None:
        """Keep inputs whose answers can be told apart."""
        if len(self._kept) >= SAMPLE or given in self._kept:
            return
        if len(self._seen) < ALIKE:
            self._seen.add(hash(given))
        answers = comparing.Answers([outcome, *self._kept.values()])
        if answers.comparable(0) and not any(answers.same(0, other) for other in range(1, len(self._kept) + 1)):
            self._kept[given] = outcome

    def passed(self, trial: Trial) -> None:
        """The trial's batch gave the same."""
        self._strikes = 0
        self._open(weak=trial.weak)

    def broke(self) -> bool:
        """The runner ended during a trial or a check: whether that was once too often."""
        self._trying = False
        self._strikes += 1
        return self._strikes >= STRIKES

    def postpone(self) -> None:
        """The trial did not take place."""
        self._trying = False

    # -- open --------------------------------------------------------------------------------------------------

    def checks(self, size: int) -> bool:
        """Whether the next batch, of `size` inputs, is to be checked. Called once a batch."""
        self._since += 1
        return size > self._trusted or (self._since > EVERY and self._spent * SHARE >= self._cost)

    def ran(self, predict_ms: float) -> None:
        """A batch was not checked."""
        self._spent += predict_ms

    def agreed(self, size: int, *, cost_ms: float, alike: bool) -> None:
        """A checked batch of `size` gave the same; checking took `cost_ms`."""
        self._trusted = max(self._trusted, 2 * size)
        self._since, self._spent, self._cost = 0, 0.0, cost_ms
        self._strikes = 0
        self.weak = self.weak and alike

    def close(self) -> None:
        """Never together again."""
        self.state = CLOSED
        self._forget()

    def _open(self, *, weak: bool) -> None:
        self.state, self.weak = OPEN, weak
        self._forget()

    def _forget(self) -> None:
        self._kept, self._seen = {}, set()


def sample(found: Sequence[outcomes.Outcome]) -> list[int]:
    """The places of a batch that a check runs alone: the first, the last, and of the others those with new answers."""
    middle = list(range(1, len(found) - 1))
    random.shuffle(middle)
    ends = [0, len(found) - 1]
    known = {_text(found[place]) for place in ends}
    fresh = [place for place in middle if _text(found[place]) not in known]
    return sorted(ends + (fresh + [place for place in middle if place not in set(fresh)])[: SAMPLE - 2])


def _text(outcome: outcomes.Outcome) -> object:
    return outcome.data if isinstance(outcome, outcomes.Output) else outcome
