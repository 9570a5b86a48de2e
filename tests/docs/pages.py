"""Pages whose commands are run: their ```sh blocks, in order, in one shell on a terminal."""

import dataclasses
import os
import pathlib
import pty
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK: Final = "=== end of block"
CHANGING: Final = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\bj_[\w-]+"), "ID"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "HASH"),
    (re.compile(r"(?:/[\w .+-]+)+/"), "FOLDER/"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "N"),
)
"""What differs from run to run → what stands for it."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Commands, and what they were recorded to print (none: that does not matter)."""

    commands: str
    printed: str | None


def blocks(page: pathlib.Path) -> list[Block]:
    """Every ```sh block; a ```text block right below one is what it printed."""
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = -1
    for match in BLOCK.finditer(text):
        if match[1] == "sh":
            found.append(Block(commands=match[2], printed=None))
            end = match.end()
        elif match[1] == "text" and found and not text[end : match.start()].strip():
            found[-1] = dataclasses.replace(found[-1], printed=match[2])
    return found


def run(commands: Sequence[str], *, environ: Mapping[str, str], cwd: pathlib.Path) -> list[str]:
    """Run each in one bash on a terminal; what each printed. After one that fails there is no more."""
    script = "set -e\n" + "".join(f"{one}\necho '{MARK}'\n" for one in commands)
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "-c", script], env=dict(environ), cwd=cwd,
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    text = _read(ours).replace("\r\n", "\n")
    shell.wait(60)
    return text.split(f"{MARK}\n")


def comparable(text: str) -> list[str]:
    """The lines, without what differs from run to run: ids, times, folders, numbers."""
    for pattern, stands in CHANGING:
        text = pattern.sub(stands, text)
    lines = (" ".join(line.rpartition("\r")[2].split()) for line in text.split("\n"))
    return [line for line in lines if line and line != "…"]


def _read(terminal: int) -> str:
    """All that is written to a terminal, until nobody has it open any more."""
    parts: list[bytes] = []
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                part = file.read(65536)
            except OSError:  # Linux's word for the end of a terminal
                break
            if not part:
                break
            parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")
