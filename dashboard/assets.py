"""Stylesheet, scripts and images: served with their hash in the address, so that browsers keep them for ever."""

import functools
import hashlib
import importlib.resources
from typing import Final, NamedTuple

TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}


class Asset(NamedTuple):
    """One file."""

    content: bytes
    media_type: str
    tag: str
    """Of its content."""


class Assets:
    """The files of `static/`, each read once, when first asked for."""

    def __init__(self) -> None:
        self._read = functools.cache(_read)

    def get(self, name: str) -> Asset | None:
        """A file, if there is one."""
        return self._read(name)

    def url(self, name: str) -> str:
        """A file's address, another whenever its content is."""
        asset = self._read(name)
        if asset is None:
            raise LookupError(f"there is no static file {name!r}")
        return f"/static/{name}?v={asset.tag}"


def _read(name: str) -> Asset | None:
    kind = TYPES.get(name.rpartition(".")[2])
    if kind is None or "/" in name or "\\" in name or name.startswith("."):
        return None
    place = importlib.resources.files("dashboard") / "static" / name
    if not place.is_file():
        return None
    content = place.read_bytes()
    return Asset(content, kind, hashlib.sha256(content).hexdigest()[:16])
