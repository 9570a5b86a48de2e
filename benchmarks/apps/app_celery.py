# mypy: ignore-errors
"""Celery with Redis, as its documentation shows it: a FastAPI front and workers. Results stay 24 h."""

import os

import celery
import fastapi
from body import Job
from celery.result import AsyncResult

if "BENCH_WORKER" in os.environ:
    import model

URL = os.environ["BENCH_REDIS"]

tasks = celery.Celery("bench", broker=URL, backend=URL)
tasks.conf.update(result_expires=24 * 3600, broker_connection_retry_on_startup=True)


@tasks.task(name="predict")
def predict(values):
    """One job."""
    return model.one(values)


app = fastapi.FastAPI()


# `async` around a call that blocks shortly: no hand-over to a thread.
@app.post("/jobs", status_code=202)
async def submit(job: Job):
    """Accept a job. The result is polled, so the front subscribes to none."""
    return {"id": predict.apply_async((job.input,)).id, "status": "queued"}


@app.get("/jobs/{job_id}")
async def look(job_id: str):
    """A job."""
    found = AsyncResult(job_id, app=tasks)
    state = found.state
    if state != "SUCCESS":
        return {"id": job_id, "status": "failed" if state == "FAILURE" else "queued"}
    return {"id": job_id, "status": "succeeded", "output": found.result}
