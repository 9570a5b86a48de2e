"""Ids of the jobs that Panini made: they say who made them and when, and prove it, so that GET needs no lookup.

Layout of the 24 bytes behind `j_` (`b_` for a bulk job set; base64url, 32 characters):

    0      format (high four bits) and signing-key id (low four)
    1-4    the model's uid, big-endian
    5-10   issue time, Unix milliseconds
    11-16  randomness; in format 2, a job of a bulk set: three bytes of the set's randomness, three of the job's line
    17-23  MAC: keyed BLAKE2s over bytes 0-16 and the account's uid
"""

import binascii
import hashlib
import hmac
import io
import os
from collections.abc import Callable
from typing import Final

import msgspec

PREFIX: Final = "j_"
BULK_PREFIX: Final = "b_"
_FORMAT: Final = 1
_MEMBER: Final = 2
_MAC_BYTES: Final = 7
_LENGTH: Final = len(PREFIX) + 32
_POOL: Final = 4096
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


class JobId(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A parsed id. `verify` says whether its claims are true."""

    key_id: int
    """Which signing key made the MAC, 0 to 15."""
    model_uid: int
    issued_ms: int
    """Unix milliseconds."""
    raw: bytes


class Signer:
    """Makes and verifies job ids with a ring of keys: the current one signs, all of them verify."""

    def __init__(self, keys: dict[int, bytes], current: int) -> None:
        if current not in keys or not all(0 <= key_id < 16 for key_id in keys):
            raise ValueError("the current signing key must be in the ring, and key ids are 0 to 15")
        self._keys = {key_id: hashlib.blake2s(key).digest() for key_id, key in keys.items()}
        self._head = bytes([_FORMAT << 4 | current])
        self._key = self._keys[current]
        self._pool = io.BytesIO()
        """Randomness that was not used yet: asking the system for each id costs a fifth of it."""

    def new(self, *, model_uid: int, account_uid: int, now_ms: int) -> str:
        """A fresh id, issued at `now_ms` (Unix milliseconds)."""
        body = self._head + model_uid.to_bytes(4, "big") + now_ms.to_bytes(6, "big") + self._random(6)
        return PREFIX + _text(body + _mac(self._key, body, account_uid))

    def new_bulk(self, *, model_uid: int, account_uid: int, now_ms: int) -> str:
        """The id of a bulk job set, from which the ids of its jobs follow (`members`): nothing need be remembered."""
        body = self._head + model_uid.to_bytes(4, "big") + now_ms.to_bytes(6, "big") + self._random(3) + b"\0\0\0"
        return BULK_PREFIX + _text(body + _mac(self._key, body, account_uid))

    def members(self, bulk: JobId, *, account_uid: int) -> Callable[[int], str]:
        """What names the jobs of a bulk set that this ring made, each by its line (from 0, below 2^24)."""
        key, account = self._keys[bulk.key_id], account_uid.to_bytes(8, "big")
        head = bytes([_MEMBER << 4 | bulk.key_id]) + bulk.raw[1:14]
        begun, base64 = hashlib.blake2s(head, key=key, digest_size=_MAC_BYTES), binascii.b2a_base64

        def member(line: int) -> str:  # _mac and _text in one, the key hashed once: called twice for each job of a set
            number = line.to_bytes(3, "big")
            mac = begun.copy()
            mac.update(number + account)
            return PREFIX + base64(head + number + mac.digest(), newline=False).translate(_TO_URL).decode()

        return member

    def _random(self, count: int) -> bytes:
        some = self._pool.read(count)
        if len(some) < count:
            self._pool = io.BytesIO(os.urandom(_POOL))
            some = self._pool.read(count)
        return some

    def verify(self, job_id: JobId, *, account_uid: int) -> bool:
        """Whether this ring made the id for that account."""
        key = self._keys.get(job_id.key_id)
        body, mac = job_id.raw[:-_MAC_BYTES], job_id.raw[-_MAC_BYTES:]
        return key is not None and hmac.compare_digest(mac, _mac(key, body, account_uid))


def parse(text: str) -> JobId | None:
    """Read an id's claims; None where it is not of our making (then it is a client's own)."""
    return _parse(text, PREFIX, {_FORMAT, _MEMBER})


def parse_bulk(text: str) -> JobId | None:
    """Read the claims of a bulk set's id; None where it is none."""
    return _parse(text, BULK_PREFIX, {_FORMAT})


def _parse(text: str, prefix: str, formats: set[int]) -> JobId | None:
    if len(text) != _LENGTH or not text.startswith(prefix):
        return None
    try:
        raw = binascii.a2b_base64(text[len(prefix) :].encode("ascii").translate(_FROM_URL), strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    if raw[0] >> 4 not in formats:
        return None
    return JobId(
        key_id=raw[0] & 0x0F,
        model_uid=int.from_bytes(raw[1:5], "big"),
        issued_ms=int.from_bytes(raw[5:11], "big"),
        raw=raw,
    )


def _text(raw: bytes) -> str:
    """As base64.urlsafe_b64encode, at half its cost."""
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).decode()


def _mac(key: bytes, body: bytes, account_uid: int) -> bytes:
    return hashlib.blake2s(body + account_uid.to_bytes(8, "big"), key=key, digest_size=_MAC_BYTES).digest()
