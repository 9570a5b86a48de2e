# mypy: ignore-errors
"""An empty FastAPI route: what the front of any of them costs at least."""

import fastapi

app = fastapi.FastAPI()


@app.post("/empty")
async def empty():
    """Nothing."""
    return {"status": "succeeded"}
