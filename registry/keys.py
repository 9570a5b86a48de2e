"""API keys: `pn_`, 30 random base62 characters, and 6 of their CRC32, so that a typing error or a scanner can tell.

Only the SHA-256 and the last four characters are kept; the key itself is shown once.
"""

import dataclasses
import hashlib
import secrets
import zlib

import sqlalchemy
from sqlalchemy.orm import Session

from registry import database, errors, tables

PREFIX = "pn_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARACTERS = 30
CHECK_CHARACTERS = 6


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    """A key just made: the only time that its text is known."""

    id: str
    name: str
    key: str
    last_four: str
    created_at: int
    """Unix milliseconds."""


def generate() -> str:
    """A fresh key."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))
    return PREFIX + body + checksum(body)


def checksum(body: str) -> str:
    """The six base62 characters behind a key's random part: its CRC32."""
    number, characters = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_CHARACTERS):
        number, digit = divmod(number, len(ALPHABET))
        characters = ALPHABET[digit] + characters
    return characters


def well_formed(text: str) -> bool:
    """Whether `text` may be a key: its form and checksum are right."""
    body, check = text[len(PREFIX) : -CHECK_CHARACTERS], text[-CHECK_CHARACTERS:]
    return text.startswith(PREFIX) and len(body) == RANDOM_CHARACTERS and checksum(body) == check


def create(session: Session, *, account: tables.Account, name: str) -> Created:
    """Make a key of an account."""
    key = generate()
    row = tables.Key(
        id="key_" + secrets.token_hex(8),
        account_uid=account.uid,
        name=name,
        sha256=hashlib.sha256(key.encode()).hexdigest(),
        last_four=key[-4:],
        created_at=database.now(),
    )
    session.add(row)
    return Created(id=row.id, name=name, key=key, last_four=row.last_four, created_at=row.created_at)


def active(session: Session, account_uid: int | None = None) -> list[tables.Key]:
    """The keys that are not revoked, oldest first; of one account, or of all."""
    query = sqlalchemy.select(tables.Key).where(tables.Key.revoked_at.is_(None)).order_by(tables.Key.created_at)
    if account_uid is not None:
        query = query.where(tables.Key.account_uid == account_uid)
    return list(session.scalars(query))


def revoke(session: Session, *, account_uid: int, key_id: str) -> None:
    """End a key. Raises UnknownKey, and LastKey where nobody could call any more."""
    keys = {key.id: key for key in active(session, account_uid)}
    if key_id not in keys:
        raise errors.UnknownKey
    if len(keys) == 1:
        raise errors.LastKey
    keys[key_id].revoked_at = database.now()
