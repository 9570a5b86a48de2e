"""Every setting of the scaler, of scaling and of probes is in docs/kubernetes.md."""

import pathlib

import pytest

from k8s import settings as k8s_settings
from wire import settings as wire_settings
from workers import health, scaling_settings

TEXT = (pathlib.Path(__file__).parents[3] / "docs" / "kubernetes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "settings",
    [k8s_settings.Settings, scaling_settings.ScalingSettings, health.HealthSettings],
    ids=lambda one: one.__module__,
)
def test_it_is_there(settings: type[wire_settings.Base]) -> None:
    missing = [name for name in settings.model_fields if f"`PANINI_{name.upper()}`" not in TEXT]

    assert missing == []
