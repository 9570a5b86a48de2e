"""The local stack's folder, as commands name it."""

import os
import pathlib

from panini.client import address


def home() -> pathlib.Path:
    """PANINI_HOME, else .panini here or in the nearest folder above, else the one that would be made here."""
    found = address.find_home(os.environ, pathlib.Path.cwd())
    return (found or pathlib.Path(os.environ.get("PANINI_HOME") or address.HOME).expanduser()).absolute()
