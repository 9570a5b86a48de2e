"""Kafka's jars: pinned by `jars.lock` (coordinates, sizes, sha256), fetched once, checked before every use.

`python -m panini.stack.jars lock` writes the list anew, `python -m panini.stack.jars fetch FOLDER` fetches the jars.
"""

import concurrent.futures
import dataclasses
import hashlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from panini.stack import errors, maven

LOCK = Path(__file__).with_name("jars.lock")
ROOTS = ("org.apache.kafka:kafka_2.13:4.1.2", "org.slf4j:slf4j-simple:1.7.36")  # the logger prints to stderr
AT_ONCE = 16  # downloads side by side
ATTEMPTS = 3  # for each jar
PAUSE = 0.5  # seconds before the second attempt, doubled before the third

Progress = Callable[[int, int, int], None]  # jars there, jars in all, bytes fetched in this run; from several threads


@dataclasses.dataclass(frozen=True, slots=True)
class Jar:
    """A line of the lock."""

    sha256: str  # hexadecimal
    size: int  # bytes
    coordinate: str  # group:artifact:version
    filename: str


def locked(path: Path = LOCK) -> list[Jar]:
    """The jars that Kafka needs.

    Raises:
        LockInvalid: the list is damaged.
    """
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines() if not line.startswith("#")]
    try:
        jars = [Jar(sha256, int(size), coordinate, filename) for sha256, size, coordinate, filename in lines]
    except ValueError as error:
        raise errors.LockInvalid from error
    if not jars or any(Path(jar.filename).name != jar.filename for jar in jars):
        raise errors.LockInvalid
    return jars


def fetch(
    cache: Path,
    repo: maven.Repository,
    progress: Progress | None = None,
    lock: Path = LOCK,
    stop: threading.Event | None = None,
) -> list[Path]:
    """All jars, checked, in one folder of `cache`; blocks. Only those that are missing or damaged are fetched.

    A jar gets its name only when it is whole and right, so an interrupted fetch goes on where it was, and several
    processes may fetch into one cache. Setting `stop` from another thread ends it at the next piece that arrives.

    Raises:
        JarsUnavailable: offline, or the repository has something else under a name.
    """
    jars = locked(lock)
    folder = cache / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not _is_there(folder, jar)]
    if missing:
        tally = Tally(progress, len(jars) - len(missing), len(jars), stop or threading.Event())
        _fetch_missing(folder, missing, repo, tally)
    return [folder / jar.filename for jar in jars]


class Tally:
    """Counts what arrives, from several threads."""

    def __init__(self, progress: Progress | None, done: int, total: int, stopped: threading.Event) -> None:
        self._progress, self._done, self._total, self._bytes = progress, done, total, 0
        self._guard = threading.Lock()
        self.stopped = stopped  # set: no further byte is wanted

    def add(self, count: int, *, jars: int = 0) -> None:
        """Notes `count` bytes and `jars` whole jars more; raises JarsUnavailable where no more are wanted."""
        if self.stopped.is_set():
            raise errors.JarsUnavailable("Fetching was stopped.")
        with self._guard:
            self._bytes += count
            self._done += jars
            if self._progress:
                self._progress(self._done, self._total, self._bytes)


def _fetch_missing(folder: Path, missing: list[Jar], repo: maven.Repository, tally: Tally) -> None:
    tally.add(0)
    with (
        tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as parts,
        concurrent.futures.ThreadPoolExecutor(AT_ONCE, "jars") as pool,
    ):
        futures = [pool.submit(_fetch_one, folder, Path(parts), jar, repo, tally) for jar in missing]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except errors.JarsUnavailable as error:
            tally.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise errors.JarsUnavailable(
                f"{error} Kafka's jars come from {repo.source}. Connect to the network once (what is there already is "
                "kept), or set PANINI_MAVEN_REPOSITORY to a mirror that this machine reaches."
            ) from error


def _fetch_one(folder: Path, parts: Path, jar: Jar, repo: maven.Repository, tally: Tally) -> None:
    copy = maven.local_copy(jar.coordinate)
    if _is_right(copy, jar):
        fresh = parts / jar.filename
        shutil.copyfile(copy, fresh)
        fresh.replace(folder / jar.filename)
        tally.add(0, jars=1)
        return
    for attempt in range(1, ATTEMPTS + 1):
        try:
            part = Path(tempfile.mkdtemp(dir=parts))
            path = maven.download(repo, part, jar.coordinate, tally.add)
            if not _is_right(path, jar):
                raise errors.JarsUnavailable(f"{jar.coordinate} as it was fetched has not the sha256 of the list.")  # noqa: TRY301
            path.replace(folder / jar.filename)
            tally.add(0, jars=1)
            return
        except errors.JarsUnavailable:
            if attempt == ATTEMPTS or tally.stopped.wait(PAUSE * 2 ** (attempt - 1)):
                raise


def _is_there(folder: Path, jar: Jar) -> bool:
    """Whether the jar is there and right; one that is wrong is deleted."""
    path = folder / jar.filename
    if _is_right(path, jar):
        return True
    path.unlink(missing_ok=True)
    return False


def _is_right(path: Path, jar: Jar) -> bool:
    try:
        return path.stat().st_size == jar.size and _sha256(path) == jar.sha256
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_lock(repo: maven.Repository, path: Path = LOCK) -> int:
    """Resolves `ROOTS` anew and writes the list; how many jars it holds."""
    lines = ["# Kafka's jars: sha256, bytes, coordinate, file. Written by `python -m panini.stack.jars lock`."]
    with tempfile.TemporaryDirectory() as scratch:
        for number, coordinate in enumerate(maven.resolve(repo, Path(scratch, "poms"), ROOTS)):
            jar = maven.download(repo, Path(scratch, str(number)), coordinate, lambda _count: None)
            lines.append(f"{_sha256(jar)} {jar.stat().st_size} {coordinate} {jar.name}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return len(lines) - 1


def main(arguments: list[str]) -> int:
    """The two commands of the module's docstring."""
    repo = maven.repository(None)
    match arguments:
        case ["lock"]:
            print(f"{write_lock(repo)} jars in {LOCK}")
        case ["fetch", folder]:
            start = time.monotonic()
            print(f"{len(fetch(Path(folder), repo))} jars in {time.monotonic() - start:.1f} s")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
