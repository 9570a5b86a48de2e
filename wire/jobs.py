"""The words a job's life is told in: its status, why it failed, what its input may be."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a job stands. The last four are terminal: reached once, never left."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


TERMINAL: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED})


class ErrorType(StrEnum):
    """Why a job failed: `error.type` of a job."""

    PREDICT_ERROR = "predict_error"
    INVALID_INPUT = "invalid_input"
    INVALID_OUTPUT = "invalid_output"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    MODEL_UNAVAILABLE = "model_unavailable"


class InputType(StrEnum):
    """What one input of a model is: raw bytes, a one-dimensional or nested array of numbers, strings, or any JSON."""

    BYTES = "bytes"
    INTS = "ints"
    FLOATS = "floats"
    DOUBLES = "doubles"
    STRINGS = "strings"
    JSON = "json"


class Framework(StrEnum):
    """Which checks and hints a deploy gives; nothing else depends on it."""

    PYTORCH = "pytorch"
    PYTHON = "python"
    FASTAI = "fastai"
