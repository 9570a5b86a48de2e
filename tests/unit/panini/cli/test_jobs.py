"""How a job is shown to people."""

from typing import Any

import pytest

from panini import client
from panini.cli import jobs
from panini.client import records


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({}, "j_1  queued  (iris)\n"),
        ({"queue_position": 17}, "j_1  queued, place 17 in the queue  (iris)\n"),
        ({"queue_position": 17, "eta_seconds": 4.2}, "j_1  queued, place 17 in the queue, about 4 s to go  (iris)\n"),
    ],
)
def test_a_queued_job_and_its_place(told: dict[str, Any], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = records.Job.read({"id": "j_1", "model": "iris", "status": "queued"} | told)

    jobs._for_people(found, shown=True)

    assert capsys.readouterr().out.startswith(shown)
    assert (found.queue_position, found.eta_seconds) == (told.get("queue_position"), told.get("eta_seconds"))


def test_an_event_of_its_place() -> None:
    event = client.JobEvent(number=1, name="position", data={"queue_position": 3, "eta_seconds": 60.0})
    assert jobs._words(event) == "place 3 in the queue, about 60 s to go"
