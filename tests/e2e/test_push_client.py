"""The client and the command line against what pushes: events, cancel, bulk sets."""

import json

import httpx
import pytest

from panini.client import Client, errors
from tests.e2e import kit
from wire import jobs

TALKING = {
    "predict.py": (
        "import panini, time\n"
        "def predict(inputs):\n"
        "    panini.progress(0.5, 'half')\n"
        "    time.sleep(inputs[0])\n"
        "    return ['done'] * len(inputs)\n"
    ),
    "panini.toml": "cache = false\n",  # an answer that is known has no progress
}


def test_events_of_a_job(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(TALKING)
    job = client.submit(model, 0.2)

    found = list(client.events(job.id))

    assert [event.name for event in found] == ["queued", "started", "progress", "ended"]
    assert found[2].data == {"fraction": 0.5, "text": "half"}
    assert found[-1].data["output"] == "done"


def test_events_and_cancel_on_the_command_line(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(TALKING)
    job = client.submit(model, 600)
    kit.until(lambda: job.refresh().status is jobs.Status.RUNNING, "it runs")

    canceled = json.loads(stack.panini("cancel", job.id).stdout)
    shown = stack.panini("events", job.id, code=1)

    assert canceled["status"] == "canceled"
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [line["event"] for line in lines][-1] == "ended"
    assert "canceled" in shown.stderr


def test_many_jobs_as_a_set(stack: kit.Stack, client: Client) -> None:
    model = stack.deploy(kit.DOUBLE, input="doubles")

    submitted = client.submit_many(model, [[number] for number in range(1500)])

    assert len({job.id for job in submitted}) == 1500
    assert submitted[0].result(60) == submitted[0].refresh().output
    assert [submitted[number].wait(60).status for number in (1, 700, 1499)] == [jobs.Status.SUCCEEDED] * 3
    with pytest.raises(errors.PartlySubmitted) as partly:
        client.submit_many(model, [[1], "no number", [3]])
    assert [job is None for job in partly.value.jobs] == [False, True, False]


def test_results_of_a_set_as_they_end(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    lines = [json.dumps({"input": number}) for number in range(300)]
    lines[7] = "no job"

    headers = {"Accept": "application/x-ndjson", "Prefer": "wait=60"}
    answer = http.post(f"/v1/models/{model}/bulk", content="\n".join(lines), headers=headers)

    assert answer.status_code == 200
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert len(found) == 300
    assert (found[7]["status"], found[7]["line"]) == (422, 7)
    assert [one["output"] for number, one in enumerate(found) if number != 7] == [
        2 * number for number in range(300) if number != 7
    ]
