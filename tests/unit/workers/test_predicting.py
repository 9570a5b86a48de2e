"""Which inputs of a run that went wrong are run again, and which outcomes stand."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.unit.workers import kit
from wire import jobs as words
from workers import bisect, jobs, outcomes, predicting

OK: Final = kit.output(1)
BAD: Final = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "no")
RAISED: Final = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "the call raised")
BEGAN: Final = kit.lost()
NOT_BEGUN: Final = kit.lost(began=False)

TABLE: Final[dict[str, tuple[outcomes.Ran, dict[str, Any], list[int], list[list[int]]]]] = {
    # the run · how it is looked at → places that run again · the groups they run in
    "all answered": (outcomes.Ran([OK, OK], 1.0), {}, [], []),
    "one of several failed by itself": (outcomes.Ran([OK, BAD, OK], 1.0), {}, [], []),
    "alone and the runner ended: guilty": (outcomes.Ran([BEGAN], 0.0), {}, [], []),
    "alone and not begun: run again": (outcomes.Ran([NOT_BEGUN], 0.0), {}, [0], [[0]]),
    "one by one: the suspect alone, then the rest": (
        outcomes.Ran([OK, BEGAN, NOT_BEGUN, NOT_BEGUN], 0.0), {}, [1, 2, 3], [[1], [2, 3]]
    ),
    "together: halves": (outcomes.Ran([BEGAN] * 4, 0.0), {}, [0, 1, 2, 3], [[0, 1], [2, 3]]),
    "a call of several raised: nobody knows whose fault": (
        outcomes.Ran([RAISED] * 3, 1.0, batch_error="no"), {}, [0, 1, 2], [[0], [1, 2]]
    ),
    "a call of one raised: its own": (outcomes.Ran([RAISED], 1.0, batch_error="no"), {}, [], []),
    "the runner was stopped by us: nobody's fault": (
        outcomes.Ran([OK, BEGAN, NOT_BEGUN], 0.0, asked=True), {"stopped": True}, [1, 2], [[1], [2]]
    ),
    "stopped by us, alone: run again all the same": (
        outcomes.Ran([BEGAN], 0.0, asked=True), {"stopped": True}, [0], [[0]]
    ),
    "the last try: what there is stands": (outcomes.Ran([NOT_BEGUN] * 2, 0.0), {"final": True}, [], []),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_what_runs_again(case: str) -> None:
    """Catches a neighbour that answers for the guilty one, and a guilty one that runs again without end."""
    ran, looked, places, groups = TABLE[case]
    group = [_job(place) for place in range(len(ran.outcomes))]
    answers: dict[str, outcomes.Outcome] = {}
    # When the run is looked at
    again = predicting.unfinished(group, ran, answers=answers, **looked)
    # Then these run again, in these groups, and the others have their outcomes
    assert [job.origin[2] for job in again] == places
    stand = [place for place in range(len(group)) if place not in places]
    assert answers == {group[place].id: ran.outcomes[place] for place in stand}
    together = ran.batch_error is not None or sum(one == BEGAN for one in ran.outcomes) > 1
    assert [[job.origin[2] for job in part] for part in bisect.split(again, together=together)] == groups


def test_a_canceled_job_never_runs_again() -> None:
    group = [_job(0), _job(1)]
    group[0].canceled = True
    answers: dict[str, outcomes.Outcome] = {}
    again = predicting.unfinished(group, outcomes.Ran([BEGAN, NOT_BEGUN], 0.0), answers=answers)
    assert [job.origin[2] for job in again] == [1]
    assert answers == {}


LONG: Final = kit.lost(words.ErrorType.TIMEOUT)
FULL: Final = outcomes.Failure(words.ErrorType.PREDICT_ERROR, "CUDA out of memory")


def too_long(size: int) -> outcomes.Ran:
    """A call that ran out of time."""
    return outcomes.Ran([LONG] * size, 0.0)


def out_of_memory(size: int) -> outcomes.Ran:
    """A call that raised for want of memory."""
    return outcomes.Ran([FULL] * size, 1.0, FULL.message)


Spoils = Callable[[list[Any]], bool]

LARGE: Final[dict[str, tuple[Spoils, Callable[[int], outcomes.Ran], list[int]]]] = {
    # which calls end so · how · what of sizes is told, of a batch of 12
    "more than 2 take too long": (lambda given: len(given) > 2, too_long, [3]),
    "more than 3 kill the runner": (
        lambda given: len(given) > 3,
        lambda size: outcomes.Ran([kit.lost(words.ErrorType.OUT_OF_MEMORY)] * size, 0.0),
        [6],
    ),
    "more than 6 have no memory": (lambda given: len(given) > 6, out_of_memory, [12]),
    "one of them hangs": (lambda given: 7 in given, too_long, []),
    "one of them has no memory": (lambda given: 7 in given, out_of_memory, []),
    "one is heavy in company only": (lambda given: 7 in given and len(given) > 1, out_of_memory, [12]),
    "more than 2 crash": (lambda given: len(given) > 2, lambda size: outcomes.Ran([BEGAN] * size, 0.0), []),
    "more than 2 raise": (lambda given: len(given) > 2, lambda size: outcomes.Ran([RAISED] * size, 1.0, "no"), []),
}  # fmt: skip


@pytest.mark.parametrize("case", LARGE)
async def test_a_size_is_to_blame_if_all_its_inputs_do_well_in_smaller_ones(case: str) -> None:
    """Catches one hanging input that ends batching for its worker: each part of its batch fails."""
    spoils, ends, larger = LARGE[case]
    fleet = kit.Fleet(lambda given: ends(len(given)) if spoils(given) else kit.double(given))
    async with kit.Bench(fleet) as bench:
        await bench.run([kit.record([{"id": f"a{i}", "input": i} for i in range(12)])])
    assert fleet.larger == larger


async def test_a_job_that_allows_too_little_time_blames_no_size() -> None:
    fleet = kit.Fleet(lambda given: too_long(len(given)) if len(given) > 2 else kit.double(given))
    async with kit.Bench(fleet) as bench:
        await bench.run([kit.record([{"id": f"a{i}", "input": i, "timeout": 0.01} for i in range(12)])])
    assert fleet.larger == []


async def test_a_hanging_job_that_is_canceled_blames_no_size() -> None:
    """Catches what clients do with a job that hangs: the others do well, without it."""
    batch = jobs.read(kit.record([{"id": f"a{i}", "input": i} for i in range(12)]), topic_uuid="T", max_age=60)

    def predict(given: list[Any]) -> list[outcomes.Outcome] | outcomes.Ran:
        if len(given) == 3:
            batch[7].canceled = True
        return too_long(len(given)) if 7 in given else kit.double(given)

    versions: Any = kit.Fleet(predict)
    found, _ = await predicting.predict(versions, 1, batch, lonely=lambda: True)
    assert sum(isinstance(one, outcomes.Output) for one in found) == 11
    assert versions.larger == []


async def test_inputs_that_run_one_by_one_are_never_too_large() -> None:
    """Catches a timeout of the last of them, which would halve batches that were never run."""
    tried: list[int] = []

    def predict(given: list[Any]) -> list[outcomes.Outcome] | outcomes.Ran:
        tried.append(len(given))
        return outcomes.Ran([OK, OK, LONG], 0.0) if len(tried) == 1 else kit.double(given)

    fleet = kit.Fleet(predict)
    async with kit.Bench(fleet) as bench:
        await bench.run([kit.record([{"id": f"a{i}", "input": i} for i in range(3)])])
    assert fleet.larger == []


def _job(place: int) -> jobs.Job:
    record = kit.record([{"id": f"a{i}", "input": i} for i in range(5)])
    return jobs.read(record, topic_uuid="T", max_age=60)[place]
