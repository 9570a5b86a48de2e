"""Paths inside a bundle: which are safe, which clash, and which are rubbish that tools leave behind."""

import unicodedata

from registry import errors

MAX_PATH = 1000
MAX_PART = 255
RUBBISH = frozenset(
    {"__MACOSX", "__pycache__", ".git", ".ipynb_checkpoints", ".DS_Store", "Thumbs.db", ".venv", ".mypy_cache"}
)
"""Parts of a path that are never part of a bundle: left out silently."""


def safe(text: str) -> str:
    """The path in its plain form, `a/b/c`. Raises BadArchive for one that leaves the bundle or cannot be a file's."""
    if text.startswith("/") or text[1:2] == ":":
        raise errors.BadArchive(f"{text!r} is an absolute path; pack the files relative to predict.py's folder")
    if "\\" in text:
        raise errors.BadArchive(f"{text!r} has a backslash; separate folders with /")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise errors.BadArchive(
            f"{text!r} leads out of the bundle with ..; pack the files relative to predict.py's folder"
        )
    if not parts or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise errors.BadArchive(f"{text!r} cannot be a file's name; rename it")
    path = "/".join(parts)
    if len(path.encode()) > MAX_PATH or any(len(part.encode()) > MAX_PART for part in parts):
        raise errors.BadArchive(f"the path {path[:80]!r}… is too long; {MAX_PATH} bytes is the most, {MAX_PART} a part")
    return path


def rubbish(path: str) -> bool:
    """Whether the file is something a tool left behind."""
    parts = path.split("/")
    return not RUBBISH.isdisjoint(parts) or parts[-1].endswith(".pyc") or parts[-1].startswith("._")


class Seen:
    """The paths met so far, as a file system that ignores case and Unicode forms would see them."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def add(self, path: str) -> None:
        """Note a file. Raises BadArchive where it clashes with another."""
        key = _folded(path)
        if key in self._files:
            other = self._files[key]
            why = "is there twice" if other == path else f"differs from {other!r} only in case or accents"
            raise errors.BadArchive(f"{path!r} {why}; keep one of them")
        if key in self._folders:
            raise errors.BadArchive(f"{path!r} is a file and a folder ({self._folders[key]!r}); rename one of them")
        self._files[key] = path
        while "/" in key:
            key = key.rpartition("/")[0]
            if key in self._files:
                raise errors.BadArchive(f"{self._files[key]!r} is a file and a folder ({path!r}); rename one of them")
            self._folders[key] = path


def common_folder(names: list[str], wanted: tuple[str, ...]) -> str:
    """`folder/`, where everything lies in one folder that holds one of the `wanted` files; else nothing.

    People pack the folder as often as what is in it.
    """
    tops = {name.split("/", 1)[0] for name in names}
    if len(tops) != 1 or any("/" not in name for name in names):
        return ""
    folder = tops.pop() + "/"
    return folder if any(folder + entry in names for entry in wanted) else ""


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
