# mypy: ignore-errors
"""arq: a FastAPI front and workers. Results stay 24 h. Its workers ask every 0.5 s by default; here every 5 ms."""

import contextlib
import os

import arq
import fastapi
from arq.connections import RedisSettings
from arq.jobs import Job as ArqJob
from body import Job

if "BENCH_WORKER" in os.environ:
    import model

URL = os.environ["BENCH_REDIS"]


async def predict(_context, values):
    """One job."""
    return model.one(values)


class WorkerSettings:
    """Read by `arq app_arq.WorkerSettings`."""

    functions = (predict,)
    redis_settings = RedisSettings.from_dsn(URL)
    keep_result = 24 * 3600
    poll_delay = 0.005
    max_jobs = 64
    handle_signals = True


@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.pool = await arq.create_pool(RedisSettings.from_dsn(URL))
    yield
    await app.state.pool.aclose()


app = fastapi.FastAPI(lifespan=lifespan)


@app.post("/jobs", status_code=202)
async def submit(job: Job):
    """Accept a job."""
    made = await app.state.pool.enqueue_job("predict", job.input)
    return {"id": made.job_id, "status": "queued"}


@app.get("/jobs/{job_id}")
async def look(job_id: str):
    """A job."""
    found = await ArqJob(job_id, app.state.pool).result_info()
    if found is None:
        return {"id": job_id, "status": "queued"}
    return {"id": job_id, "status": "succeeded" if found.success else "failed", "output": found.result}
