"""What is compared: each system starts its processes, says how it is asked, and who plays which role."""

import abc
import contextlib
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Final

from benchmarks import environments, servers, subjects, targets, usage
from panini.stack import ports

APPS: Final = pathlib.Path(__file__).with_name("apps")


class System(abc.ABC):
    """Started, asked, stopped; again as often as rounds want it."""

    name: str
    subject: subjects.Subject
    """The model that it serves."""
    asynchronous: bool
    """Takes jobs that are looked at later; else it answers at once."""
    waits: bool = False
    """Knows `Prefer: wait`."""

    @abc.abstractmethod
    def start(self) -> None:
        """Start its processes and wait until they answer. Raises servers.Failed."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End them."""

    @abc.abstractmethod
    def target(self) -> targets.Target:
        """How it is asked."""

    @abc.abstractmethod
    def roles(self) -> list[usage.Role]:
        """Its processes by what they do, and the client."""

    @property
    @abc.abstractmethod
    def made_of(self) -> str:
        """Processes and versions, for the reader."""


class Peer(System):
    """A front of one process over Redis and two worker processes; or two processes that hold the model themselves."""

    def __init__(
        self,
        name: str,
        label: str,
        front: Sequence[str],
        workers: Sequence[Sequence[str]] = (),
        *,
        note: str,
        subject: subjects.Subject,
    ) -> None:
        self.name, self.subject = label, subject
        self.asynchronous = bool(workers)
        self._package, self._front_argv, self._worker_argv, self._note = name, front, workers, note
        self._stack = contextlib.ExitStack()
        self._port = 0
        self._running: list[servers.Server] = []

    def start(self) -> None:
        """See System."""
        program = environments.python(self._package, self.subject.bundle / "requirements.txt")
        self._stack = contextlib.ExitStack()
        folder = pathlib.Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="panini-bench-")))
        environ = {"BENCH_EXAMPLE": str(self.subject.bundle), "PYTHONPATH": str(APPS)}
        self._running = []
        try:
            if self.asynchronous:
                kept = servers.Valkey(folder)
                self._stack.callback(kept.server.stop)
                kept.start()
                self._running.append(kept.server)
                environ["BENCH_REDIS"] = kept.url
            self._port = ports.any_free()
            lines = [("front", self._front_argv)]
            lines += [(f"worker{number}", argv) for number, argv in enumerate(self._worker_argv)]
            for name, argv in lines:
                words = [str(program.parent / argv[0]), *(word.format(port=self._port) for word in argv[1:])]
                part = {"BENCH_WORKER": "1"} if name.startswith("worker") else {}
                server = servers.Server(name, words, folder=folder, environ=environ | part, cwd=APPS)
                self._stack.callback(server.stop)
                self._running.append(server.start())
            front = next(server for server in self._running if server.name == "front")
            front.until(lambda: servers.listens(self._port), "it listens")
        except BaseException:
            self._stack.close()
            raise

    def stop(self) -> None:
        """See System."""
        self._stack.close()

    def target(self) -> targets.Target:
        """See System."""
        path = "/jobs" if self.asynchronous else "/predict"
        return targets.Target(host=ports.HOST, port=self._port, submit=path)

    def roles(self) -> list[usage.Role]:
        """See System."""
        workers = tuple(server.pid for server in self._running if server.name.startswith("worker"))
        roles = [usage.Role(name=s.name, roots=(s.pid,)) for s in self._running if not s.name.startswith("worker")]
        return [*roles, *([usage.Role(name="worker", roots=workers)] if workers else []), usage.client()]

    @property
    def made_of(self) -> str:
        """See System."""
        return f"{environments.versions(self._package)}: {self._note}"


UVICORN: Final = ("uvicorn", "--host", ports.HOST, "--port", "{port}", "--no-access-log", "--log-level", "warning")
UVICORN_FAST: Final = (*UVICORN, "--loop", "uvloop", "--http", "httptools", "--timeout-keep-alive", "75")
GUNICORN: Final = ("gunicorn", "--bind", f"{ports.HOST}:{{port}}", "--keep-alive", "75", "--log-level", "warning")


def peers(subject: subjects.Subject) -> list[Peer]:
    """The other systems, each with as many Python processes that work as Panini has: three, or two without a queue."""
    front_and_two = "one uvicorn process, two worker processes"
    return [
        Peer(
            "taskiq",
            "taskiq",
            (*UVICORN_FAST, "app_taskiq:app"),
            [("taskiq", "worker", "app_taskiq:broker", "--workers", "2", "--log-level", "WARNING")],
            note=front_and_two,
            subject=subject,
        ),
        Peer(
            "dramatiq",
            "dramatiq",
            (*UVICORN_FAST, "app_dramatiq:app"),
            [("dramatiq", "app_dramatiq", "--processes", "2", "--threads", "8")],
            note=f"{front_and_two} of 8 threads (its default)",
            subject=subject,
        ),
        Peer(
            "arq",
            "arq",
            (*UVICORN_FAST, "app_arq:app"),
            [("arq", "app_arq.WorkerSettings"), ("arq", "app_arq.WorkerSettings")],
            note=f"{front_and_two}, asking every 5 ms (default: 500)",
            subject=subject,
        ),
        Peer(
            "celery",
            "Celery",
            (*UVICORN_FAST, "app_celery:app"),
            [("celery", "-A", "app_celery:tasks", "worker", "--concurrency", "2", "--loglevel", "WARNING")],
            note=f"{front_and_two} and their parent",
            subject=subject,
        ),
        Peer(
            "fastapi",
            "FastAPI, model inline",
            (*UVICORN_FAST, "--workers", "2", "app_fastapi:app"),
            note="two uvicorn processes",
            subject=subject,
        ),
        Peer(
            "flask",
            "Flask + gunicorn, model inline",
            (*GUNICORN, "--workers", "2", "--worker-class", "gthread", "--threads", "32", "app_flask:app"),
            note="two gunicorn processes of 32 threads, so that connections stay open",
            subject=subject,
        ),
    ]
