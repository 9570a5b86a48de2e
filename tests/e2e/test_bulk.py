"""Bulk job sets: NDJSON in, NDJSON out."""

import json

import httpx

from tests.e2e import kit


def lines(*inputs: object) -> bytes:
    """A set's body."""
    return b"".join(json.dumps({"input": one}).encode() + b"\n" for one in inputs)


def test_every_line_gets_its_own_answer_in_order(stack: kit.Stack, http: httpx.Client) -> None:
    # Given a set of more jobs than one record or one chunk of results holds
    model = stack.deploy(kit.DOUBLE)
    answer = http.post(f"/v1/models/{model}/bulk", content=lines(*range(1200)))
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["lines"], told["accepted"], told["refused"]) == (1200, 1200, 0)
    # When its results are streamed as they come
    results = http.get(told["urls"]["results"], params={"lines": 1200, "wait": 120})
    # Then line n is job n
    jobs = [json.loads(line) for line in results.text.splitlines()]
    assert [job["output"] for job in jobs] == [2 * n for n in range(1200)]
    # And the set is counted, and each job is one like any other
    counted = http.get(answer.headers["location"]).json()["counts"]
    assert counted["succeeded"] == 1200
    assert http.get(f"/v1/jobs/{jobs[7]['id']}").json()["output"] == 14


def test_a_bad_line_is_told_and_fails_no_other(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    body = lines(1) + b"{not json\n" + b"\n" + b'{"inputs": 3}\n' + lines(4)
    told = http.post(f"/v1/models/{model}/bulk", content=body).json()
    assert (told["lines"], told["accepted"], told["refused"]) == (5, 2, 3)
    assert [problem["line"] for problem in told["problems"]] == [1, 2, 3]
    jobs = [
        json.loads(line) for line in http.get(told["urls"]["results"], params={"lines": 5, "wait": 0}).text.splitlines()
    ]
    for line, output in ((0, 2), (4, 8)):
        job = http.get(f"/v1/jobs/{jobs[line]['id']}", params={"wait": 60}).json()
        assert job["output"] == output


def test_a_set_sent_again_under_its_id_runs_each_job_once(stack: kit.Stack, http: httpx.Client) -> None:
    # Given a set that a client believes lost
    model = stack.deploy(kit.logging_model(batch=False))  # verified batching would run some twice
    first = http.post(f"/v1/models/{model}/bulk", content=lines(*range(30))).json()
    # When it is sent again under the same id
    again = http.post(f"/v1/models/{model}/bulk", params={"id": first["id"]}, content=lines(*range(30))).json()
    assert again["id"] == first["id"]
    results = http.get(again["urls"]["results"], params={"lines": 30, "wait": 60})
    # Then predict saw each input once
    assert [json.loads(line)["output"] for line in results.text.splitlines()] == [2 * n for n in range(30)]
    kit.until(lambda: stack.unread(model) == 0, "both sets are finished")
    assert sorted(kit.seen(stack, model)) == list(range(30))


def test_what_is_no_set_is_refused(stack: kit.Stack, http: httpx.Client) -> None:
    model = stack.deploy(kit.DOUBLE)
    assert http.post(f"/v1/models/{model}/bulk", content=b"").status_code == 422
    assert http.post(f"/v1/models/{model}/bulk", params={"id": "b_nonsense"}, content=lines(1)).status_code == 422
    assert http.get(f"/v1/models/{model}/bulk/b_nonsense", params={"lines": 1}).status_code == 404
    assert http.post("/v1/models/nope/bulk", content=lines(1)).status_code == 404
