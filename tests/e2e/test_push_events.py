"""A job's events over HTTP on a whole stack."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from panini.client import Client
from tests.e2e import kit

TALKING = {
    "predict.py": (
        "import panini, time\n"
        "def predict(inputs):\n"
        "    for number in range(inputs[0]):\n"
        "        panini.progress(number / 10, f'step {number}')\n"
        "        time.sleep(0.06)\n"
        "    return ['done'] * len(inputs)\n"
    ),
    "panini.toml": "cache = false\n",  # an answer that is known has no progress
}
STREAMING = {
    "predict.py": (
        "import time\n"
        "def predict(inputs):\n"
        "    for word in inputs[0].split():\n"
        "        time.sleep(0.05)\n"
        "        yield word\n"
    )
}


def events(response: httpx.Response) -> Iterator[tuple[int, str, Any]]:
    """Number, name and data of each event but the place in the queue, as they arrive."""
    lines: list[str] = []
    for line in response.iter_lines():
        if line:
            lines.append(line)
        elif lines and not lines[0].startswith(":"):
            fields = dict(one.split(": ", 1) for one in lines)
            if fields["event"] != "position":
                yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            lines = []
        else:
            lines = []


def test_progress(stack: kit.Stack, client: Client, http: httpx.Client) -> None:
    model = stack.deploy(TALKING)
    job = client.submit(model, 5)

    with http.stream("GET", f"/v1/jobs/{job.id}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        found = list(events(response))

    assert [name for _, name, _ in found[:2]] == ["queued", "started"]
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    assert {"fraction": 0.4, "text": "step 4"} in [data for _, name, data in found if name == "progress"]
    assert found[-1][1] == "ended"
    assert found[-1][2] == http.get(f"/v1/jobs/{job.id}").json()
    # a client that lost its connection goes on
    with http.stream("GET", f"/v1/jobs/{job.id}/events", headers={"Last-Event-ID": "3"}) as response:
        assert list(events(response)) == found[3:]


def test_outputs_of_a_generator(stack: kit.Stack, client: Client, http: httpx.Client) -> None:
    model = stack.deploy(STREAMING)
    job = client.submit(model, "to be or not")

    with http.stream("GET", f"/v1/jobs/{job.id}/events") as response:
        found = list(events(response))

    assert [data["output"] for _, name, data in found if name == "output"] == ["to", "be", "or", "not"]
    assert found[-1][2]["status"] == "succeeded"


def test_who_may_not_listen(stack: kit.Stack, http: httpx.Client) -> None:
    assert http.get("/v1/jobs/j_nobody/events").status_code == 404
    assert httpx.get(f"{stack.url}/v1/jobs/j_nobody/events", trust_env=False).status_code == 401
