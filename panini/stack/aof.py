"""Valkey's append-only file: forced onto the disk each second, rewritten while nobody writes."""

import contextlib
import dataclasses
import os
from pathlib import Path

WORTHWHILE = 64 * 2**20
"""Bytes of log below which rewriting saves nothing that matters: they load in a second."""
QUIET = 32 * 2**10
"""Bytes a second up to which a server counts as quiet: some fifty jobs. More would be asked for in the middle of a
steady trickle, which a rewrite disturbs as much, and for which the server's own rule asks more rarely."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes of the file that the last rewrite left, and of what was written since."""

    base: int
    written: int


def sync(folder: Path) -> Sizes:
    """Force what was written to the logs in `folder` onto the disk; blocks. Raises OSError."""
    written = 0
    for path in folder.glob("*.incr.aof"):
        with contextlib.suppress(FileNotFoundError):  # rewritten meanwhile
            log_file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(log_file)
                written += os.fstat(log_file).st_size
            finally:
                os.close(log_file)
    base = 0
    for path in folder.glob("*.base.*"):
        with contextlib.suppress(FileNotFoundError):
            base += path.stat().st_size
    return Sizes(base, written)


class Rewrites:
    """When to ask for a rewrite, before the server's own rule has to in the middle of work.

    That rule waits for a log of twice its size after the last rewrite. This one asks at one and a half, in a second in
    which hardly anything is written; a rewrite beside work costs that work a quarter of its pace.
    """

    def __init__(self) -> None:
        self._before = 0  # bytes written at the last look
        self._asked = 0  # and when it last asked: a rewrite that fails is not asked for again each second

    def due(self, now: Sizes) -> bool:
        """Whether to ask now; to be called once a second with what `sync` found."""
        if now.written < self._before:  # a rewrite ended: its server began a new log
            self._asked = 0
        quiet = now.written - self._before < QUIET
        self._before = now.written
        if not quiet or now.written - self._asked < max(WORTHWHILE, now.base // 2):
            return False
        self._asked = now.written
        return True
