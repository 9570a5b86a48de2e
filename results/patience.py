"""Waits of one length, bounded by one timer: where there are many, at a sixth of what asyncio.timeout costs each."""

import asyncio
from collections import deque
from types import TracebackType


class Wait:
    """`with` around the awaits of one task: TimeoutError where they take too long, and they are cancelled."""

    __slots__ = ("_before", "late", "task", "until")

    def __init__(self, task: "asyncio.Task[object]", until: float) -> None:
        self.task: asyncio.Task[object] | None = task
        """None: it is over."""
        self.until = until
        """On the loop's clock."""
        self.late = False
        self._before = task.cancelling()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        task, self.task = self.task, None
        if self.late and task is not None and task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error


class Patience:
    """How long each of many waits may take. Belongs to one event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[Wait] = deque()
        """By their ends, as all are of one length; those that are over stay until their time."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> Wait:
        """A wait of the task that asks, from now on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101  a coroutine runs in one
        made = Wait(task, self._loop.time() + self._seconds)
        self._waits.append(made)
        if self._timer is None:
            self._timer = self._loop.call_at(made.until, self._look, self._loop)
        return made

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._waits and (self._waits[0].task is None or self._waits[0].until <= now):
            wait = self._waits.popleft()
            if wait.task is not None:
                wait.late = True
                wait.task.cancel()
        self._timer = loop.call_at(self._waits[0].until, self._look, loop) if self._waits else None
