"""Panini's own processes, started one by one as production starts them, on the servers of the fixtures."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx

from panini.stack import kafka as stack_kafka
from panini.stack import secrets as stack_secrets
from panini.stack import valkey as stack_valkey

PATIENCE = 90.0
"""Seconds that something may take: only a test that fails waits so long."""


def until(met: Callable[[], Any], words: str) -> Any:
    """The first true value of `met`. Fails with `words`."""
    end = time.monotonic() + PATIENCE
    while True:
        value = met()
        if value:
            return value
        assert time.monotonic() < end, words
        time.sleep(0.05)


def secrets_folder(folder: pathlib.Path, kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey) -> pathlib.Path:
    """A folder of secrets as production mounts it, with the passwords of these servers."""
    stack_secrets.ensure(folder)
    (folder / "panini_kafka_password").write_text(kafka.password)
    (folder / "panini_redis_password").write_text(valkey.password)
    return folder


def addresses(kafka: stack_kafka.Kafka, valkey: stack_valkey.Valkey) -> dict[str, str]:
    """Where the servers are, as PANINI_… variables."""
    return {"PANINI_KAFKA": kafka.bootstrap, "PANINI_KAFKA_USERNAME": kafka.username, "PANINI_REDIS": valkey.url}


def clean() -> dict[str, str]:
    """This process's environment without anything of Panini's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PANINI_")}


class Processes:
    """Every process of a test, none of which outlives it."""

    def __init__(self, logs: pathlib.Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        command: Sequence[object],
        environ: Mapping[str, str],
        *,
        cwd: pathlib.Path | None = None,
        bare: bool = False,
    ) -> None:
        """Run `command`; its words go to a log. `bare`: with nothing but `environ`."""
        with (self._logs / f"{name}.log").open("ab") as out:
            self._running[name] = subprocess.Popen(
                [str(word) for word in command],
                env=dict(environ) if bare else clean() | dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=cwd,
                start_new_session=True,
            )

    def panini(
        self, name: str, arguments: Sequence[str], environ: Mapping[str, str], *, cwd: pathlib.Path | None = None
    ) -> None:
        """Run the program `panini`, of the packages that lie in `cwd`."""
        self.start(name, [sys.executable, "-m", "panini", *arguments], environ, cwd=cwd)

    def log(self, name: str) -> str:
        """What it said, its end."""
        return (self._logs / f"{name}.log").read_text(errors="replace")[-6000:]

    def answers(self, name: str, url: str, status: int = 200) -> None:
        """Wait until `url` answers with `status`; fails with the process's log when it ends."""

        def answered() -> bool:
            self.lives(name)
            with contextlib.suppress(httpx.HTTPError):
                return httpx.get(url, trust_env=False, timeout=5).status_code == status
            return False

        try:
            until(answered, f"{name} does not answer at {url}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log(name)}") from None

    def pid(self, name: str) -> int:
        """Its process id."""
        return self._running[name].pid

    def gone(self, name: str) -> int:
        """The exit code of a process that was killed, or told to stop, once it is no more."""
        code = self._running[name].wait(60)
        del self._running[name]
        return code

    def lives(self, name: str) -> None:
        """Fails with the process's log when it ended."""
        process = self._running[name]
        assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)}"

    def code(self, name: str) -> int | None:
        """How it ended; None: it runs."""
        return self._running[name].poll()

    def kill(self, name: str) -> None:
        """`kill -9`, and wait until it is gone."""
        process = self._running.pop(name)
        process.kill()
        process.wait(20)

    def stop(self, name: str) -> int:
        """SIGTERM; the exit code."""
        self._running[name].terminate()
        return self.gone(name)

    def end(self) -> None:
        """Let nothing survive, however the test ended."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)


@contextlib.contextmanager
def running(logs: pathlib.Path) -> Iterator[Processes]:
    """Processes that end with the block."""
    made = Processes(logs)
    try:
        yield made
    finally:
        made.end()
