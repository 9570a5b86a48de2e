"""Webhooks as several processes must agree on them: which URLs may be named, a model's secret, and the signature.

The form is Standard Webhooks. A model's secret is stored nowhere: it is derived from the installation's signing key,
the model's uid and how often it was rotated. So every process that delivers can make it from the directory it has, the
registry's database holds no secret more, and the count, which is durable there, never falls back to an earlier secret.
"""

import base64
import hashlib
import hmac
import re
import urllib.parse
from typing import Final

MAX_URL: Final = 2048

OVERLAP_MS: Final = 24 * 3600 * 1000
"""Milliseconds after a rotation in which the secret before it signs too."""

PREFIX: Final = "whsec_"

_URL: Final = re.compile(r"[\x21-\x7e]+")
_HOST: Final = re.compile(r"[A-Za-z0-9_.:-]+")


def check_url(url: str) -> None:
    """Whether a webhook may be sent there, as far as the text tells. Raises ValueError: why not."""
    if len(url) > MAX_URL:
        raise ValueError(f"a webhook's URL has {MAX_URL} characters at most")
    if not _URL.fullmatch(url):
        raise ValueError("a webhook's URL is ASCII without spaces: percent-encode the others, write the host as xn--…")
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"a webhook's URL is not readable: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise ValueError("a webhook's URL begins with https:// or http://")
    if not host or not _HOST.fullmatch(host) or port == 0:
        raise ValueError("a webhook's URL names a host, such as https://example.com/hook")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a webhook's URL holds no user and password: check the signature instead")


class Secrets:
    """The secrets of models' webhooks."""

    def __init__(self, signing_key: bytes) -> None:
        self._key = hashlib.sha256(b"panini webhook secrets\0" + signing_key).digest()

    def secret(self, model_uid: int, rotation: int) -> str:
        """`whsec_…` of a model after so many rotations."""
        raw = hmac.digest(self._key, b"%d\0%d" % (model_uid, rotation), "sha256")
        return PREFIX + base64.b64encode(raw).decode()

    def valid(self, model_uid: int, rotation: int, rotated_at: int | None, now_ms: int) -> list[str]:
        """The secrets that sign now, the newest first: two for a day after a rotation."""
        found = [self.secret(model_uid, rotation)]
        if rotation and rotated_at is not None and now_ms - rotated_at < OVERLAP_MS:
            found.append(self.secret(model_uid, rotation - 1))
        return found


def signature(secrets: list[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Header `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over id.timestamp.body, for each secret."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    digests = [hmac.digest(base64.b64decode(one.removeprefix(PREFIX)), signed, "sha256") for one in secrets]
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


def message_id(model_uid: int, job_id: str) -> str:
    """Header `webhook-id` of a job's end: the same on every try, and of no other job."""
    return "msg_" + hashlib.blake2s(b"%d\0%b\0ended" % (model_uid, job_id.encode()), digest_size=16).hexdigest()
