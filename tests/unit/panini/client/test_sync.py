import json
from typing import Any

import httpx
import pytest

from panini import client


def test_predict_submits_waiting_and_returns_the_output(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(200, json=a_job("succeeded", "setosa"))]

    output = panini_client.predict("iris", [5.1, 3.5, 1.4, 0.2])

    assert output == "setosa"
    request = api.seen[0]
    assert (request.method, request.url.path) == ("POST", "/v1/models/iris/jobs")
    assert request.headers["authorization"] == "Bearer pn_key"
    assert request.headers["prefer"] == "wait=20"
    assert json.loads(request.content) == {"input": [5.1, 3.5, 1.4, 0.2]}


def test_predict_polls_where_the_server_did_not_wait_long_enough(
    panini_client: client.Client, api: Any, a_job: Any
) -> None:
    api.prepared = [
        httpx.Response(202, json=a_job("queued")),
        httpx.Response(200, json=a_job("running")),
        httpx.Response(200, json=a_job("succeeded", 7)),
    ]

    assert panini_client.predict("iris", 1) == 7
    assert [request.url.path for request in api.seen[1:]] == ["/v1/models/iris/jobs/j_1"] * 2
    assert api.seen[1].url.params["wait"] == "20"


def test_a_job_that_failed_raises_with_its_reason(panini_client: client.Client, api: Any, a_job: Any) -> None:
    error = {"type": "predict_error", "message": "ValueError: four numbers, please"}
    api.prepared = [httpx.Response(200, json=a_job("failed", error=error))]

    with pytest.raises(client.errors.JobFailed, match="predict_error: ValueError: four numbers, please") as raised:
        panini_client.predict("iris", [])

    assert raised.value.job.error is not None
    assert raised.value.job.error.type == "predict_error"


def test_a_result_that_takes_too_long_leaves_the_job_in_hand(
    panini_client: client.Client, api: Any, a_job: Any
) -> None:
    api.prepared = [httpx.Response(202, json=a_job("queued")), httpx.Response(200, json=a_job("queued"))]
    job = panini_client.submit("iris", 1)

    with pytest.raises(client.errors.TimedOut, match="still queued after 0 s") as raised:
        job.result(timeout=0)

    assert raised.value.job == job


def test_every_word_of_a_job_reaches_the_body(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(202, json=a_job("queued"))]

    panini_client.submit(
        "iris", b"\x00\xff", metadata={"a": 1}, timeout=2.5, webhook="https://x.test/", version=3, idempotency_key="k1"
    )

    assert api.bodies() == [
        {"input": "AP8=", "metadata": {"a": 1}, "timeout": 2.5, "webhook": "https://x.test/", "version": 3}
    ]
    assert api.seen[0].headers["idempotency-key"] == "k1"
    assert "prefer" not in api.seen[0].headers


def test_a_503_that_names_the_job_is_retried_with_its_id(
    panini_client: client.Client, api: Any, a_job: Any, problems: Any, no_pauses: list[float]
) -> None:
    refused = problems(503, "Kafka is away", "try again", headers={"Retry-After": "2"}, id="j_9")
    api.prepared = [refused, httpx.ReadError("gone"), httpx.Response(202, json=a_job("queued"))]

    panini_client.submit("iris", 1)

    assert api.bodies() == [{"input": 1}, {"id": "j_9", "input": 1}, {"id": "j_9", "input": 1}]
    assert no_pauses[0] == 2.0


def test_a_lost_post_is_not_sent_twice_without_a_key(panini_client: client.Client, api: Any) -> None:
    api.prepared = [httpx.ReadError("connection reset")]

    with pytest.raises(client.errors.Unreachable, match="was lost"):
        panini_client.submit("iris", 1)

    assert len(api.seen) == 1


def test_a_lost_post_is_sent_again_with_an_idempotency_key(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.ReadError("connection reset"), httpx.Response(202, json=a_job("queued"))]

    assert panini_client.submit("iris", 1, idempotency_key="k").id == "j_1"
    assert len(api.seen) == 2


