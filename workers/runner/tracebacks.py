"""The author's own traceback: what happened in their code, without our frames."""

import os
import traceback

from . import model

_MOST = 20_000


def text(error: BaseException, bundle: str) -> str:
    """The traceback as Python prints it, from the author's first frame on; at most 20,000 characters.

    The author's files are named as they are in the `bundle`, without our folder before them.
    """
    frame = error.__traceback__
    while frame is not None and _ours(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    try:
        lines = traceback.format_exception(type(error), error, frame, limit=-60)
        found = "".join(lines).replace(bundle + os.sep, "")
    except Exception as second:  # noqa: BLE001  boundary: an exception whose own __str__ raises
        return f"{type(error).__name__} (its traceback cannot be shown: {type(second).__name__})"
    return found if len(found) <= _MOST else "…" + found[-_MOST:]


def summary(error: BaseException) -> str:
    """One line: type and words."""
    try:
        words = str(error).strip()
    except Exception:  # noqa: BLE001  boundary: an exception whose own __str__ raises
        words = ""
    name = type(error).__name__
    return f"{name}: {words[:2000]}" if words else name


def _ours(filename: str) -> bool:
    return filename.startswith((model.OWN_FOLDER, "<frozen importlib"))
