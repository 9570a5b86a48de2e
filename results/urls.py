"""Where Redis is, read from its URL as Redis' own clients do: `redis://`, `rediss://` (TLS) or `unix://`.

redis-py would read it as well, but importing that takes 20 MB of memory and 0.3 s of every process' start.
"""

import urllib.parse
from dataclasses import dataclass
from typing import Final

SCHEMES: Final = ("redis", "rediss", "unix")
PORT: Final = 6379


@dataclass(frozen=True, kw_only=True)
class Place:
    """One Redis, and how it is asked to let us in."""

    host: str = "localhost"
    port: int = PORT
    path: str | None = None
    """Of a Unix socket; none: TCP."""
    tls: bool = False
    username: str | None = None
    password: str | None = None
    db: int = 0


def parse(url: str) -> Place:
    """Read `scheme://[[user]:password@]host[:port][/db]` or `unix://[[user]:password@]/path[?db=0]`.

    Raises ValueError, with what it must look like; never with the URL, which may hold a password.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("a Redis URL begins with redis://, rediss:// or unix://")
    named = urllib.parse.parse_qs(parts.query).get("db")
    unix = parts.scheme == "unix"
    db = named[0] if named else "" if unix else urllib.parse.unquote(parts.path).strip("/")
    if db and not db.isdecimal():
        raise ValueError("a Redis URL ends with the number of its database, such as /0")
    return Place(
        host=urllib.parse.unquote(parts.hostname or "localhost"),
        port=parts.port or PORT,
        path=urllib.parse.unquote(parts.path) if unix else None,
        tls=parts.scheme == "rediss",
        username=urllib.parse.unquote(parts.username) if parts.username else None,
        password=urllib.parse.unquote(parts.password) if parts.password else None,
        db=int(db or 0),
    )
