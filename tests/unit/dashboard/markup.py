"""Whether a page's tags are closed in order, as a strict reader would want them."""

import html.parser

VOID = frozenset({"meta", "link", "input", "br", "img", "hr", "path", "circle", "rect", "use", "line"})


class Checker(html.parser.HTMLParser):
    """Keeps the open tags and notes what closes wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""

    def handle_endtag(self, tag: str) -> None:
        """See HTMLParser."""
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> at line {self.getpos()[0]} where {self.open[-3:]} are open")
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def faults(text: str) -> list[str]:
    """What is wrong with a page's markup."""
    checker = Checker()
    checker.feed(text)
    twice = sorted({found for found in checker.ids if checker.ids.count(found) > 1})
    return checker.faults + checker.open + [f"two elements have the id {found}" for found in twice]
