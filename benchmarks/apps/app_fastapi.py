# mypy: ignore-errors
"""FastAPI with the model inside: what one would write first. Nothing is kept, nothing survives the process."""

import fastapi
import model
from body import Job

app = fastapi.FastAPI()


@app.post("/predict")
async def predict(job: Job):
    """The answer. In the loop: no hand-over to a thread."""
    return {"output": model.one(job.input)}
