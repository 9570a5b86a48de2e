"""Every setting and every page is in docs/dashboard.md."""

import pathlib

from dashboard import settings, subjects

TEXT = (pathlib.Path(__file__).parents[3] / "docs" / "dashboard.md").read_text()


def test_every_setting_is_documented() -> None:
    missing = [name for name in settings.Settings.model_fields if f"PANINI_{name.upper()}" not in TEXT]

    assert missing == []


def test_every_tab_is_documented() -> None:
    assert [tab.path for tab in subjects.TABS if f"/models/NAME{tab.path}" not in TEXT] == []
