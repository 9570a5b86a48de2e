# mypy: ignore-errors
"""dramatiq with Redis, as its documentation shows it: a FastAPI front and workers. Results stay 24 h."""

import os

import dramatiq
import fastapi
from body import Job
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from dramatiq.results.errors import ResultMissing

if "BENCH_WORKER" in os.environ:
    import model

URL = os.environ["BENCH_REDIS"]
KEEP = 24 * 3600 * 1000

results = RedisBackend(url=URL)
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=results, result_ttl=KEEP))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def predict(values):
    """One job."""
    return model.one(values)


app = fastapi.FastAPI()


# `async` around a call that blocks shortly: no hand-over to a thread.
@app.post("/jobs", status_code=202)
async def submit(job: Job):
    """Accept a job."""
    return {"id": predict.send(job.input).message_id, "status": "queued"}


@app.get("/jobs/{job_id}")
async def look(job_id: str):
    """A job."""
    asked = dramatiq.Message(
        queue_name=predict.queue_name,
        actor_name=predict.actor_name,
        args=(),
        kwargs={},
        options={},
        message_id=job_id,
    )
    try:
        output = results.get_result(asked)
    except ResultMissing:
        return {"id": job_id, "status": "queued"}
    return {"id": job_id, "status": "succeeded", "output": output}
