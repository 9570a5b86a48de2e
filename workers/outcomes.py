"""What became of one input in a runner, and of one batch."""

from typing import Final, TypeAlias

import msgspec

from wire import jobs


class Output(msgspec.Struct, frozen=True):
    """predict() answered."""

    data: bytes
    media: str | None = None
    """None: `data` is JSON text in UTF-8. Else `data` is raw bytes of this media type, such as image/png."""


class Failure(msgspec.Struct, frozen=True):
    """This input failed; the runner lives on."""

    type: jobs.ErrorType
    message: str
    traceback: str = ""
    """The author's own traceback, without our frames."""
    retry_after: float | None = None
    """Seconds: the author raised panini.Retry. None: not asked for."""


class Lost(msgspec.Struct, frozen=True):
    """The runner ended before it answered this input."""

    type: jobs.ErrorType
    """crashed, timeout or out_of_memory."""
    message: str
    began: bool = True
    """Whether predict() may have been running with this input. False: it is not at fault, run it again uncharged."""


Outcome: TypeAlias = Output | Failure | Lost

_OUTPUTS: Final[frozenset[type]] = frozenset({Output})


def answered(found: list[Outcome]) -> bool:
    """Whether all of them are outputs, as they mostly are."""
    return _OUTPUTS.issuperset(map(type, found))


class Ran(msgspec.Struct, frozen=True):
    """One batch's end."""

    outcomes: list[Outcome]
    """One per input, in their order."""
    predict_ms: float
    """Milliseconds inside predict(), summed over the batch; 0 where the runner ended."""
    batch_error: str | None = None
    """A predict() call with several inputs raised this, so nobody knows whose fault it was: run them one by one.
    Every outcome is then a Failure with these words."""
    asked: bool = False
    """Panini itself ended the runner, for a canceled job or a stop: nobody's fault."""