def test_a_get_is_retried_and_gives_up(panini_client: client.Client, api: Any, no_pauses: list[float]) -> None:
    api.prepared = [httpx.ConnectError("refused")] * 4

    with pytest.raises(client.errors.Unreachable, match=r"no Panini answers at http://panini.test"):
        panini_client.job("j_1")

    assert len(api.seen) == 4
    assert no_pauses == [0.1, 0.4, 1.6]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, client.errors.Unauthorized),
        (404, client.errors.NotFound),
        (410, client.errors.Gone),
        (422, client.errors.Refused),
        (429, client.errors.Unavailable),
        (500, client.errors.Unavailable),
    ],
)
def test_problems_become_errors_that_say_the_servers_detail(
    panini_client: client.Client, api: Any, problems: Any, status: int, kind: type[client.errors.Refused]
) -> None:
    api.prepared = [problems(status, "Title", "do this next")]

    with pytest.raises(kind, match="Title: do this next") as raised:
        panini_client.job("j_1")

    assert raised.value.status == status


def test_a_proxys_page_is_no_answer_of_panini(panini_client: client.Client, api: Any) -> None:
    api.prepared = [httpx.Response(502, html="<h1>Bad gateway</h1>")]

    with pytest.raises(client.errors.Unavailable, match="HTTP 502"):
        panini_client.job("j_1")


@pytest.mark.parametrize("answer", [httpx.Response(200, text="hello"), httpx.Response(200, json={"id": 1})])
def test_an_answer_of_another_program_is_not_understood(
    panini_client: client.Client, api: Any, answer: httpx.Response
) -> None:
    api.prepared = [answer]

    with pytest.raises(client.errors.NotUnderstood, match="Panini's API"):
        panini_client.job("j_1")


def test_ids_cannot_climb_out_of_their_path(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(200, json=a_job("queued")), httpx.Response(200, json=a_job("queued"))]

    panini_client.job("../x/y?z")
    panini_client.job("..", model="iris")

    assert [request.url.raw_path for request in api.seen] == [
        b"/v1/jobs/..%2Fx%2Fy%3Fz",
        b"/v1/models/iris/jobs/%2E%2E",
    ]


