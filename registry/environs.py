"""Models' variables and secrets at rest: one encrypted JSON object a model. Values leave only towards workers."""

import base64
import hashlib
import re

import msgspec
from cryptography import fernet

from registry import errors

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
MAX_NAMES = 200
MAX_BYTES = 256 << 10
"""Bytes of all variables of a model: beyond about this the system refuses to start a process with them."""


class Sealer:
    """Encrypts and decrypts with the installation's key."""

    def __init__(self, encryption_key: str) -> None:
        self._key = encryption_key

    def seal(self, environ: dict[str, str]) -> bytes | None:
        """The variables, encrypted; nothing for none. Raises NoEncryptionKey."""
        return self._fernet().encrypt(msgspec.json.encode(environ)) if environ else None

    def open(self, sealed: bytes | None) -> dict[str, str]:
        """The variables. Raises NoEncryptionKey, WrongEncryptionKey."""
        if sealed is None:
            return {}
        try:
            return msgspec.json.decode(self._fernet().decrypt(sealed), type=dict[str, str])
        except fernet.InvalidToken as error:
            raise errors.WrongEncryptionKey from error

    def _fernet(self) -> fernet.Fernet:
        if not self._key:
            raise errors.NoEncryptionKey
        digest = hashlib.sha256(b"panini model variables\0" + self._key.encode()).digest()
        return fernet.Fernet(base64.urlsafe_b64encode(digest))


def check(environ: dict[str, str]) -> None:
    """Refuse names and values that no process can be given. Raises BadEnviron."""
    for name, value in environ.items():
        if not NAME.fullmatch(name):
            raise errors.BadEnviron(f"{name!r} cannot be a variable's name; use letters, digits and _")
        if name.startswith("PANINI_"):
            raise errors.BadEnviron(f"{name!r} is one of Panini's own settings; choose another name")
        if "\0" in value or any(0xD800 <= ord(character) < 0xE000 for character in value):
            raise errors.BadEnviron(f"the value of {name!r} is no plain text; encode it, for example in base64")
    if len(environ) > MAX_NAMES or sum(len(name) + len(value.encode()) for name, value in environ.items()) > MAX_BYTES:
        raise errors.BadEnviron(
            f"more than {MAX_NAMES} variables or {MAX_BYTES:,} bytes; put large things into a file of the bundle"
        )
