"""docs/observing.md has every metric."""

from scripts import metrics_page


def test_the_page_has_every_metric() -> None:
    written = metrics_page.PAGE.read_text(encoding="utf-8")

    assert metrics_page.found()
    assert written == metrics_page.page(), "docs/observing.md is not true any more; run `make docs`"
