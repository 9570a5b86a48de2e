"""Every command of docs/quickstart.md, run as it stands there; only the port and the folder are the test's own."""

import os
import pathlib
import sys
from collections.abc import Iterator

import pytest

from tests.architecture import tree
from tests.docs import pages
from tests.e2e import kit

PAGE = tree.ROOT / "docs" / "quickstart.md"
ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Stack]:
    """What `make up` leaves running in a clone: its home there, and its example deployed."""
    clone = tmp_path_factory.mktemp("clone")
    home = str(clone / ".panini")
    stack = kit.Stack(clone, environ={"PANINI_UP_EXAMPLE": "true", "PANINI_HOME": home})
    stack.home = clone / ".panini"
    try:
        yield stack.start()
    finally:
        stack.stop()


def environ(stack: kit.Stack) -> dict[str, str]:
    """A second terminal's: it knows nothing of the stack, and finds the home in the folder it is opened in."""
    bare = {name: value for name, value in stack.environ.items() if not name.startswith("PANINI_")}
    return bare | {
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "TERM": "dumb",
        "COLUMNS": "200",
    }


def test_it_begins_with_the_two_commands() -> None:
    first = pages.blocks(PAGE)[0].commands.splitlines()

    assert [line.split()[:2] for line in first] == [["git", "clone"], ["cd", "panini"], ["make", "up"]]


def test_every_command_does_what_the_page_says(running: kit.Stack) -> None:
    blocks = pages.blocks(PAGE)[1:]
    commands = [block.commands.replace(ADDRESS, running.url) for block in blocks]

    printed = pages.run(commands, environ=environ(running), cwd=running.root)

    assert len(printed) == len(blocks) + 1, printed[-1]
    for block, found in zip(blocks, printed, strict=False):
        if block.printed is not None:
            missing = [line for line in pages.comparable(block.printed) if line not in pages.comparable(found)]
            assert missing == [], f"after\n{block.commands}\nit printed\n{found}"


def test_make_up_says_what_the_page_says(running: kit.Stack) -> None:
    recorded = pages.blocks(PAGE)[0].printed
    assert recorded is not None
    said = pages.comparable(running.output.read_text(encoding="utf-8"))

    kept = [line for line in pages.comparable(recorded) if line.startswith(("API", "key", "Kafka", "curl", "panini"))]

    assert [line for line in kept if line not in said] == []
