"""Verified batching as an author sees it: what the version and its log say after the first real inputs."""

import json

import httpx
import pytest

from tests.e2e import kit

TUTORIAL = {
    "predict.py": (
        "def predict(inputs):\n    for x in inputs:\n        label = 'seven' if x > 6 else 'other'\n"
        "    return [label, 1]\n"
    )
}


KINDS: dict[str, tuple[dict[str, str | bytes], dict[int, object], str]] = {
    "open": (dict(kit.DOUBLE), {3: 6, 9: 18}, "together gave what each gives alone"),
    "closed": (dict(TUTORIAL), {3: ["other", 1], 9: ["seven", 1]}, "returned 2 outputs"),
}


@pytest.mark.parametrize("state", KINDS)
def test_the_verdict_is_told(stack: kit.Stack, http: httpx.Client, state: str) -> None:
    # Given a model deployed without a word about batches
    files, answers, why = KINDS[state]
    model = stack.deploy(files, name=f"batches-{state}")
    version = f"/v1/models/{model}/versions/1"
    assert http.get(version).json()["verdict"]["batching"] == "unproven"
    # When two different inputs came, then each has its own answer
    for given, expected in answers.items():
        answer = http.post(f"/v1/models/{model}/jobs", json={"input": given}, headers={"Prefer": "wait=20"})
        assert answer.json()["output"] == expected
    # And the version and its log say what was found out
    told = kit.until(
        lambda: found if (found := http.get(version).json()["verdict"])["batching"] != "unproven" else None, "a verdict"
    )
    assert told["batching"] == state
    assert why in told["why"]
    kit.until(lambda: f"batches {state}: " in http.get(f"{version}/log").text, "the log says it too")
    # And answers stay right, together or not
    many = [*answers] * 50
    body = "".join(json.dumps({"input": one}) + "\n" for one in many)
    told = http.post(f"/v1/models/{model}/bulk", content=body).json()
    results = http.get(told["urls"]["results"], params={"lines": len(many), "wait": 60}).text.splitlines()
    assert [json.loads(line)["output"] for line in results] == [answers[one] for one in many]
