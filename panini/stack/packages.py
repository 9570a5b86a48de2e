"""How uv is run to install into Panini's own environment: by `make up`, and for a Java when one is needed.

Of the standard library alone, since scripts/install.py uses it when nothing else is there.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from workers import indexes


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Our environment with pip's configuration in uv's words, and without uv's cache where that cannot be written.

    uv gives up over a cache folder that it cannot make, as in a container with a read-only home.
    """
    found = dict(environ) | indexes.variables(environ, indexes.pip_files(indexes.pip_paths(environ)))
    if "UV_CACHE_DIR" not in environ and not _writable(_cache(environ)):
        found.setdefault("UV_NO_CACHE", "1")
    return found


def _cache(environ: Mapping[str, str]) -> Path:
    """Where uv keeps what it fetched, on Linux and on macOS."""
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/") / ".cache"
    return Path(base, "uv")


def _writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above that exists, may be written; a read-only disk counts."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(nearest, os.W_OK | os.X_OK)
