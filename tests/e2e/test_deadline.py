"""Deadlines of jobs that a worker has read, on a whole stack."""

import json
import time

from tests.e2e import kit, test_cancel
from wire import jobs


def test_a_deadline_behind_a_long_call(own_stack: kit.Stack) -> None:
    """Catches a job that a worker has read being expired only once its turn comes."""
    own_stack.environ["PANINI_SCALE_MOST"] = "1"  # no second worker runs them in time
    stack = own_stack.start()
    model = stack.deploy(test_cancel.SLOW)
    with stack.client() as client, stack.http() as http:
        first = client.submit(model, {"name": "long", "sleep": 20})
        kit.until(lambda: test_cancel.began(stack, model, "long"), "the long call runs")

        # one that the worker claims behind it, more than it may claim, and one that comes straight from Kafka
        deadline = time.time() + 1.5
        late = [
            client.submit(model, {"name": f"late{number}", "sleep": 0}, deadline=deadline) for number in range(3)
        ]  # fmt: skip
        direct = f"late-{time.time_ns()}"
        envelope = {"id": direct, "input": {"name": "direct", "sleep": 0}, "deadline": int(deadline * 1000)}
        stack.produce(model, json.dumps(envelope).encode())

        def expired(status: jobs.Status) -> bool:
            assert status in {jobs.Status.QUEUED, jobs.Status.RUNNING, jobs.Status.EXPIRED}
            return status is jobs.Status.EXPIRED

        for job in late:
            kit.until(lambda job=job: expired(job.refresh().status), "it expires")  # type: ignore[misc]
        address = f"/v1/models/{model}/jobs/{direct}"
        kit.until(lambda: http.get(address).json().get("status") == "expired", "the direct one expires")
        assert first.refresh().status is jobs.Status.RUNNING, "the long call goes on meanwhile"
        first.cancel()
        assert client.predict(model, {"name": "after it", "sleep": 0}) == "after it"
        assert not [name for name in ("late0", "late1", "late2", "direct") if test_cancel.began(stack, model, name)]
