"""HTTP out: the jobs' results. The logic is in `answers`; here are only addresses and their documentation."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from results import answers, documents
from wire import access, specs

Key = Annotated[specs.Key, Depends(access.caller)]

router = APIRouter(prefix="/v1", tags=["results"])


@router.get(
    "/jobs/{job_id}",
    summary="A job's status and result",
    response_class=Response,
    openapi_extra={"parameters": documents.WAIT},
    responses=documents.COMMON
    | {
        200: documents.ok(
            "The job", documents.JOB, succeeded=documents.EXAMPLE, queued=documents.QUEUED, failed=documents.FAILED
        ),
        304: {"description": "If-None-Match names the job's ETag: it ended, and you have it"},
        410: documents.GONE,
        422: documents.WAIT_RANGE,
    },
)
async def job(request: Request, key: Key, job_id: str) -> Response:
    """Every id that Panini made, from the moment of its 202. A job that ended never changes again."""
    state = request.app.state
    return response(await state.results.job(state.directory, key, job_id, asked(request)))


@router.get(
    "/jobs/{job_id}/output",
    summary="A job's output as a file",
    response_class=Response,
    openapi_extra={"parameters": documents.WAIT},
    responses=documents.COMMON
    | {
        200: {"description": "The output: raw bytes in their media type, else JSON", "content": {"*/*": {}}},
        409: documents.problem(409, "No output yet", f"job {documents.ID} is running; ask again with ?wait=20"),
        410: documents.GONE,
        422: documents.WAIT_RANGE,
    },
)
async def output(request: Request, key: Key, job_id: str) -> Response:
    """Of a job that succeeded; 409 of any other."""
    state = request.app.state
    return response(await state.results.output(state.directory, key, job_id, asked(request)))


@router.get(
    "/models/{model}/jobs/{job_id}",
    summary="A job by any id, a client's own included",
    response_class=Response,
    openapi_extra={"parameters": documents.WAIT},
    responses=documents.COMMON
    | {
        200: documents.ok("The job", documents.JOB, succeeded=documents.EXAMPLE),
        404: documents.UNREAD,
        410: documents.GONE,
        422: documents.WAIT_RANGE,
    },
)
async def job_of_model(request: Request, key: Key, model: str, job_id: str) -> Response:
    """A job that was produced straight to Kafka is known once a worker has read its record."""
    state = request.app.state
    return response(await state.results.job_of_model(state.directory, key, model, job_id, asked(request)))


@router.get(
    "/models/{model}/records/{partition}/{offset}",
    summary="The jobs of a Kafka record",
    response_class=Response,
    openapi_extra={"parameters": documents.WAIT},
    responses=documents.COMMON
    | {
        200: documents.ok("Its jobs", documents.SEVERAL, one={"jobs": [documents.EXAMPLE]}),
        404: documents.UNREAD,
        410: documents.GONE,
        422: documents.WAIT_RANGE,
    },
)
async def record(request: Request, key: Key, model: str, partition: str, offset: str) -> Response:
    """By the partition and offset that a producer got: those of its jobs that workers have read."""
    state = request.app.state
    place = (partition, offset)
    return response(await state.results.record(state.directory, key, model, place, asked(request)))


@router.get(
    "/models/{model}/jobs",
    summary="A model's jobs, newest first",
    response_class=Response,
    openapi_extra={"parameters": documents.LIST},
    responses=documents.COMMON
    | {
        200: documents.ok(
            "A page", documents.PAGE, first={"jobs": [documents.LISTED], "next": f"1767268800000~{documents.ID}"}
        ),
        422: documents.WAIT_RANGE,
    },
)
async def jobs_of_model(request: Request, key: Key, model: str) -> Response:
    """Those that workers have read, without their outputs. A page may be short and still name a next one."""
    state = request.app.state
    query = request.query_params
    answer = await state.results.page(
        state.directory,
        key,
        model,
        status=query.get("status"),
        cursor=query.get("cursor"),
        limit=query.get("limit"),
    )
    return response(answer)


def asked(request: Request) -> answers.Asked:
    """What a request brings beside its path."""
    headers = request.headers
    return answers.Asked(
        wait=request.query_params.get("wait"),
        prefer=headers.get("prefer"),
        if_none_match=headers.get("if-none-match"),
    )


def response(answer: answers.Answer) -> Response:
    """An answer as FastAPI sends it."""
    return Response(answer.body, answer.status, answer.headers)
