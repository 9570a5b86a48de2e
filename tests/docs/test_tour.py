"""Every command of docs/tour.md, run as it stands there on the stack that the quickstart leaves running."""

from collections.abc import Iterator

import pytest

from tests.architecture import tree
from tests.docs import pages
from tests.docs.test_quickstart import ADDRESS, environ
from tests.e2e import kit

PAGE = tree.ROOT / "docs" / "tour.md"


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kit.Stack]:
    """A stack of the page's own."""
    made = kit.Stack(tmp_path_factory.mktemp("tour"))
    try:
        yield made.start()
    finally:
        made.stop()


def test_every_command_does_what_the_page_says(stack: kit.Stack) -> None:
    # Given the page's commands, with the address and the home of this stack
    blocks = pages.blocks(PAGE)
    commands = [
        block.commands.replace(ADDRESS, stack.url).replace(".panini/key", f"{stack.home}/key") for block in blocks
    ]
    # When they are run in order in one shell
    where = environ(stack) | {"PANINI_HOME": str(stack.home)}
    printed = pages.run(commands, environ=where, cwd=stack.root)
    # Then every one ends well and prints what the page says it prints
    assert len(printed) == len(blocks) + 1, printed[-1]
    for block, found in zip(blocks, printed, strict=False):
        if block.printed is not None:
            missing = [line for line in pages.comparable(block.printed) if line not in pages.comparable(found)]
            assert missing == [], f"after\n{block.commands}\nit printed\n{found}"
