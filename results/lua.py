"""The scripts beside this module: run by their digest, sent as text only where Redis does not hold them."""

import hashlib
import importlib.resources
from typing import Any, Final

from results import errors, link

BEFORE: Final = {
    "claim": ("outbox",),
    "finish": ("outbox",),
    "note": ("outbox", "ending"),
    "cancel": ("outbox", "ending"),
    "expire": ("outbox", "ending"),
    "postpone": ("giving_back",),
    "release": ("giving_back",),
}
"""What stands before a script: functions that several share."""

NAMES: Final = (
    "claim",
    "finish",
    "release",
    "postpone",
    "unfinished",
    "note",
    "cancel",
    "expire",
    "sweep",
    "delete",
    "page",
    "shrink",
    "due",
    "say",
    "settle",
    "redeliver",
)


class Scripts:
    """Runs scripts over a link."""

    def __init__(self, over: link.Link) -> None:
        self._link = over
        self._texts: dict[str, bytes] = {}
        self._digests: dict[str, str] = {}

    async def run(self, name: str, keys: list[str], arguments: list[link.Argument]) -> Any:
        """The script's reply. Raises StoreUnavailable, StoreFault."""
        digest = self._digests.get(name) or self._load(name)
        try:
            return await self._link.call("EVALSHA", digest, len(keys), *keys, *arguments)
        except errors.NoScript:
            return await self._link.call("EVAL", self._texts[name], len(keys), *keys, *arguments)

    def _load(self, name: str) -> str:
        folder = importlib.resources.files("results").joinpath("scripts")
        parts = [folder.joinpath(f"{part}.lua").read_bytes() for part in (*BEFORE.get(name, ()), name)]
        if parts[-1].startswith(b"#!"):  # its flags stand before everything
            flags, _, parts[-1] = parts[-1].partition(b"\n")
            parts.insert(0, flags + b"\n")
        text = b"".join(parts)
        self._texts[name] = text
        self._digests[name] = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        return self._digests[name]
