"""Fetching pinned jars, from a repository on loopback that can misbehave."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from panini.stack import errors, jars, maven, ports

CONTENT = {f"org.example:part{number}:1.{number}": f"jar {number}".encode() * 5000 for number in range(6)}


class Repository:
    """A Maven repository on loopback."""

    def __init__(self) -> None:
        self.files = {self.path(coordinate): content for coordinate, content in CONTENT.items()}
        self.asked: list[str] = []
        self.broken: dict[str, list[bytes]] = {}  # what a path answers first, one entry an answer
        self.url = ""

    @staticmethod
    def path(coordinate: str) -> str:
        group, artifact, version = coordinate.split(":")
        return f"/{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"

    def answer(self, path: str) -> bytes | None:
        if path.endswith(".jar"):
            self.asked.append(path)
        return self.broken[path].pop(0) if self.broken.get(path) else self.files.get(path)

    @property
    def repo(self) -> maven.Repository:
        return maven.Repository(self.url, "the test")


@contextlib.contextmanager
def serving(repository: Repository) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = repository.answer(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((ports.HOST, 0), Handler) as server:
        repository.url = f"http://{ports.HOST}:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Repository]:
    monkeypatch.setattr(jars, "PAUSE", 0.0)
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    it = Repository()
    with serving(it):
        yield it


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    lines = ["# a comment"]
    for coordinate, content in CONTENT.items():
        name = Repository.path(coordinate).rpartition("/")[2]
        lines.append(f"{hashlib.sha256(content).hexdigest()} {len(content)} {coordinate} {name}")
    path = tmp_path / "jars.lock"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_all_are_fetched_once_with_progress(repository: Repository, lock: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    paths = jars.fetch(tmp_path, repository.repo, lambda *counts: told.append(counts), lock)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert told[0] == (0, len(CONTENT), 0)
    assert told[-1] == (len(CONTENT), len(CONTENT), sum(map(len, CONTENT.values())))
    assert told == sorted(told)
    assert sorted(path.name for path in (tmp_path / "jars").iterdir()) == sorted(path.name for path in paths)
    assert jars.fetch(tmp_path, repository.repo, None, lock) == paths
    assert len(repository.asked) == len(CONTENT)


def test_a_damaged_jar_is_deleted_and_fetched_again(repository: Repository, lock: Path, tmp_path: Path) -> None:
    first, second, *_ = jars.fetch(tmp_path, repository.repo, None, lock)
    first.write_bytes(b"x" * first.stat().st_size)  # the right length
    second.write_bytes(b"")
    repository.asked.clear()
    paths = jars.fetch(tmp_path, repository.repo, None, lock)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    assert len(repository.asked) == 2


@pytest.mark.parametrize("wrong", [b"another jar", b"jar 0" * 4999])
def test_what_arrives_wrong_is_asked_for_again(
    repository: Repository, lock: Path, tmp_path: Path, wrong: bytes
) -> None:
    path = Repository.path("org.example:part0:1.0")
    repository.broken[path] = [wrong]
    assert jars.fetch(tmp_path, repository.repo, None, lock)[0].read_bytes() == CONTENT["org.example:part0:1.0"]
    assert repository.asked.count(path) == 2


def test_a_repository_with_another_jar_is_refused_and_nothing_kept(
    repository: Repository, lock: Path, tmp_path: Path
) -> None:
    repository.files[Repository.path("org.example:part0:1.0")] = b"another jar"
    with pytest.raises(errors.JarsUnavailable, match=r"part0:1\.0.*sha256"):
        jars.fetch(tmp_path, repository.repo, None, lock)
    assert not (tmp_path / "jars" / "part0-1.0.jar").exists()
    assert not [path for path in (tmp_path / "jars").iterdir() if path.suffix != ".jar"]


def test_one_that_is_missing_there_is_named(repository: Repository, lock: Path, tmp_path: Path) -> None:
    del repository.files[Repository.path("org.example:part3:1.3")]
    with pytest.raises(errors.JarsUnavailable, match=r"part3:1\.3 is not in the repository \(the test\)"):
        jars.fetch(tmp_path, repository.repo, None, lock)


def test_offline_says_the_next_step_and_keeps_what_is_there(repository: Repository, lock: Path, tmp_path: Path) -> None:
    gone = jars.fetch(tmp_path, repository.repo, None, lock)[2]
    gone.unlink()
    offline = maven.Repository(f"http://me:password@{ports.HOST}:{ports.any_free()}", "the test")
    with pytest.raises(errors.JarsUnavailable, match=r"part2.*Connect.*PANINI_MAVEN_REPOSITORY") as caught:
        jars.fetch(tmp_path, offline, None, lock)
    assert "password" not in str(caught.value)
    repository.asked.clear()
    jars.fetch(tmp_path, repository.repo, None, lock)
    assert len(repository.asked) == 1  # it goes on where it was


def test_a_fetch_that_is_stopped_ends_without_asking_further(
    repository: Repository, lock: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(errors.JarsUnavailable, match="Fetching was stopped"):
        jars.fetch(tmp_path, repository.repo, None, lock, stop)
    assert repository.asked == []


def test_mavens_own_copy_saves_the_network(
    repository: Repository, lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for coordinate, content in CONTENT.items():
        path = maven.local_copy(coordinate)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    jars.fetch(tmp_path, repository.repo, None, lock)
    assert repository.asked == []


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "abc 1 g:a:v\n", "abc x g:a:v a.jar\n", "a 1 g:a:v ../a.jar\n"]
)
def test_a_damaged_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jars.lock"
    path.write_text(text)
    with pytest.raises(errors.LockInvalid, match="Install Panini again"):
        jars.locked(path)


def test_the_list_of_the_project_is_whole() -> None:
    locked = jars.locked()
    coordinates = {jar.coordinate for jar in locked}
    assert set(jars.ROOTS) <= coordinates
    assert len(coordinates) == len({jar.filename for jar in locked}) == len(locked) > 40
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in locked)
