"""Kafka and Valkey going away: hanging (SIGSTOP) and killed, before, while and after a job runs."""

import contextlib

import httpx
import pytest

from tests.e2e import kit

GATED = "while not os.path.exists(os.path.join(os.environ['XDG_CACHE_HOME'], f'go-{x}')): time.sleep(.02)"
"""An input is answered when a file of its number is there."""


def open_gate(stack: kit.Stack, model: str, number: int) -> None:
    """Let input `number` be answered."""
    (stack.cache(model) / f"go-{number}").touch()


def ended(http: httpx.Client, job_id: str) -> httpx.Response:
    """The job, once it ended."""

    def look() -> httpx.Response | None:
        answer = http.get(f"/v1/jobs/{job_id}")
        return answer if answer.status_code == 200 and answer.json()["completed_at"] else None

    return kit.until(look, f"job {job_id} ended")


@pytest.mark.parametrize("how", ["hangs", "killed"])
def test_a_post_while_kafka_is_away_is_refused_with_an_id_that_runs_once(
    stack: kit.Stack, http: httpx.Client, how: str
) -> None:
    """Catches the lost bound of Producer.accept (`asyncio.timeout(self._ack_timeout)`: a client would hang for a
    minute) and an id that is not taken up again (Acceptor._job_id): the job would run twice."""
    model = stack.deploy(kit.logging_model())
    number = {"hangs": 7, "killed": 8}[how]
    http.post(f"/v1/models/{model}/predict", json={"input": 0})
    # Given Kafka away
    with contextlib.ExitStack() as away:
        if how == "hangs":
            away.enter_context(kit.hanging(stack.pid("kafka")))
        else:
            stack.kill("kafka")
        # When a job is posted
        refused = http.post(f"/v1/models/{model}/jobs", json={"input": number}, timeout=6)
        # Then it is refused in time, with its id, and asks to come again
        assert refused.status_code == 503, refused.text
        assert refused.headers["Retry-After"]
        found = refused.json()
        assert "this id" in found["detail"]
    # When the client sends it again, with its id, until it is taken
    again = {"input": number, "id": found["id"]}

    def taken() -> bool:
        answer = http.post(f"/v1/models/{model}/jobs", json=again)
        assert answer.status_code in {202, 503}, answer.text
        return answer.status_code == 202

    kit.until(taken, "Kafka takes jobs again")
    assert http.post(f"/v1/models/{model}/jobs", json=again).status_code == 202
    # Then it ran once, whatever became of the first try
    assert ended(http, found["id"]).json()["output"] == 2 * number
    kit.until(lambda: stack.unread(model) == 0, "nothing is left of it")
    assert kit.seen(stack, model).count(number) == 1


@pytest.mark.parametrize("how", ["hangs", "killed"])
def test_while_valkey_is_away_jobs_are_accepted_and_get_is_503_never_404(
    stack: kit.Stack, http: httpx.Client, how: str
) -> None:
    """Catches StoreUnavailable read as "there is no such job" (answers.answered), and ingest asking Redis."""
    model = stack.deploy(kit.DOUBLE)
    # Given a job that ended
    before = http.post(f"/v1/models/{model}/jobs", json={"input": 1}).json()["id"]
    ended(http, before)
    with contextlib.ExitStack() as away:
        # When Valkey goes away
        if how == "hangs":
            away.enter_context(kit.hanging(stack.pid("valkey")))
            # Then results are unavailable, not gone
            answer = http.get(f"/v1/jobs/{before}", timeout=10)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
        else:
            stack.kill("valkey")
            answer = http.get(f"/v1/jobs/{before}", timeout=10)
            assert answer.status_code in {200, 503}
        # ... and jobs are accepted
        accepted = http.post(f"/v1/models/{model}/jobs", json={"input": 21})
        assert accepted.status_code == 202, accepted.text
    # When it is back, with what it had
    assert ended(http, accepted.json()["id"]).json()["output"] == 42
    assert ended(http, before).json()["output"] == 2


@pytest.mark.parametrize("how", ["hangs", "killed"])
def test_valkey_away_in_mid_batch_loses_nothing_and_acknowledges_nothing(
    stack: kit.Stack, http: httpx.Client, how: str
) -> None:
    """Catches an answer that is dropped or acknowledged when it cannot be stored (pipeline._persist, Pipeline._end)."""
    model = stack.deploy(kit.logging_model(GATED))
    number = {"hangs": 1, "killed": 2}[how]
    # Given a job that runs
    job = http.post(f"/v1/models/{model}/jobs", json={"input": number}).json()["id"]
    kit.until(lambda: number in kit.seen(stack, model), "it runs")
    with contextlib.ExitStack() as away:
        # When Valkey goes away, and then predict answers
        if how == "hangs":
            away.enter_context(kit.hanging(stack.pid("valkey")))
        else:
            stack.kill("valkey")
        open_gate(stack, model, number)
        if how == "hangs":
            kit.until(lambda: "the store is away" in stack.logs(), "the worker found the store away")
            # Then its record is not acknowledged
            assert stack.unread(model) == 1
    # When it is back, the answer is stored, and predict ran once
    assert ended(http, job).json()["output"] == 2 * number
    kit.until(lambda: stack.unread(model) == 0, "its record is acknowledged")
    assert kit.seen(stack, model).count(number) == 1


def test_a_worker_goes_on_after_kafka_was_killed(stack: kit.Stack, http: httpx.Client) -> None:
    """Catches a consumer that crashed and is not replaced (`failed` in Worker._main_loop)."""
    model = stack.deploy(kit.logging_model(GATED))
    # Given a job that runs and one behind it
    jobs = [http.post(f"/v1/models/{model}/jobs", json={"input": number}).json()["id"] for number in (11, 12)]
    kit.until(lambda: 11 in kit.seen(stack, model), "it runs")
    # When Kafka is killed and comes back
    stack.kill("kafka")
    open_gate(stack, model, 11)
    open_gate(stack, model, 12)
    # Then both end, and so does a later one
    assert [ended(http, job).json()["output"] for job in jobs] == [22, 24]
    open_gate(stack, model, 13)

    def accepted() -> str | None:
        answer = http.post(f"/v1/models/{model}/jobs", json={"input": 13})
        return answer.json()["id"] if answer.status_code == 202 else None

    assert ended(http, kit.until(accepted, "jobs are accepted")).json()["output"] == 26
    kit.until(lambda: stack.unread(model) == 0, "everything is acknowledged")
