# mypy: ignore-errors
"""What every front takes: checked by pydantic, as FastAPI's users do."""

from pydantic import BaseModel


class Job(BaseModel):
    """The body of a POST."""

    input: list[float]
