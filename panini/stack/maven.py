"""Maven, through `jgo.maven` alone: where the repository is, which jars a program needs, and one file of one jar."""

import contextlib
import dataclasses
import os
import re
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import jgo.maven

from panini.stack import errors

TIMEOUT = 30  # seconds without a byte


@dataclasses.dataclass(frozen=True, slots=True)
class Repository:
    """Where jars come from."""

    url: str | None = dataclasses.field(repr=False)  # None: jgo's default, Maven Central; may hold a password
    source: str  # for people: what chose it

    def context(self, cache: Path, on_bytes: Callable[[int], None] | None = None) -> jgo.maven.MavenContext:
        """A jgo context that downloads into `cache` and tells of each piece that arrived."""

        @contextlib.contextmanager
        def progress(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            yield on_bytes or (lambda _count: None)

        return jgo.maven.MavenContext(
            resolver=jgo.maven.PythonResolver(progress_callback=progress),
            repo_cache=cache,
            remote_repos={"repository": self.url} if self.url else None,
            timeout=TIMEOUT,
        )


def repository(setting: str | None, maven_settings: Path | None = None) -> Repository:
    """The repository to use: the setting, else the mirror of Central in Maven's own settings, else Central."""
    if setting:
        return Repository(setting.rstrip("/"), "PANINI_MAVEN_REPOSITORY")
    path = maven_settings or Path("~/.m2/settings.xml").expanduser()
    if url := mirror_of_central(path):
        return Repository(url, str(path))
    return Repository(None, "Maven Central")


def mirror_of_central(path: Path) -> str | None:
    """The address that Maven's settings give instead of Central's, its server's name and password included.

    As Maven's guide "Using Mirrors for Repositories" says, the first mirror whose `mirrorOf` matches wins. A
    damaged file, like a missing one, names no mirror.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - the user's own file
    except (OSError, ET.ParseError):
        return None
    for mirror in _all(root, "mirror"):
        url = _text(mirror, "url")
        if url and matches_central(_text(mirror, "mirrorOf")) and _text(mirror, "blocked") != "true":
            return _with_login(url.rstrip("/"), root, _text(mirror, "id"))
    return None


def matches_central(mirror_of: str) -> bool:
    """Whether a `mirrorOf` value stands for Central, an external repository reached by HTTPS, named `central`."""
    patterns = [pattern.strip() for pattern in mirror_of.split(",")]
    return "!central" not in patterns and bool({"*", "external:*", "central"} & set(patterns))


def resolve(repo: Repository, cache: Path, roots: Sequence[str]) -> list[str]:
    """The coordinates `group:artifact:version` of `roots` and of all that they need at run time, sorted."""
    context = repo.context(cache)
    inputs, needed = context.resolver.resolve([context.create_dependency(root) for root in roots])
    return sorted({f"{jar.groupId}:{jar.artifactId}:{jar.version}" for jar in (*inputs, *needed)})


def local_copy(coordinate: str) -> Path:
    """Where Maven itself keeps this jar once it has fetched it; the file need not exist."""
    base = Path(os.environ.get("M2_REPO") or Path("~/.m2/repository").expanduser())
    group, artifact, version = coordinate.split(":")
    return base.joinpath(*group.split("."), artifact, version, f"{artifact}-{version}.jar")


def download(repo: Repository, folder: Path, coordinate: str, on_bytes: Callable[[int], None]) -> Path:
    """Fetches one jar into `folder`, which must be new: jgo's downloads are neither atomic nor checked.

    Raises:
        JarsUnavailable: with the reason, without the repository's password.
    """
    context = repo.context(folder, on_bytes)
    group, artifact, version = coordinate.split(":")
    try:
        path = context.resolver.download(context.project(group, artifact).at_version(version).artifact())
    except RuntimeError:  # its message lists the repositories' addresses, passwords included
        raise errors.JarsUnavailable(f"{coordinate} is not in the repository ({repo.source}).") from None
    except OSError as error:  # requests' errors are OSErrors
        raise errors.JarsUnavailable(f"{coordinate} could not be fetched: {_reason(error)}") from None
    return Path(str(path))


def _reason(error: OSError) -> str:
    """The innermost cause of a network error, without addresses."""
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
    return f"{type(error).__name__} ({text})"


def _with_login(url: str, root: ET.Element, server_id: str) -> str:
    for server in _all(root, "server"):
        name, password = _text(server, "username"), _text(server, "password")
        if name and _text(server, "id") == server_id and not password.startswith("{"):  # {…}: encrypted by Maven
            scheme, _, rest = url.partition("://")
            quote = urllib.parse.quote
            return f"{scheme}://{quote(name, safe='')}:{quote(password, safe='')}@{rest}"
    return url


def _all(root: ET.Element, tag: str) -> list[ET.Element]:
    return [element for element in root.iter() if element.tag.rpartition("}")[2] == tag]


def _text(parent: ET.Element, tag: str) -> str:
    for element in parent:
        if element.tag.rpartition("}")[2] == tag:
            return re.sub(r"\$\{env\.(\w+)\}", lambda name: os.environ.get(name[1], ""), (element.text or "").strip())
    return ""
