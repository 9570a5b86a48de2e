"""The kit: the runner's program in a folder of its own, outside of Panini's installation, so that a runner needs to
see nothing else of it."""

import compileall
import hashlib
import importlib.util
import os
import pathlib
import py_compile
import shutil
import tempfile
from typing import Final

from workers import errors

_PACKAGE: Final = "_panini_runner"
_SOURCE: Final = pathlib.Path(__file__).parent / "runner"


def make(folder: pathlib.Path) -> pathlib.Path:
    """The kit's folder below `folder`, made if this release's is not there yet; returns the file to start.

    Holds start.py, the package `_panini_runner`, and inside it a copy of our msgpack, so that a model's own
    `import msgpack` gets the model's. Raises StartFailed.
    """
    sources = _sources()
    digest = hashlib.sha256()
    for name, path in sources:
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    kit = folder / digest.hexdigest()[:16]
    if not kit.is_dir():
        try:
            _write(kit, sources)
        except OSError as error:
            raise errors.StartFailed(f"the runner's kit cannot be written to {folder}: {error}") from error
    return kit / "start.py"


def _sources() -> list[tuple[str, pathlib.Path]]:
    found = importlib.util.find_spec("msgpack")
    if found is None or found.origin is None:
        raise errors.StartFailed("msgpack is not installed beside Panini; install Panini again")
    msgpack = pathlib.Path(found.origin).parent
    own = [
        (f"{_PACKAGE}/{path.name}", path)
        for path in _SOURCE.glob("*.py")
        if path.name not in {"start.py", "bootstrap.py"}
    ]
    theirs = [(f"{_PACKAGE}/msgpack/{path.name}", path) for path in msgpack.iterdir() if path.suffix in {".py", ".so"}]
    return sorted([*own, *theirs, ("start.py", _SOURCE / "start.py")])


def _write(kit: pathlib.Path, sources: list[tuple[str, pathlib.Path]]) -> None:
    """Write beside and rename into place: several workers may do so at once."""
    kit.parent.mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(prefix=".kit-", dir=kit.parent))
    try:
        for name, path in sources:
            target = fresh / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o644)
        # Runners cannot write here, so what is not compiled now would be compiled at every start.
        compileall.compile_dir(fresh, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        for folder in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        os.rename(fresh, kit)  # noqa: PTH104  pathlib's rename says nothing more
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not kit.is_dir():
            raise
