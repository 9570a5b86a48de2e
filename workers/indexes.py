"""Where packages come from: the user's own pip configuration in uv's words, since uv does not read pip's."""

import configparser
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Final

_WORDS: Final = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
}
"""pip's word → uv's variable, and what stands between several values there."""

_ALSO: Final = {"UV_DEFAULT_INDEX": ("UV_INDEX_URL",), "UV_INDEX": ("UV_EXTRA_INDEX_URL",)}
"""Older names of uv's variables: set by the user, they win too."""


def variables(environ: Mapping[str, str], configured: Mapping[str, str]) -> dict[str, str]:
    """uv's variables for what pip was told and uv was not.

    `environ` is the worker's environment (PIP_* wins over files, as in pip), `configured` what `pip_files` found.
    """
    found: dict[str, str] = {}
    for word, (name, between) in _WORDS.items():
        if any(known in environ for known in (name, *_ALSO.get(name, ()))):
            continue
        value = environ.get("PIP_" + word.upper().replace("-", "_")) or configured.get(word)
        if value and value.split():
            found[name] = between.join(value.split())
    if environ.get("PIP_NO_INDEX") and "UV_NO_INDEX" not in environ:
        found["UV_NO_INDEX"] = "1"
    return found


def pip_files(paths: Sequence[pathlib.Path]) -> dict[str, str]:
    """What pip's configuration files say; later files win. Unreadable ones are as if absent."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(paths, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}
    return {
        word: parser.get(section, word)
        for section in ("global", "install")
        for word in _WORDS
        if parser.has_option(section, word)
    }


def pip_paths(environ: Mapping[str, str]) -> list[pathlib.Path]:
    """Where pip looks for its configuration, in its order: machine, user, this environment, PIP_CONFIG_FILE."""
    home = pathlib.Path(environ.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111  "~" may not resolve
    config = pathlib.Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    found = [pathlib.Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    if sys.platform == "darwin":
        found.insert(1, home / "Library" / "Application Support" / "pip" / "pip.conf")
    found.append(pathlib.Path(sys.prefix) / "pip.conf")
    return [*found, pathlib.Path(environ["PIP_CONFIG_FILE"])] if environ.get("PIP_CONFIG_FILE") else found
