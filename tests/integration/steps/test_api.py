"""An API process killed between any two steps of a POST: what it said holds, and a repetition runs nothing twice."""

import contextlib
import threading
import uuid
from typing import Any

import httpx
import pytest

from tests.e2e import kit

from .conftest import Bench
from .stepping import API


@pytest.mark.parametrize("step", API)
def test_killed_after(bench: Bench, step: str) -> None:
    """Catches a 202 before the acknowledgement, a key that stands for a job that never was, and a second id for it."""
    number = 5000 + 10 * list(API).index(step)
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answers: list[httpx.Response] = []
    url = f"/v1/models/{bench.model}/jobs"
    with bench.http() as http:
        # Given a POST whose process stands still after that step
        bench.stop_at(step)

        def post() -> None:
            with contextlib.suppress(httpx.TransportError):
                answers.append(http.post(url, json={"input": number}, headers=headers))

        posting = threading.Thread(target=post)
        posting.start()
        bench.stands("api")
        # When it is killed there, and the client, which heard nothing, asks again
        bench.kill("api")
        posting.join()
        assert [answer.status_code for answer in answers] == ([202] if step == "noted" else [])
        bench.start_api()

    with bench.http() as http:

        def again() -> dict[str, Any] | None:
            answer = http.post(url, json={"input": number}, headers=headers)
            assert answer.status_code in {202, 200, 503}, answer.text
            return answer.json() if answer.status_code != 503 else None

        first = kit.until(again, "the job is taken")
        # Then it is one job, which ran once, and the one that it was told of
        assert all(answer.json()["id"] == first["id"] for answer in answers)
        assert kit.until(again, "the job is known")["id"] == first["id"]
        assert http.get(f"/v1/jobs/{first['id']}?wait=30").json()["output"] == 2 * number
        # ... and the next one is taken as ever
        assert http.post(url, json={"input": number + 1}, headers={"Prefer": "wait=30"}).json()["status"] == "succeeded"
    assert bench.seen().count(number) == 1
