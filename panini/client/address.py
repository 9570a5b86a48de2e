"""Where Panini is and which key opens it: arguments, else PANINI_URL and PANINI_KEY, else the local stack's folder."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from panini.client import errors

DEFAULT_URL = "http://127.0.0.1:8080"  # where `panini up` listens unless PANINI_PORT says otherwise
HOME = ".panini"  # PANINI_HOME's default, searched in the current folder and the ones above it
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Address:
    """A Panini and how to be let in."""

    url: str  # scheme, host and port, without a slash at the end
    key: str = dataclasses.field(default="", repr=False)
    key_file: pathlib.Path | None = None  # where the key lies, if it came from a local stack
    home: pathlib.Path | None = None  # the local stack's folder, if there is one

    @property
    def local(self) -> bool:
        """Whether it is this machine, where no proxy must come between."""
        return urlsplit(self.url).hostname in LOOPBACK


def settle(
    url: str | None = None,
    key: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: pathlib.Path | None = None,
) -> Address:
    """The address to use. A local stack's key is only ever sent to that stack.

    Raises:
        NotConfigured: nothing names a Panini, or the address is no http(s) URL.
    """
    environ = os.environ if environ is None else environ
    url = url or environ.get("PANINI_URL") or None
    key = key or environ.get("PANINI_KEY") or None
    home = find_home(environ, folder or pathlib.Path.cwd())
    local = _local_url(home) if home else None
    if url is None and local is None:
        raise errors.NotConfigured
    chosen = _checked(url or local or DEFAULT_URL)
    if key is None and home is not None and chosen == local:
        file = home / "key"
        return Address(url=chosen, key=_key(_text(file)), key_file=file, home=home)
    return Address(url=chosen, key=_key(key or ""), home=home)


def find_home(environ: Mapping[str, str], folder: pathlib.Path) -> pathlib.Path | None:
    """The local stack's folder: PANINI_HOME, else `.panini` in `folder` or the nearest folder above it that has one."""
    if given := environ.get("PANINI_HOME"):
        path = folder / pathlib.Path(given).expanduser()
        return path if path.is_dir() else None
    folder = folder.absolute()
    return next((place / HOME for place in (folder, *folder.parents) if (place / HOME).is_dir()), None)


def _local_url(home: pathlib.Path) -> str | None:
    """The API of the stack whose folder this is; None where it was never started."""
    try:
        api = json.loads((home / "stack.json").read_text(encoding="utf-8")).get("api")
    except (OSError, ValueError, AttributeError):
        api = None
    if isinstance(api, str):
        return api.rstrip("/")
    return DEFAULT_URL if (home / "key").exists() else None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        raise errors.NotConfigured(f"{url!r} is no address; PANINI_URL looks like {DEFAULT_URL}")
    return url.rstrip("/")


def _key(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise errors.NotConfigured("the key holds characters that no key has; PANINI_KEY looks like pn_…")
    return text.strip()


def _text(file: pathlib.Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise errors.NotConfigured(f"the key file {file} cannot be read ({error}); set PANINI_KEY") from error
