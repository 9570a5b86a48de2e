"""A worker killed between any two steps of a batch: every job ends once, with the right answer.

The steps are those of `stepping.WORKER`, and `predicting`, at which its inputs are in the runner. At each the worker
stands still; what is committed and what has ended is looked at, one job is canceled, one passes its deadline; then the
worker is killed and another takes over.
"""

import time
from typing import Any, NamedTuple

import httpx
import pytest

from tests.e2e import kit

from .conftest import Bench
from .stepping import WORKER

STEPS = ["predicting", *[step for step in WORKER if step not in {"given back", "parked"}]]
AGAIN = ["given back", "parked"]

TERMINAL = {"succeeded", "failed", "canceled", "expired"}


class Lost(NamedTuple):
    """What was seen of the jobs while their worker stood still."""

    status: dict[str, str | None]
    documents: dict[str, dict[str, Any]]
    """Of those that had ended."""
    ran: list[Any]
    """Inputs that predict() had been given."""


def job(bench: Bench, http: httpx.Client, name: str) -> dict[str, Any] | None:
    """A job of the pipeline's; none: nobody has read it."""
    answer = http.get(f"/v1/models/{bench.model}/jobs/{name}")
    assert answer.status_code in {200, 404}, answer.text
    return answer.json() if answer.status_code == 200 else None


def look(bench: Bench, http: httpx.Client, jobs: list[str]) -> Lost:
    """See what is true of them now."""
    found = {name: job(bench, http, name) for name in jobs}
    return Lost(
        {name: one["status"] if one else None for name, one in found.items()},
        {name: one for name, one in found.items() if one and one["completed_at"]},
        bench.seen(),
    )


def nothing_is_committed_past(bench: Bench, lost: Lost, records: dict[tuple[int, int], list[str]]) -> None:
    """The promise `commit`, at this very moment."""
    committed = bench.committed()
    for (partition, offset), jobs in records.items():
        if any(name not in lost.documents for name in jobs):
            assert committed.get(partition, 0) <= offset, (jobs, lost.status)


def all_ended(bench: Bench, http: httpx.Client, jobs: list[str]) -> dict[str, dict[str, Any]]:
    """Every job, once all have ended."""

    def ended() -> dict[str, dict[str, Any]] | None:
        found = {name: one for name in jobs if (one := job(bench, http, name)) and one["completed_at"]}
        return found if len(found) == len(jobs) else None

    return kit.until(ended, f"{jobs} ended", within=90)


@pytest.mark.parametrize("step", STEPS)
def test_killed_after(bench: Bench, step: str) -> None:
    """Catches an ack before the store, a claim without a token, an end written over, a lost start that is not charged,
    and a job that runs although it was canceled or its time was over while no worker held it."""
    number = 100 * STEPS.index(step) + 100
    inputs = {f"n{number + i}": number + i for i in range(5)}
    plain, canceled, late = [f"n{number}", f"n{number + 1}", f"n{number + 4}"], f"n{number + 2}", f"n{number + 3}"
    with bench.http() as http:
        # Given jobs in three records, in a worker that will stand still after that step
        deadline = int(time.time() * 1000) + 3000
        if step == "predicting":
            (bench.cache / "hold").touch()
        else:
            bench.stop_at(step)
        jobs: dict[str, dict[str, Any]] = {
            name: {"id": name, "input": value, "reply_to": bench.topic} for name, value in inputs.items()
        }
        jobs[late]["deadline"] = deadline
        together = [[plain[0], plain[1]], [canceled, late], [plain[2]]]
        places = bench.produce(*[[jobs[name] for name in names] for names in together])
        records = dict(zip(places, together, strict=True))
        assert bench.worker is not None
        if step == "predicting":
            kit.until(lambda: number in bench.seen(), "it runs")
            bench.stand(bench.worker)
        bench.stands(bench.worker)
        # When one is canceled meanwhile, one passes its deadline, and the worker is killed
        before = look(bench, http, list(inputs))
        nothing_is_committed_past(bench, before, records)
        answer = http.post(f"/v1/models/{bench.model}/jobs/{canceled}/cancel").json()
        assert (answer["status"] in TERMINAL) == (before.status[canceled] != "running")
        kit.until(lambda: time.time() * 1000 > deadline, "its deadline is over")
        bench.kill(bench.worker)
        lost = look(bench, http, list(inputs))
        nothing_is_committed_past(bench, lost, records)
        (bench.cache / "hold").unlink(missing_ok=True)
        bench.start_worker()
        # Then another gives every job its end
        found = all_ended(bench, http, list(inputs))
    # ... what had ended stays as it was
    for name, document in lost.documents.items():
        assert found[name] == document
    # ... the others are answered, with the starts that they had
    for name in plain:
        assert (found[name]["status"], found[name]["output"]) == ("succeeded", 2 * inputs[name])
        assert found[name]["attempt"] == (2 if lost.status[name] == "running" else 1)
    # ... and nobody hears an answer of what was canceled or too late before it had one
    for name, end in ((canceled, "canceled"), (late, "expired")):
        if before.status[name] not in TERMINAL:
            assert (found[name]["status"], found[name].get("output")) == (end, None)
        assert bench.seen().count(inputs[name]) == lost.ran.count(inputs[name])
    # ... predict's own log knows no more starts than were charged
    for name, value in inputs.items():
        assert bench.seen().count(value) <= found[name]["attempt"]
    # ... nothing is left, and each was told to whom it was to be told, always the same
    kit.until(lambda: bench.unread() == 0, "everything is committed")
    told = [one for one in bench.replies() if one["id"] in inputs]
    assert {one["id"] for one in told} == set(inputs)
    assert all(one["output"] == found[one["id"]]["output"] for one in told)


@pytest.mark.parametrize("step", AGAIN)
def test_killed_while_a_job_is_put_off(bench: Bench, step: str) -> None:
    """Catches a record that counts as finished before its job is durably parked (Postponing.wait), and a parked job
    that runs although it was canceled in between."""
    number = 1000 * (AGAIN.index(step) + 1)
    well = bench.cache / "well"
    well.unlink(missing_ok=True)
    names = [f"n{number}", f"n{number + 1}"]
    with bench.http() as http:
        # Given two jobs that ask to come again in a while
        bench.stop_at(step)
        jobs = [
            {"id": name, "input": {"after": 6, "number": number + i}, "timeout": 20} for i, name in enumerate(names)
        ]
        places = bench.produce(jobs)
        assert bench.worker is not None
        bench.stands(bench.worker)
        # When one is canceled, and the worker is killed
        before = look(bench, http, names)
        assert set(before.status.values()) == {"queued"}
        nothing_is_committed_past(bench, before, {places[0]: names} if step == "given back" else {})
        assert http.post(f"/v1/models/{bench.model}/jobs/{names[1]}/cancel").json()["status"] == "canceled"
        bench.kill(bench.worker)
        well.touch()
        bench.start_worker()
        # Then the other ends well, however often it lies in Kafka, and nobody was charged
        found = all_ended(bench, http, names)
    assert (found[names[0]]["status"], found[names[0]]["output"]) == ("succeeded", 2 * number)
    assert found[names[1]]["status"] == "canceled"
    # ... also when what was parked has come
    kit.until(lambda: bench.unread() == 0, "everything is committed", within=90)
    assert bench.seen().count(jobs[0]["input"]) == 2
    assert bench.seen().count(jobs[1]["input"]) == 1
    with bench.http() as http:
        assert {name: job(bench, http, name) for name in names} == found
