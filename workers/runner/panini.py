"""What `import panini` gives inside predict.py. All of it is optional."""

from collections.abc import Callable
from typing import Any


class InvalidInput(Exception):
    """Raise it for an input that can never work: the job fails as invalid_input with these words, without a retry."""


class Retry(Exception):
    """Raise it for a trouble that passes: the job is tried again after `after` seconds."""

    def __init__(self, message: str = "", *, after: float = 10.0) -> None:
        super().__init__(message or f"to be tried again in {after:g} s")
        self.after = float(after)


def progress(fraction: float, text: str = "") -> None:
    """Say how far the current job is: `fraction` from 0 to 1, and a few words. Costs little; calls may be thinned."""
    _report(min(1.0, max(0.0, float(fraction))), str(text)[:500])


def _nowhere(_fraction: float, _text: str) -> Any:
    """Outside of a runner progress goes nowhere, so that predict.py can be tried by hand."""


_report: Callable[[float, str], Any] = _nowhere