def test_jobs_are_paged_as_they_are_asked_for(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [
        httpx.Response(200, json={"jobs": [a_job("failed") | {"id": "b"}], "next": "c1"}),
        httpx.Response(200, json={"jobs": [a_job("failed") | {"id": "a"}], "next": None}),
    ]

    found = [job.id for job in panini_client.jobs("iris", status="failed")]

    assert found == ["b", "a"]
    assert [dict(request.url.params) for request in api.seen] == [
        {"status": "failed"},
        {"status": "failed", "cursor": "c1"},
    ]


def test_submit_many_keeps_the_order(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(202, json=a_job("queued") | {"id": f"j_{n}"}) for n in range(5)]

    jobs = panini_client.submit_many("iris", range(5), concurrency=1)

    assert [job.id for job in jobs] == ["j_0", "j_1", "j_2", "j_3", "j_4"]


def test_submit_many_says_which_were_accepted(
    panini_client: client.Client, api: Any, a_job: Any, problems: Any
) -> None:
    api.prepared = [httpx.Response(202, json=a_job("queued")), problems(413, "Too large", "send less")]

    with pytest.raises(client.errors.PartlySubmitted, match=r"1 of 2 jobs were accepted.*Too large") as raised:
        panini_client.submit_many("iris", [1, 2], concurrency=1)

    assert [job and job.id for job in raised.value.jobs] == ["j_1", None]


def ndjson(*documents: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, content="".join(json.dumps(one) + "\n" for one in documents))


def a_set(lines: int, *refused: int) -> httpx.Response:
    told = [{"line": line, "detail": f"line {line} is no job"} for line in refused]
    answer = {"id": "b_1", "lines": lines, "accepted": lines - len(refused), "refused": len(refused), "problems": told}
    return httpx.Response(202, json=answer)


def test_many_jobs_go_as_a_set(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [a_set(3), ndjson(*[a_job("queued") | {"id": f"j_{n}"} for n in range(3)])]

    jobs = panini_client.submit_many("iris", iter([1, 2, 3]), timeout=5)

    assert [job.id for job in jobs] == ["j_0", "j_1", "j_2"]
    post, get = api.seen
    assert (post.method, post.url.path) == ("POST", "/v1/models/iris/bulk")
    assert [json.loads(line) for line in post.content.splitlines()] == [{"input": n, "timeout": 5} for n in (1, 2, 3)]
    assert (get.url.path, get.url.params["lines"]) == ("/v1/models/iris/bulk/b_1/results", "3")


def test_a_large_set_is_several_requests(panini_client: client.Client, api: Any, a_job: Any) -> None:
    def answer(count: int) -> list[httpx.Response]:
        return [a_set(count), ndjson(*[a_job("queued")] * count)]

    api.prepared = [*answer(1000), *answer(1000), *answer(5)]

    assert len(panini_client.submit_many("iris", range(2005))) == 2005
    assert [len(request.content.splitlines()) for request in api.seen if request.method == "POST"] == [1000, 1000, 5]
    assert panini_client.submit_many("iris", []) == []


def test_refused_lines_of_a_set_are_told(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [a_set(2, 0), ndjson(a_job("queued"), a_job("queued") | {"id": "j_2"})]

    with pytest.raises(client.errors.PartlySubmitted, match=r"1 of 2 jobs were accepted.*line 0 is no job") as raised:
        panini_client.submit_many("iris", [1, 2])

    assert [job and job.id for job in raised.value.jobs] == [None, "j_2"]


def test_a_set_that_kafka_did_not_keep_is_sent_again_under_its_id(
    panini_client: client.Client, api: Any, a_job: Any, problems: Any
) -> None:
    api.prepared = [problems(503, "Kafka did not keep all", "again", id="b_9"), a_set(1), ndjson(a_job("queued"))]

    assert [job.id for job in panini_client.submit_many("iris", [1])] == ["j_1"]
    assert [request.url.params.get("id") for request in api.seen[:2]] == [None, "b_9"]


def test_a_set_whose_answer_is_lost_is_told_with_those_before(
    panini_client: client.Client, api: Any, a_job: Any
) -> None:
    api.prepared = [a_set(1000), ndjson(*[a_job("queued")] * 1000), httpx.ReadError("gone")]

    with pytest.raises(client.errors.PartlySubmitted, match="1000 of 2500 jobs were accepted"):
        panini_client.submit_many("iris", range(2500))

    with pytest.raises(client.errors.InvalidInput, match="one job's"):
        panini_client.submit_many("iris", [1], idempotency_key="k")


def stream(*events: str, status: int = 200) -> httpx.Response:
    return httpx.Response(
        status, content="".join(events).encode(), headers={"content-type": "text/event-stream; charset=utf-8"}
    )


def test_events_are_followed_over_lost_connections(panini_client: client.Client, api: Any) -> None:
    api.prepared = [
        stream('id: 1\nevent: queued\ndata: {"id": "j_1"}\n\n', ": still here\n\n"),
        httpx.ConnectError("away"),
        stream('id: 2\nevent: started\ndata: {}\n\nid: 3\nevent: ended\ndata: {"status": "succeeded"}\n\n'),
    ]

    found = list(panini_client.events("j_1"))

    assert [(event.number, event.name) for event in found] == [(1, "queued"), (2, "started"), (3, "ended")]
    assert found[-1].data == {"status": "succeeded"}
    assert [request.headers.get("last-event-id") for request in api.seen] == [None, "1", "1"]
    assert api.seen[0].url.path == "/v1/jobs/j_1/events"


def test_cancel_by_an_id_of_ones_own(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(200, json=a_job("canceled")), httpx.Response(200, json=a_job("canceled"))]

    panini_client.cancel("order-1", model="iris").cancel()

    assert [request.url.path for request in api.seen] == [
        "/v1/models/iris/jobs/order-1/cancel",
        "/v1/models/iris/jobs/j_1/cancel",
    ]


def test_rollback_and_remove(panini_client: client.Client, api: Any) -> None:
    api.prepared = [httpx.Response(200, json={"model": "iris", "live": 1}), httpx.Response(204)]

    panini_client.rollback("iris", 1)
    panini_client.remove("iris")

    assert [(r.method, r.url.path) for r in api.seen] == [
        ("POST", "/v1/models/iris/rollback"),
        ("DELETE", "/v1/models/iris"),
    ]


def test_an_output_of_bytes_comes_as_bytes(panini_client: client.Client, api: Any, a_job: Any) -> None:
    api.prepared = [httpx.Response(200, json=a_job("succeeded", "iVBORw==", output_media_type="image/png"))]

    job = panini_client.job("j_1")

    assert (job.output, job.media_type) == (b"\x89PNG", "image/png")


def test_a_listed_job_fetches_its_output_when_asked(panini_client: client.Client, api: Any, a_job: Any) -> None:
    listed = a_job("succeeded")
    del listed["output"]
    api.prepared = [httpx.Response(200, json={"jobs": [listed]}), httpx.Response(200, json=a_job("succeeded", 7))]

    (job,) = panini_client.jobs("iris")

    assert job.result() == 7
