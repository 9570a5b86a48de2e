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


def _above(most: int, given: list[Any], ran: outcomes.Ran, guilty: Any = None) -> outcomes.Ran | None:
    """`ran` of a call that is too large, or has the guilty input in it."""
    return ran if len(given) > most or guilty in given else None


@pytest.mark.parametrize(
    ("ran", "guilty", "larger"),
    [
        (lambda n: outcomes.Ran([LONG] * n, 0.0), None, [3]),
        (lambda n: outcomes.Ran([kit.lost(words.ErrorType.OUT_OF_MEMORY)] * n, 0.0), None, [3]),
        (lambda n: outcomes.Ran([FULL] * n, 1.0, FULL.message), None, [3]),
        # one input is why: its neighbours come in batches as large as ever
        (lambda n: outcomes.Ran([LONG] * n, 0.0), 7, []),
        (lambda n: outcomes.Ran([FULL] * n, 1.0, FULL.message), 7, []),
        # a crash and an error say nothing of sizes
        (lambda n: outcomes.Ran([BEGAN] * n, 0.0), None, []),
        (lambda n: outcomes.Ran([RAISED] * n, 1.0, "no"), None, []),
    ],
)
async def test_a_batch_was_too_large_if_all_its_inputs_do_well_in_smaller_ones(
    ran: Callable[[int], outcomes.Ran], guilty: int | None, larger: list[int]
) -> None:
    """Catches one hanging input that ends batching for its worker: each part of its batch fails."""
    most = 2 if guilty is None else 99

    def predict(given: list[Any]) -> list[outcomes.Outcome] | outcomes.Ran:
        return _above(most, given, ran(len(given)), guilty) or kit.double(given)

    fleet = kit.Fleet(predict)
    async with kit.Bench(fleet) as bench:
        await bench.run([kit.record([{"id": f"a{i}", "input": i} for i in range(12)])])
    # 12, 6 and 3 failed, 2 and 1 did not
    assert fleet.larger == larger


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
