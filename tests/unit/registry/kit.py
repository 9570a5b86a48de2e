"""What the registry's tests are made of: a double of Kafka's topics, an app, and archives of every kind."""

import base64
import gzip
import io
import tarfile
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path

import fastapi

from registry import internal, routes, service, settings, staging
from wire import directory, problems, webhooks

TOKEN = "internal-token"
PREDICT = b"def predict(inputs):\n    return inputs\n"
ACCOUNT = "default"


class Topics:
    """Topics in memory. `failure` is raised by every call."""

    def __init__(self) -> None:
        self.uuids: dict[str, str] = {}
        self.failure: Exception | None = None
        self.members: set[str] = set()
        """Models whose workers are still in their groups."""

    async def ensure(self, account: str, model: str) -> str:
        """See registry.topics.Topics."""
        if self.failure is not None:
            raise self.failure
        fresh = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        return self.uuids.setdefault(f"{account}.{model}", fresh)

    async def remove(self, account: str, model: str, *, members_too: bool = False) -> bool:
        """See registry.topics.Topics."""
        if self.failure is not None:
            raise self.failure
        held = f"{account}.{model}" in self.members
        if not held or members_too:
            self.uuids.pop(f"{account}.{model}", None)
        return not held


def config(folder: Path, **given: object) -> settings.Settings:
    """Settings of a registry in `folder`."""
    return settings.Settings.load(registry_folder=folder, **({"encryption_key": "secret"} | given))


def app(registry: service.Registry) -> fastapi.FastAPI:
    """An app as the entry point composes it."""
    made = fastapi.FastAPI()
    made.state.registry = registry
    made.state.directory = directory.Directory(registry.snapshot)
    made.state.internal_token = TOKEN
    made.state.webhook_secrets = webhooks.Secrets(b"signing")
    made.include_router(routes.router)
    made.include_router(internal.router)
    made.add_exception_handler(problems.Problem, _told)
    return made


async def _told(_request: fastapi.Request, problem: Exception) -> fastapi.Response:
    assert isinstance(problem, problems.Problem)
    return fastapi.Response(problem.body(), problem.status, problem.headers, media_type=problems.MEDIA_TYPE)


def stage(staged: staging.Staging, files: Mapping[str, bytes]) -> staging.Staging:
    """Write files into a staging."""
    for name, data in files.items():
        with staged.open(name) as sink:
            sink.write(data)
    return staged


def on_disk(folder: Path, files: Mapping[str, bytes]) -> dict[str, Path]:
    """Files of a bundle, as the checks take them."""
    places = {}
    for number, (name, data) in enumerate(files.items()):
        places[name] = folder / str(number)
        places[name].write_bytes(data)
    return places


def form(files: Mapping[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    """Files as httpx posts them."""
    return [("file", (name, data)) for name, data in files.items()]


def tar(files: Mapping[str, bytes], *extra: tarfile.TarInfo) -> bytes:
    """A tar of files, and of entries without data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for member in extra:
            archive.addfile(member)
    return buffer.getvalue()


def targz(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz of files."""
    return gzip.compress(tar(files))


def tar_entry(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """An entry that is no file."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def zipped(files: Mapping[str, bytes], *, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of files, each with a Unix mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
            archive.writestr(info, data)
    return buffer.getvalue()
