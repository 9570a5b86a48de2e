"""Two versions at once in one worker, and a rollback under a backlog."""

import json
import time
from typing import Any

import httpx

from panini.client import Client
from tests.e2e import kit

BUNDLE = {
    "predict.py": (
        "import json, os, time\n"
        "CACHE = os.environ['XDG_CACHE_HOME']\n"
        "def predict(inputs):\n"
        "    with open(os.path.join(CACHE, 'calls'), 'a') as file:\n"
        "        file.write(json.dumps([VERSION, [x['for'] for x in inputs]]) + '\\n')\n"
        "    while os.path.exists(os.path.join(CACHE, 'hold')) and inputs[0]['number'] >= 0:\n"
        "        time.sleep(.02)\n"
        "    return [[VERSION, x['number']] for x in inputs]\n"
    ),
    "panini.toml": "batch = true\nmax_batch = 4\ncache = false\n",
}

CHANGE = 5.0
"""Seconds within which a rollback holds in every process: the promise `change`."""


def bundle(version: int) -> dict[str, str]:
    """A bundle whose code knows which version it is."""
    return BUNDLE | {"predict.py": f"VERSION = {version}\n" + BUNDLE["predict.py"]}


def calls(stack: kit.Stack, model: str) -> list[tuple[int, list[int | None]]]:
    """Every predict() call: which code it was, and which version its inputs were meant for."""
    return [(code, meant) for code, meant in map(json.loads, (stack.cache(model) / "calls").read_text().splitlines())]


def two_versions(stack: kit.Stack, client: Client, name: str) -> str:
    """A model whose versions 1 and 2 are ready, 2 is live, and both answer."""
    client.deploy(stack.folder(bundle(1)), name)
    client.deploy(stack.folder(bundle(2)), name)
    for version in (1, 2):
        kit.until(
            lambda version=version: (  # type: ignore[misc]
                client.submit(name, {"number": -1, "for": version}, version=version, wait=20).output == [version, -1]
            ),
            f"version {version} answers",
        )
    return name


def ended(http: httpx.Client, model: str, name: str) -> dict[str, Any]:
    """The job, once it ended."""

    def look() -> dict[str, Any] | None:
        answer = http.get(f"/v1/models/{model}/jobs/{name}")
        return answer.json() if answer.status_code == 200 and answer.json()["completed_at"] else None

    return kit.until(look, f"{name} ended")


def test_two_versions_in_one_worker_never_share_a_batch(stack: kit.Stack, client: Client, http: httpx.Client) -> None:
    """Catches a batch taken without regard to versions (batching.take), and one run on the live version (_groups)."""
    model = two_versions(stack, client, "both-versions")
    # Given records whose jobs are pinned to either version by turns
    names = [f"v{number}-{time.time_ns()}" for number in range(60)]
    jobs = [
        {"id": name, "version": 1 + number % 2, "input": {"number": -2, "for": 1 + number % 2}}
        for number, name in enumerate(names)
    ]
    stack.produce(model, *[json.dumps(jobs[start : start + 20]).encode() for start in range(0, len(jobs), 20)])
    # Then each is answered by its own
    for number, name in enumerate(names):
        found = ended(http, model, name)
        assert (found["version"], found["output"]) == (1 + number % 2, [1 + number % 2, -2])
    # ... and no call had inputs of two, though calls had several
    made = calls(stack, model)
    assert all(set(meant) == {code} for code, meant in made)
    assert any(len(meant) > 1 for _, meant in made)


def test_a_rollback_takes_the_backlog_along(stack: kit.Stack, client: Client, http: httpx.Client) -> None:
    """Catches a version chosen when a job arrives, not at its first claim, and one that changes after that."""
    model = two_versions(stack, client, "rolled-back")
    # Given a backlog behind version 2, which answers nothing
    (stack.cache(model) / "hold").touch()
    names = [f"b{number}-{time.time_ns()}" for number in range(40)]
    jobs = [{"id": name, "input": {"number": number, "for": None}} for number, name in enumerate(names)]
    stack.produce(model, json.dumps(jobs).encode())
    kit.until(lambda: [code for code, meant in calls(stack, model) if meant[0] is None], "the first ones run")
    claimed = {name for name in names if _status(http, model, name) == "running"}
    assert 0 < len(claimed) < 20
    # When it is rolled back to version 1
    client.rollback(model, 1)
    rolled_back = time.monotonic()
    kit.until(lambda: time.monotonic() - rolled_back > CHANGE, "every process knows it, as promised")
    (stack.cache(model) / "hold").unlink()
    # Then what had been claimed stays with version 2, and the backlog is version 1's
    for number, name in enumerate(names):
        found = ended(http, model, name)
        assert found["output"] == [found["version"], number]
        assert found["version"] == (2 if name in claimed else 1)


def _status(http: httpx.Client, model: str, name: str) -> str:
    answer = http.get(f"/v1/models/{model}/jobs/{name}")
    return answer.json()["status"] if answer.status_code == 200 else "unread"
