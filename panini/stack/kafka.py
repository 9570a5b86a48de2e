"""The embedded Kafka: a real broker in KRaft mode, one process, data in its folder of the home."""

import asyncio
import base64
import contextlib
import functools
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import kafka
import kafka.errors

from panini.stack import broker, errors, home, jars, java, maven, pidfile, ports, process, ready, settings

NAME = "kafka"
FORMAT_TIMEOUT = 60  # seconds
PROBE_TIMEOUT_MS = 2000
POLL = 0.05  # seconds between looks at the port
NOISE = ("\tat ",)  # of a Java stack trace the messages explain, the frames do not


class Kafka:
    """One broker of a home. `start` may be called again after it ended."""

    def __init__(self, place: home.Home, options: settings.Settings, where: ports.Ports, password: str) -> None:
        self.place = place
        self.options = options
        self.where = where
        self.username = broker.USERNAME
        self.password = password
        self._child: process.Child | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port`."""
        return f"{ports.HOST}:{self.where.kafka}"

    @property
    def client(self) -> dict[str, Any]:
        """Keyword arguments for every client of kafka-python."""
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }

    @property
    def child(self) -> process.Child:
        """The running process. Raises ServerFailed before the first start."""
        if self._child is None:
            raise errors.ServerFailed("Kafka was not started.")
        return self._child

    async def start(self, progress: jars.Progress | None = None) -> None:
        """Fetches what is missing, ends what an earlier run left, starts the broker and returns when it answers.

        Raises:
            StackError: NoJava, JarsUnavailable, PortTaken, ProcessLeft, HomeUnusable, ServerFailed.
        """
        cache = home.shared_cache(self.options.cache, self.place)
        repo = maven.repository(self.options.maven_repository)
        interrupted = threading.Event()
        try:
            runtime, libraries, _ = await asyncio.gather(
                asyncio.to_thread(java.find),
                asyncio.to_thread(jars.fetch, cache, repo, progress, stop=interrupted),
                pidfile.stop_left(self.place.pid_file(NAME), name="Kafka", grace=self.options.stop_timeout),
            )
        finally:
            interrupted.set()  # a thread cannot be cancelled, and Ctrl-C shall not wait for downloads
        ports.require_free(self.where.kafka, what="Kafka", setting="PANINI_KAFKA_PORT")
        ports.require_free(self.where.kafka_controller, what="Kafka", setting="PANINI_KAFKA_CONTROLLER_PORT")
        names = [jar.name for jar in libraries]
        await asyncio.to_thread(self._prepare, runtime, libraries[0].parent, names)
        run = broker.command(runtime, names, self.options.kafka_heap_mb, "kafka.Kafka", broker.CONFIGURATION)
        self._child = process.Child(
            process.Spec(
                name="Kafka",
                argv=run,
                cwd=self.place.kafka,
                log=self.place.log(NAME),
                pid_file=self.place.pid_file(NAME),
                env=environment(),
            )
        )
        await self._child.start()
        await self._ready(self._child)

    async def stop(self) -> None:
        """Ends the broker: SIGTERM, and SIGKILL when its time is over. No error where it does not run."""
        if self._child is not None:
            await self._child.stop(self.options.stop_timeout)

    def _prepare(self, runtime: java.Java, libraries: Path, names: Sequence[str]) -> None:
        """Writes the configuration and, once in the life of a home, formats the data folder."""
        folder = self.place.kafka
        _link(folder / broker.LIBRARIES, libraries)
        shutil.rmtree(folder / broker.TEMPORARY, ignore_errors=True)
        (folder / broker.TEMPORARY).mkdir()
        _write_private(folder / broker.CONFIGURATION, broker.properties(self.where, self.password))
        if (folder / broker.DATA).exists():
            return
        fresh = f"{broker.DATA}.new"  # renamed when it is whole, so that a killed first start begins anew
        shutil.rmtree(folder / fresh, ignore_errors=True)
        _write_private(folder / "format.properties", broker.properties(self.where, self.password, fresh))
        cluster = base64.urlsafe_b64encode(b"P" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # never starts with "-"
        arguments = ("format", "--cluster-id", cluster, "--config", "format.properties")
        run = broker.command(runtime, names, 96, "kafka.tools.StorageTool", *arguments)
        try:
            answer = subprocess.run(
                run, cwd=folder, env=environment(), capture_output=True, timeout=FORMAT_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise errors.ServerFailed(f"Kafka's data folder could not be made: {error}") from error
        (folder / "format.properties").unlink()
        if answer.returncode:
            text = (answer.stdout + answer.stderr).decode("utf-8", "replace")
            raise errors.ServerFailed(f"Kafka's data folder could not be made:\n{text[-2000:]}")
        (folder / fresh).rename(folder / broker.DATA)

    async def _ready(self, child: process.Child) -> None:
        """Returns when the broker, and no stranger on its port, answers our password; else no process is left."""
        try:
            await ready.first(child, self._answers(), self.options.kafka_start_timeout, NOISE)
        except BaseException:
            await child.stop(0)
            raise

    async def _answers(self) -> None:
        await _until(functools.partial(_connects, self.where.kafka))  # kafka-python logs every refused connection
        await _until(functools.partial(asyncio.to_thread, self._asks))

    def _asks(self) -> bool:
        """Whether the cluster says that its one broker is there; False while it starts. Blocks for up to 2 s."""
        try:
            admin = kafka.KafkaAdminClient(
                **self.client, request_timeout_ms=PROBE_TIMEOUT_MS, bootstrap_timeout_ms=PROBE_TIMEOUT_MS
            )
        except kafka.errors.KafkaError:
            return False
        try:
            return bool(admin.describe_cluster()["brokers"])
        except kafka.errors.KafkaError:
            return False
        finally:
            admin.close()


def environment() -> dict[str, str]:
    """What Java needs, and nothing that could change what it does: UTF-8 file names whatever the user's locale is."""
    return {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath)}


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await holds():
            return
        await asyncio.sleep(POLL)


async def _connects(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(ports.HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _link(link: Path, target: Path) -> None:
    """Makes `link` point to `target`, whatever it was; the cache may have moved since the last start."""
    if link.is_symlink() and link.readlink() == target:
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target, target_is_directory=True)
    fresh.replace(link)


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
