import json
from pathlib import Path

import pytest

from panini.client import address, errors


def stack(folder: Path, api: str | None = "http://127.0.0.1:8181") -> Path:
    home = folder / ".panini"
    home.mkdir(parents=True)
    (home / "key").write_text("pn_local\n")
    (home / "stack.json").write_text(json.dumps({"api": api, "ports": {}} if api else {"ports": {}}))
    return home


def test_arguments_win_over_the_environment(tmp_path: Path) -> None:
    environ = {"PANINI_URL": "https://a.test", "PANINI_KEY": "pn_a"}

    found = address.settle("https://b.test/", "pn_b", environ=environ, folder=tmp_path)

    assert (found.url, found.key) == ("https://b.test", "pn_b")


def test_the_local_stack_is_found_from_a_folder_below(tmp_path: Path) -> None:
    home = stack(tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)

    found = address.settle(environ={}, folder=below)

    assert (found.url, found.key, found.key_file) == ("http://127.0.0.1:8181", "pn_local", home / "key")
    assert found.local


def test_panini_home_names_the_stacks_folder(tmp_path: Path) -> None:
    home = stack(tmp_path / "elsewhere")

    found = address.settle(environ={"PANINI_HOME": str(home)}, folder=tmp_path)

    assert found.key == "pn_local"


def test_the_local_key_is_never_sent_elsewhere(tmp_path: Path) -> None:
    stack(tmp_path)

    found = address.settle("https://stranger.test", environ={}, folder=tmp_path)

    assert found.key == ""


def test_a_stack_that_names_no_api_is_at_the_default(tmp_path: Path) -> None:
    stack(tmp_path, api=None)

    assert address.settle(environ={}, folder=tmp_path).url == "http://127.0.0.1:8080"


def test_nothing_found_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(errors.NotConfigured, match="panini up"):
        address.settle(environ={}, folder=tmp_path)


@pytest.mark.parametrize("url", ["panini.test", "ftp://a.test", "http://", "http://a.test:99999", "http://["])
def test_what_is_no_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(errors.NotConfigured, match="is no address"):
        address.settle(url, environ={}, folder=tmp_path)


def test_a_key_that_no_header_can_carry_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.NotConfigured, match="PANINI_KEY"):
        address.settle("http://a.test", "pn_ü", environ={}, folder=tmp_path)


def test_the_key_is_not_in_the_repr(tmp_path: Path) -> None:
    assert "pn_secret" not in repr(address.settle("http://a.test", "pn_secret", environ={}, folder=tmp_path))
