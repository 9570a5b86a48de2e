"""The tree as git sees it: what would be in a commit."""

import functools
import pathlib
import subprocess
from typing import Final

ROOT: Final = pathlib.Path(__file__).resolve().parents[2]
PACKAGES: Final = ("wire", "registry", "results", "ingest", "workers", "dashboard", "k8s", "panini")


@functools.cache
def files() -> tuple[pathlib.Path, ...]:
    """Every file that is tracked, and where there is no git (a source archive) every file of the tree."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        kept = (path for path in ROOT.rglob("*") if not any(part.startswith(".") for part in path.parts))
        return tuple(sorted(path for path in kept if path.is_file()))
    return tuple(sorted(path for name in listed if name and (path := ROOT / name).is_file()))


def texts() -> dict[pathlib.Path, str]:
    """Every file that is text → what it says."""
    found: dict[pathlib.Path, str] = {}
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            found[path.relative_to(ROOT)] = content.decode("utf-8", "replace")
    return found


def product() -> dict[pathlib.Path, str]:
    """The Python files that are installed."""
    return {path: text for path, text in texts().items() if path.parts[0] in PACKAGES and path.suffix == ".py"}
