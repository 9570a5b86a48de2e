"""Errors of workers: one base, each with its own words."""


class WorkerError(Exception):
    """Something a worker could not do."""


class ProtocolError(WorkerError):
    """The runner sent something that is no message of the protocol. It is ended; the worker goes on."""


class LagUnknown(WorkerError):
    """Kafka did not tell how much waits. What was decided before stays."""


class KafkaAway(WorkerError):
    """Kafka did not take or tell something in time."""


class KafkaRefused(WorkerError):
    """Kafka will never take that: a record larger than its topic allows."""


class Quarantined(WorkerError):
    """A version's runner failed to start too often: it is left alone for a while."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
        """How long still."""


class StartFailed(WorkerError):
    """The runner's process could not be started at all: this machine's trouble, not the model's."""


class LoadFailed(WorkerError):
    """The entry file or its load() raised, or the runner ended while loading."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.traceback = traceback
        """The author's own traceback, without our frames; empty where there is none."""


class StartTimeout(LoadFailed):
    """Import and load() took longer than the version's load_timeout."""


class RunnerEnded(WorkerError):
    """The runner ended during a trial of batches."""

    def __init__(self, message: str, *, began: bool) -> None:
        super().__init__(message)
        self.message = message
        self.began = began
        """Whether the trial may have been running: else it was not its fault."""


class BuildFailed(WorkerError):
    """A version cannot be run, and where it failed."""

    def __init__(self, *, step: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{step}: {message}")
        self.step = step
        """`files`, `environment`, `load` or `check`."""
        self.message = message
        self.traceback = traceback


class LibraryChanged(WorkerError):
    """A library is not the one that this code relies on; install the pinned version."""
