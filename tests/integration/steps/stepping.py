"""One of Panini's own processes, which stops itself (SIGSTOP) right after the step that a file names, for tests that
then look around and kill it.

    python stepping.py FOLDER worker MODEL        python stepping.py FOLDER api

The product knows nothing of it: methods are wrapped from here, before the service is made. Which step, FOLDER/stop-at
says; it is asked anew after each, and the file goes with the step that it named.
"""

import functools
import inspect
import os
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from ingest import accept, idempotency, notes, producer
from panini import serve, work
from results import store
from workers import commits, fleet, parking, pipeline, replies, source

WORKER: Final[dict[str, tuple[Any, str]]] = {
    "received": (pipeline.Pipeline, "receive"),
    "claimed": (store.Store, "claim"),
    "predicted": (fleet.Fleet, "run"),
    "given back": (store.Store, "postpone"),
    "parked": (parking.Parking, "park"),
    "stored": (store.Store, "finish"),
    "replied": (replies.Replies, "send"),
    "finished": (source.Source, "finished"),
    "committed": (commits, "write"),
}
"""What a worker does for a batch → the method whose return is the end of that step."""

API: Final[dict[str, tuple[Any, str]]] = {
    "named": (accept.Acceptor, "_envelope"),
    "reserved": (idempotency.Idempotency, "hold"),
    "handed to the producer": (producer.Producer, "_send"),
    "acknowledged": (producer.Producer, "accept_record"),
    "to be noted": (notes.Notes, "accepted"),
    "marked as accepted": (idempotency.Idempotency, "accepted"),
    "answered": (accept.Acceptor, "submit"),
    "noted": (notes.Notes, "_write"),
}
"""What an API process does for a POST."""


def stopping(call: Callable[..., Any], step: str, asked: pathlib.Path) -> Callable[..., Any]:
    """`call`, after which the process stands still when that step is asked for."""

    def reached(result: object) -> None:
        # a commit that the broker did not take, and a reply to nobody, are no step
        if result is not False and asked.exists() and asked.read_text() == step:
            asked.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)

    if inspect.iscoroutinefunction(call):

        @functools.wraps(call)
        async def later(*args: Any, **kwargs: Any) -> Any:
            result = await call(*args, **kwargs)
            reached(result)
            return result

        return later

    @functools.wraps(call)
    def now(*args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        reached(result)
        return result

    return now


def main(folder: str, role: str, *arguments: str) -> int:
    """Run the service; its exit code."""
    for step, (owner, name) in (WORKER if role == "worker" else API).items():
        setattr(owner, name, stopping(getattr(owner, name), step, pathlib.Path(folder) / "stop-at"))
    return work.run("default", *arguments) if role == "worker" else serve.run("all")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
