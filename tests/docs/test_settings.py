"""docs/settings.md has every setting and its default."""

import pytest

from scripts import settings_page

ROWS = [row for kind in settings_page.classes().values() for row in settings_page.rows(kind)]


def test_the_page_is_what_the_settings_say() -> None:
    written = settings_page.PAGE.read_text(encoding="utf-8")

    assert written == settings_page.page(), "docs/settings.md is not true any more; run `make docs`"


@pytest.mark.parametrize("row", ROWS, ids=[row.variable for row in ROWS])
def test_every_setting_says_what_it_means(row: settings_page.Setting) -> None:
    assert len(row.words.split()) > 1, f"{row.variable} has no docstring under its field"


def test_a_variable_that_several_read_has_one_default() -> None:
    defaults: dict[str, set[str]] = {}

    for row in ROWS:
        defaults.setdefault(row.variable, set()).add(row.default)

    assert {variable: found for variable, found in defaults.items() if len(found) > 1} == {}


def test_the_headings_name_classes_that_exist() -> None:
    assert set(settings_page.SECTIONS) <= set(settings_page.classes())
