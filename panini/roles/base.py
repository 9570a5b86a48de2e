"""What the roles of a process share while it starts: the application, its settings, and how things end."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable

import fastapi

from wire import settings

log = logging.getLogger(__name__)


class Process:
    """One HTTP process on its way up; what is pushed on its stack is undone when it goes down."""

    def __init__(self, app: fastapi.FastAPI, stack: contextlib.AsyncExitStack) -> None:
        self.app = app
        self.stack = stack
        self.service = settings.Service.load()
        self.connections = settings.Connections.load()

    async def background(self, work: Awaitable[None]) -> None:
        """Run `work` until the process ends; an error of ours in it is told at once, not at the end."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(_tell)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)


def _tell(task: "asyncio.Future[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a background task ended", exc_info=error)
