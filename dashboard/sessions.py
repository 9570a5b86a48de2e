"""Who is signed in: one-time login links, the session cookie, and words carried over a redirect.

All three are Fernet tokens (encrypted and authenticated, with their time inside), each under a key of its own derived
from the installation's internal secret. The API key that a session stands for is inside, so no server keeps a session
and a revoked key ends it.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from cryptography import fernet

T = TypeVar("T")

LOGIN_SECONDS: Final = 600
"""How long a login link is good for."""

FLASH_SECONDS: Final = 120
"""How long the words of a redirect wait to be read."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor who is signed in."""

    key: str
    """The API key that every page asks the API with."""
    key_id: str
    account: str
    last_four: str


class Flash(msgspec.Struct, frozen=True, kw_only=True):
    """What the next page says once."""

    kind: str = "ok"
    """`ok`, `warn` or `bad`."""
    text: str = ""
    detail: str = ""
    key: str | None = None
    """An API key just made: shown once."""


class Sessions:
    """Makes and reads the three tokens."""

    def __init__(self, secret: bytes, *, hours: float = 168.0, clock: Callable[[], float] = time.time) -> None:
        if not secret:
            raise ValueError("sessions need the installation's secret (PANINI_INTERNAL_TOKEN)")
        self._secret = secret
        self._seconds = int(hours * 3600)
        self._clock = clock
        self._used: dict[bytes, float] = {}

    @property
    def seconds(self) -> int:
        """How long a session lasts."""
        return self._seconds

    @property
    def cookie(self) -> str:
        """The session cookie's name: an installation's own, since cookies of a host are not kept apart by port."""
        return f"panini_{hmac.digest(self._secret, b'cookie', 'sha256').hex()[:8]}"

    def redeem(self, token: str) -> str | None:
        """The API key of a login link, once; None where it is wrong, too old or used."""
        now = self._clock()
        self._used = {mark: until for mark, until in self._used.items() if until > now}
        mark = hashlib.sha256(token.encode()).digest()
        key = self._read("login", token, LOGIN_SECONDS)
        if key is None or mark in self._used:
            return None
        self._used[mark] = now + LOGIN_SECONDS
        return key.decode()

    def seal(self, session: Session) -> str:
        """A session as its cookie's value."""
        return _write(self._secret, "session", msgspec.json.encode(session), self._clock())

    def open(self, cookie: str | None) -> Session | None:
        """The session of a cookie, if it still holds."""
        content = self._read("session", cookie, self._seconds) if cookie else None
        return _decoded(content, Session)

    def seal_flash(self, flash: Flash) -> str:
        """The words of a redirect as a cookie's value."""
        return _write(self._secret, "flash", msgspec.json.encode(flash), self._clock())

    def open_flash(self, cookie: str | None) -> Flash | None:
        """The words of the redirect that led here."""
        content = self._read("flash", cookie, FLASH_SECONDS) if cookie else None
        return _decoded(content, Flash)

    def _read(self, purpose: str, token: str, seconds: int) -> bytes | None:
        try:
            return _fernet(self._secret, purpose).decrypt_at_time(token, seconds, int(self._clock()))
        except (fernet.InvalidToken, ValueError):
            return None


def make_login_token(secret: bytes, api_key: str) -> str:
    """A token for `/login?token=…`: good once, for ten minutes, and unreadable to who sees it later."""
    return _write(secret, "login", api_key.encode(), time.time())


def _write(secret: bytes, purpose: str, content: bytes, now: float) -> str:
    return _fernet(secret, purpose).encrypt_at_time(content, int(now)).decode()


def _fernet(secret: bytes, purpose: str) -> fernet.Fernet:
    key = hmac.digest(secret, f"panini dashboard {purpose}".encode(), "sha256")
    return fernet.Fernet(base64.urlsafe_b64encode(key))


def _decoded(content: bytes | None, kind: type[T]) -> T | None:
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError:
        return None
