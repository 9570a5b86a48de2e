"""A job as clients see it."""

import json
from typing import Any

import msgspec

from results import records, views
from wire import jobs

ID = "j_1"


def record(status: jobs.Status, output: bytes | None = None, **fields: Any) -> records.Record:
    given: dict[str, Any] = {
        "status": status, "starts": 1, "token": "f" * 16, "cancel_asked": False, "version": 3,
        "created_at": 1_700_000_000_000, "completed_at": 1_700_000_000_042, "expires_at": 1_700_000_001_000,
        "details": records.Details(), "output": output,
    }  # fmt: skip
    return records.Record(**(given | fields))


def test_a_job_that_succeeded_is_told_whole() -> None:
    details = records.Details(
        started_at=1_700_000_000_007, timings=records.Timings(7.0, 0.5, 30.25, 16), metadata={"order": 7}, cached=True
    )

    job = json.loads(views.job(ID, "iris", record(jobs.Status.SUCCEEDED, b'["a", 1]', details=details), ours=True))

    assert job == {
        "id": ID,
        "model": "iris",
        "version": 3,
        "status": "succeeded",
        "output": ["a", 1],
        "error": None,
        "attempt": 1,
        "cached": True,
        "created_at": "2023-11-14T22:13:20.000Z",
        "started_at": "2023-11-14T22:13:20.007Z",
        "completed_at": "2023-11-14T22:13:20.042Z",
        "timings": {"queued_ms": 7.0, "batch_ms": 0.5, "predict_ms": 30.25, "batch_size": 16},
        "metadata": {"order": 7},
        "urls": {"self": "/v1/jobs/j_1", "output": "/v1/jobs/j_1/output"},
    }


def test_an_output_is_never_parsed() -> None:
    text = b'{"big": 123456789012345678901234567890, "same": 1, "same": 1.0}'

    assert text in views.job(ID, "iris", record(jobs.Status.SUCCEEDED, text), ours=True)
    assert text in views.predicted(ID, record(jobs.Status.SUCCEEDED, text))


def test_bytes_are_base64_with_their_type() -> None:
    details = records.Details(media="image/png")

    job = json.loads(views.job(ID, "iris", record(jobs.Status.SUCCEEDED, b"\x89PNG", details=details), ours=True))

    assert (job["output"], job["output_media_type"]) == ("iVBORw==", "image/png")


def test_a_failure_says_why_and_keeps_the_traceback_inside() -> None:
    why = records.Error(jobs.ErrorType.PREDICT_ERROR, "ValueError: no", "Traceback: secret.py")

    body = views.job(ID, "iris", record(jobs.Status.FAILED, details=records.Details(error=why)), ours=True)

    assert json.loads(body)["error"] == {"type": "predict_error", "message": "ValueError: no"}
    assert b"secret" not in body
    assert "output" not in json.loads(body)["urls"]


def test_a_job_that_used_all_its_starts_says_so() -> None:
    job = json.loads(views.job(ID, "iris", record(jobs.Status.FAILED, starts=3), ours=True))

    assert (job["error"]["type"], job["attempt"]) == ("attempts_exhausted", 3)


def test_a_clients_own_id_has_its_models_address() -> None:
    job = json.loads(views.job("order-7", "iris", record(jobs.Status.SUCCEEDED, b"1"), ours=False))

    assert job["urls"] == {"self": "/v1/models/iris/jobs/order-7"}


def test_metadata_that_is_no_json_costs_nobody_the_job() -> None:
    for metadata, shown in (
        ({"x": msgspec.msgpack.Ext(5, b"x")}, None),
        ({"x": {b"y": 1, None: 2}}, None),
        ({"x": b"y"}, {"x": "eQ=="}),
    ):
        details = records.Details(metadata=metadata)

        job = json.loads(views.job(ID, "iris", record(jobs.Status.SUCCEEDED, b"1", details=details), ours=True))

        assert (job["metadata"], job["output"]) == (shown, 1)


def test_a_queued_job_needs_its_id_only() -> None:
    job = json.loads(views.queued(ID, "iris", 1_700_000_000_000))

    assert (job["status"], job["attempt"], job["version"], job["output"]) == ("queued", 0, None, None)
    assert job["created_at"] == "2023-11-14T22:13:20.000Z"


def test_the_answer_of_2019() -> None:
    body = views.predicted(ID, record(jobs.Status.SUCCEEDED, b'"setosa"'))

    assert json.loads(body) == {"query_id": ID, "output": "setosa", "default": False}


def test_several() -> None:
    assert views.several([]) == b'{"jobs":[]}'
    assert views.several([b"1", b"2"], cursor="x") == b'{"jobs":[1,2],"next":"x"}'
    assert views.several([], cursor=None) == b'{"jobs":[],"next":null}'
