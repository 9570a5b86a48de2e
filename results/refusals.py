"""What GET refuses, and what to do then."""

from results import records, views
from wire import jobs, problems


def no_job(job_id: str) -> problems.Problem:
    """404 of an id that is not the caller's, or nobody's."""
    return problems.Problem(
        404,
        "No such job",
        f"{job_id[:140]!r} is no id that Panini made for this account; "
        "a client's own id is read at /v1/models/{model}/jobs/{id}",
    )


def unread(what: str) -> problems.Problem:
    """404 of what only Kafka may know so far."""
    return problems.Problem(
        404,
        "Not known yet",
        f"{what} is not known: a job produced straight to Kafka is known once a worker has read it, so try again "
        "shortly; else check the model, the id, and whether its record was produced to the model's topic",
        headers={"Retry-After": "1"},
    )


def too_old(job_id: str, issued_ms: int) -> problems.Problem:
    """410 of an id of ours whose job is past the maximum age and of which nothing is kept."""
    return problems.Problem(
        410,
        "Gone",
        f"job {job_id} was accepted at {views.iso(issued_ms)}; nothing is kept of it any more. Send its input again",
        created_at=views.iso(issued_ms),
    )


def gone(job_id: str, found: records.Record) -> problems.Problem:
    """410 of a job whose result was kept long enough."""
    ended, until = views.iso(found.completed_at or 0), views.iso(found.expires_at or 0)
    return problems.Problem(
        410,
        "Result expired",
        f"job {job_id} {found.status} at {ended}; its result was kept until {until}. Send its input again",
        job_status=found.status,
        completed_at=ended,
        expired_at=until,
    )


def no_output(job_id: str, found: records.Record | None) -> problems.Problem:
    """409 of an output that is not there, or not yet."""
    status = jobs.Status.QUEUED if found is None else found.status
    if found is not None and found.terminal:
        detail = f"job {job_id} {status}; GET /v1/jobs/{job_id} says why"
        return problems.Problem(409, "No output", detail, job_status=status)
    detail = f"job {job_id} is {status}; ask again with ?wait=20"
    return problems.Problem(409, "No output yet", detail, headers={"Retry-After": "1"}, job_status=status)


def no_room(used: int, most: int, **more: object) -> problems.Problem:
    """503 of a new job while results have no room."""
    return problems.Problem(
        503,
        "No room for results",
        f"results take {used >> 20} of {most >> 20} MiB; none is dropped, and what was accepted still ends. DELETE "
        "jobs whose results you have, or send it again later; the operator may give Redis more memory, raise "
        "PANINI_RESULT_BUDGET or lower PANINI_RESULT_KEEP_HOURS",
        headers={"Retry-After": "10"},
        **more,
    )


def away() -> problems.Problem:
    """503 while the store cannot be read: never a false 404."""
    return problems.Problem(
        503,
        "Results cannot be read now",
        "the store of results is away; the job itself is safe, ask again",
        headers={"Retry-After": "2"},
    )
