"""The memory of results near its bound, on a whole stack: new jobs are refused, accepted ones end, and room comes."""

import json
from typing import Any

import httpx
import pytest

from panini.client import Client, errors
from tests.e2e import kit

MIB = 1 << 20
LARGE = {"predict.py": "def predict(inputs):\n    return ['x' * int(x) for x in inputs]\n"}


def refused(http: httpx.Client, path: str, **words: Any) -> dict[str, Any] | None:
    """The problem, where the answer is one."""
    answer = http.post(path, **words)
    if answer.status_code < 400:
        return None
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    found: dict[str, Any] = answer.json()
    assert found["title"] == "No room for results"
    assert "PANINI_RESULT_BUDGET" in found["detail"]
    return found


def test_near_the_bound_jobs_are_refused_and_nothing_is_dropped(own_stack: kit.Stack) -> None:
    own_stack.environ["PANINI_RESULT_BUDGET"] = str(24 * MIB)
    stack = own_stack.start()
    model = stack.deploy(LARGE)
    jobs = f"/v1/models/{model}/jobs"
    with stack.http() as http, Client(stack.url, stack.key, retries=0) as client:
        # Given results up to the bound, and jobs straight from Kafka beyond it
        kept = []
        while (answer := http.post(jobs, json={"input": MIB}, headers={"Prefer": "wait=30"})).status_code != 503:
            assert answer.json()["status"] == "succeeded"
            kept.append(client.job(answer.json()["id"]))
        stack.produce(model, *[json.dumps({"id": f"direct{n}", "input": MIB}).encode() for n in range(3)])
        direct = [http.get(f"{jobs}/direct{n}", params={"wait": 30}) for n in range(3)]

        # Then every way in for new jobs is closed, and says so
        assert refused(http, f"/v1/models/{model}/predict", json={"input": 1})
        told = refused(http, f"/v1/models/{model}/bulk", content=b'{"input": 1}\n{"input": 2}\n')
        assert told is not None
        assert (told["accepted"], told["id"][:1]) == (0, "b")
        assert http.get("/readyz").json() == {"status": "ok", "refusing": "jobs: results have no room"}
        metrics = http.get("/metrics").text
        assert "panini_results_full 1.0" in metrics
        assert 'panini_jobs_refused_total{status="503"}' in metrics
        with pytest.raises(errors.Unavailable):
            client.submit(model, 1)

        # And nothing of before is lost
        for job in kept:
            assert len(job.refresh().output) == MIB
        assert [answer.json()["status"] for answer in direct] == ["succeeded"] * 3

        # When results are deleted, there is room, and what was refused goes through
        for job in kept:
            assert http.delete(f"/v1/jobs/{job.id}").status_code == 204
        kit.until(lambda: refused(http, jobs, json={"input": 1}) is None, "jobs are accepted again")
        assert http.get("/readyz").json() == {"status": "ok"}
        again = http.post(
            f"/v1/models/{model}/bulk", params={"id": told["id"]}, content=b'{"input": 1}\n{"input": 2}\n'
        )
        assert again.json()["accepted"] == 2
        assert client.predict(model, 3) == "xxx"
