"""What the author of a version is told about its batches. Pure."""

import time
from collections.abc import Sequence
from typing import Final

from wire import specs
from workers import comparing, outcomes

_AGAIN: Final = "then deploy again."
_LIST: Final = (
    "For several inputs at once, return a list with one output per input, in their order, such as "
    f"`return [answer(x) for x in inputs]`; {_AGAIN}"
)
_STEADY: Final = (
    "Give the same answer to the same input: call model.eval() in load() (dropout), seed what is random in each call, "
    f"keep no counters between calls; {_AGAIN} If it must be random and returns one output per input, "
    "`batch = true` in panini.toml allows batches unchecked; then write `cache = false` beside it."
)
_NEIGHBOURS: Final = (
    "An answer must not depend on the other inputs in the list: call model.eval() in load() (batch normalisation), "
    f"mask what padding adds; {_AGAIN} If such differences are fine, `batch = true` in panini.toml allows batches."
)
_COPIES: Final = f"Make a new object for each input instead of filling one again and again; {_AGAIN}"
_ORDER: Final = f"Return the outputs in the order of the inputs: no sorting, no grouping, no set() on the way; {_AGAIN}"
_GENERATOR: Final = (
    "A predict() that yields streams its values to one job. For batches return a list with one output per input; "
    f"{_AGAIN}"
)
_SHAPES: Final = (
    f"Let predict() take inputs of different sizes together, for example in a loop over those it cannot stack; {_AGAIN}"
)
_SMALLER: Final = f"A smaller `max_batch` or a larger `timeout` or `memory_mb` in panini.toml may do; {_AGAIN}"


def opened(size: int, *, weak: bool) -> specs.Verdict:
    """A batch gave the same."""
    but = "; all answers were alike so far, so the first batch with different ones is checked too" if weak else ""
    why = f"{size} inputs together gave what each gives alone{but}. A small share of batches is checked for ever."
    return _verdict(specs.Batching.OPEN, why, None)


def unproven(why: str) -> specs.Verdict:
    """Nothing is known yet."""
    why = f"{why}, so inputs run one by one until two different ones have come and a batch of them gave the same."
    return _verdict(specs.Batching.UNPROVEN, why, None)


def unsteady(first: outcomes.Outcome, second: outcomes.Outcome) -> specs.Verdict:
    """The same input, twice alone, had two answers."""
    why = (
        f"predict() answered the same input with {_shown(first)} and then with {_shown(second)}, each time alone: it "
        "is random or remembers earlier calls, so batches cannot be checked and inputs run one by one. For the same "
        "reason no answer is given to identical inputs from the cache: each of them runs."
    )
    return _verdict(specs.Batching.CLOSED, why, _STEADY, steady=False)


def differs(
    difference: comparing.Difference, answers: comparing.Answers, together: Sequence[outcomes.Output]
) -> specs.Verdict:
    """A batch gave something else than its inputs alone."""
    at = f" at {difference.path}" if difference.path else ""
    why = (
        f"of {len(together)} inputs together, predict() answered number {difference.place + 1} with "
        f"{difference.together}{at}; alone it answers {difference.alone}. Inputs run one by one."
    )
    if answers.wrapped(together):
        advice = _GENERATOR
    elif comparing.alike(together):
        advice = _COPIES
    elif answers.reordered(together):
        advice = _ORDER
    else:
        advice = _NEIGHBOURS if difference.small else _LIST
    return _verdict(specs.Batching.CLOSED, why, advice)


def failed(failure: outcomes.Failure, size: int) -> specs.Verdict:
    """predict() raised, or returned no list of the right length, for several inputs that do well alone."""
    why = f"each of {size} inputs does well alone, but together: {failure.message}. Inputs run one by one."
    if oversized(failure):
        return _verdict(specs.Batching.CLOSED, why, _SMALLER)
    unlisted = failure.type == "invalid_output"
    return _verdict(specs.Batching.CLOSED, why, _LIST if unlisted else _SHAPES)


def alone_fails(place: int, failure: outcomes.Failure | outcomes.Lost) -> specs.Verdict:
    """An input that had an answer in a batch has none alone."""
    why = (
        f"input number {place + 1} of a batch was answered, and failed alone: {failure.message}. Its answer depends on "
        "its neighbours or on earlier calls, so inputs run one by one, and none is answered from the cache."
    )
    return _verdict(specs.Batching.CLOSED, why, _STEADY, steady=False)


def ended(message: str, size: int) -> specs.Verdict:
    """The runner ended."""
    why = f"{size} inputs together ended the runner, repeatedly ({message}). Inputs run one by one."
    return _verdict(specs.Batching.CLOSED, why, _SMALLER)


def oversized(failure: outcomes.Failure) -> bool:
    """Whether a batch failed for its size only."""
    return failure.type == "out_of_memory" or "out of memory" in failure.message.lower()


def _verdict(state: specs.Batching, why: str, advice: str | None, *, steady: bool = True) -> specs.Verdict:
    now = time.time_ns() // 1_000_000
    return specs.Verdict(batching=state, why=why, advice=advice, judged_at=now, steady=steady)


def _shown(outcome: outcomes.Outcome) -> str:
    if isinstance(outcome, outcomes.Output):
        if outcome.media is not None:
            return f"{len(outcome.data):,} bytes of {outcome.media}"
        text = outcome.data.decode("utf-8", "replace")
        return text if len(text) <= 80 else text[:80] + "…"
    return f"an error ({outcome.message})"
