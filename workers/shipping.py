"""Log lines and verdicts on their way to the registry: collected for a moment, sent together, bounded while away."""

import asyncio
import collections
import contextlib
import logging
from typing import Final

from registry import client
from registry import errors as registry_errors
from wire import specs

log = logging.getLogger(__name__)

PAUSE: Final = 0.15
"""Seconds that lines are collected: a person who watches a build sees it live."""

MOST: Final = 5000
"""Lines held while the registry is away; older ones are dropped."""


class Shipper:
    """Lines of a model's versions; `put` never waits."""

    def __init__(self, to: client.Client, account: str, model: str) -> None:
        self._to = to
        self._account = account
        self._model = model
        self._lines: collections.deque[tuple[int, str]] = collections.deque(maxlen=MOST)
        self._verdicts: dict[int, specs.Verdict] = {}
        self._some = asyncio.Event()

    def put(self, version: int, line: str) -> None:
        """Send a line some time soon."""
        self._lines.append((version, line))
        self._some.set()

    def judge(self, version: int, verdict: specs.Verdict) -> None:
        """Send what was found out about a version some time soon; a later verdict takes the place of an earlier one."""
        self._verdicts[version] = verdict
        self._some.set()

    async def run(self) -> None:
        """Send for ever; cancel to stop, then `flush`."""
        while True:
            await self._some.wait()
            await asyncio.sleep(PAUSE)
            await self.flush()

    async def flush(self) -> None:
        """Send what is there now; what the registry does not take stays."""
        self._some.clear()
        try:
            await self._send_lines()
            await self._send_verdicts()
        except registry_errors.RegistryError as error:
            log.warning("log lines wait for the registry: %s", error)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1.0)
            self._some.set()

    async def _send_lines(self) -> None:
        while self._lines:
            version = self._lines[0][0]
            same = []
            while self._lines and self._lines[0][0] == version:
                same.append(self._lines.popleft()[1])
            try:
                await self._to.append_log(self._account, self._model, version, "\n".join(same) + "\n")
            except registry_errors.NotFound:
                continue
            except registry_errors.RegistryError:
                room = MOST - len(self._lines)
                self._lines.extendleft((version, line) for line in reversed(same[-room:] if room else []))
                raise

    async def _send_verdicts(self) -> None:
        for version, verdict in list(self._verdicts.items()):
            with contextlib.suppress(registry_errors.NotFound):
                await self._to.judged(self._account, self._model, version, verdict)
            if self._verdicts.get(version) is verdict:
                del self._verdicts[version]
