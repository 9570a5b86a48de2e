"""What jobs say while they run: progress and outputs, in a short stream each that is made with the first of them.

A plain job says nothing and has none: that it was queued, started and ended, its record tells.
"""

from typing import Final

import msgspec

from results import keys, link, lua, protocol

KEPT: Final = 1000
"""Words of one job that are kept, the newest, and some."""

LARGEST: Final = 16 << 10
"""Bytes of one word; of a larger output only its size is told, as the job's result has it all."""

TTL_MS: Final = 3 * protocol.DAY_MS
"""Milliseconds that a stream lives after its last word."""

FIRST: Final = 3
"""Number of a job's first word: 1 is its being queued, 2 its start."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Something a running job says."""

    id: str
    token: str
    """Of the claim under which it runs."""
    name: str
    """`progress` or `output`."""
    data: bytes
    """JSON."""


class Heard(msgspec.Struct, frozen=True):
    """A word as a client gets it."""

    number: int
    name: str
    data: bytes


class Words:
    """The streams. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, over: link.Link) -> None:
        self._link = over
        self._scripts = lua.Scripts(over)

    async def say(self, account: str, model: str, words: list[Word]) -> None:
        """Add words; those of a job whose claim holds no more are dropped."""
        if not words:
            return
        names: list[str] = []
        arguments: list[link.Argument] = [keys.ended(account, model), KEPT, TTL_MS]
        for word in words:
            names += [keys.job(account, model, word.id), keys.events(account, model, word.id)]
            arguments += [word.token, word.id, word.name, word.data]
        await self._scripts.run("say", names, arguments)

    async def read(self, account: str, model: str, job_id: str, *, after: int) -> list[Heard]:
        """The words with higher numbers than `after`, some hundred at most."""
        first = max(after + 1, FIRST)
        found = await self._link.call("XRANGE", keys.events(account, model, job_id), f"{first}-0", "+", "COUNT", 500)
        return [Heard(int(number.partition(b"-")[0]), fields[1].decode(), fields[3]) for number, fields in found]

    async def last(self, account: str, model: str, job_id: str) -> int:
        """The number of the last word; 2 where there is none."""
        found = await self._link.call("XREVRANGE", keys.events(account, model, job_id), "+", "-", "COUNT", 1)
        return int(found[0][0].partition(b"-")[0]) if found else FIRST - 1


def progress(fraction: float, text: str) -> bytes:
    """The data of a `progress` word."""
    return msgspec.json.encode({"fraction": fraction, "text": text})


def output(value: bytes, media: str | None) -> bytes:
    """The data of an `output` word: `value` is JSON text, or bytes of that media type."""
    if len(value) > LARGEST:
        return msgspec.json.encode({"omitted_bytes": len(value)})
    if media is not None:
        return msgspec.json.encode({"output": value, "output_media_type": media})
    return b'{"output":' + value + b"}"
