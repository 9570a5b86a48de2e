"""Waiting for a server to answer while watching that its process lives: a port that answers may be a stranger's."""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence

from panini.stack import errors, process

TAIL = 15  # lines of the log that a failure shows


async def first(
    child: process.Child, answers: Coroutine[None, None, None], timeout: float, ignore: Sequence[str] = ()
) -> None:
    """Returns when `answers` does. `ignore`: parts of log lines that explain nothing.

    Raises:
        ServerFailed: the process ended first, or `timeout` seconds went by; with the end of its log.
    """
    ended, answered = asyncio.ensure_future(child.wait()), asyncio.ensure_future(answers)
    try:
        await asyncio.wait((ended, answered), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise errors.ServerFailed(failure(child, f"ended with code {ended.result()}", ignore))
        if not answered.done():
            raise errors.ServerFailed(failure(child, f"did not answer within {timeout:.0f} s", ignore))
        answered.result()
    finally:
        for task in (ended, answered):
            task.cancel()
        for task in (ended, answered):
            with contextlib.suppress(asyncio.CancelledError, errors.ServerFailed):
                await task


def failure(child: process.Child, what: str, ignore: Sequence[str] = ()) -> str:
    """The message for a server that did not start."""
    lines = [line for line in child.log_of_this_run().splitlines() if not any(part in line for part in ignore)]
    return "\n".join([f"{child.spec.name} {what}. The end of {child.spec.log}:", *lines[-TAIL:]])
