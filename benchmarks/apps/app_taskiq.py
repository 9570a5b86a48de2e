# mypy: ignore-errors
"""taskiq with Redis, as its documentation shows it: a FastAPI front and workers. Results stay 24 h."""

import contextlib
import os

import fastapi
import taskiq_redis
from body import Job
from taskiq_redis.exceptions import ResultIsMissingError

if "BENCH_WORKER" in os.environ:
    import model

URL = os.environ["BENCH_REDIS"]
KEEP = 24 * 3600

results = taskiq_redis.RedisAsyncResultBackend(URL, result_ex_time=KEEP)
Broker = getattr(taskiq_redis, os.environ.get("BENCH_TASKIQ_BROKER", "ListQueueBroker"))
broker = Broker(URL).with_result_backend(results)


@broker.task
async def predict(values: list[float]) -> dict:
    """One job. In the loop: no hand-over to a thread."""
    return model.one(values)


@contextlib.asynccontextmanager
async def lifespan(_):
    await broker.startup()
    yield
    await broker.shutdown()


app = fastapi.FastAPI(lifespan=lifespan)


@app.post("/jobs", status_code=202)
async def submit(job: Job):
    """Accept a job."""
    task = await predict.kiq(job.input)
    return {"id": task.task_id, "status": "queued"}


@app.get("/jobs/{job_id}")
async def look(job_id: str):
    """A job. Asked once: `is_result_ready` first would be a second question."""
    try:
        result = await results.get_result(job_id)
    except ResultIsMissingError:
        return {"id": job_id, "status": "queued"}
    return {"id": job_id, "status": "failed" if result.is_err else "succeeded", "output": result.return_value}
