"""Login links, session cookies and words over a redirect: sealed, timed, and each good for its own purpose only."""

import pytest

from dashboard import sessions
from tests.unit.dashboard import kit

SECRET = kit.SECRET


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """Unix seconds."""
        return self.now


def test_a_login_link_is_good_once(monkeypatch: pytest.MonkeyPatch) -> None:
    here = sessions.Sessions(SECRET)
    token = sessions.make_login_token(SECRET, "pn_key")

    assert here.redeem(token) == "pn_key"
    assert here.redeem(token) is None


def test_a_login_link_does_not_show_its_key() -> None:
    assert "pn_key" not in sessions.make_login_token(SECRET, "pn_key")


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "\N{SNOWMAN}", sessions.make_login_token(b"another", "pn_key")])
def test_what_is_no_link(token: str) -> None:
    assert sessions.Sessions(SECRET).redeem(token) is None


def test_a_login_link_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    token = sessions.make_login_token(SECRET, "pn_key")
    clock.now += sessions.LOGIN_SECONDS + 1

    assert sessions.Sessions(SECRET, clock=clock).redeem(token) is None


def test_a_session_holds_for_its_hours() -> None:
    clock = Clock()
    here = sessions.Sessions(SECRET, hours=1, clock=clock)
    cookie = here.seal(kit.session())

    assert here.open(cookie) == kit.session()
    clock.now += 3601
    assert here.open(cookie) is None


def test_one_token_is_not_another() -> None:
    here = sessions.Sessions(SECRET)
    flash = here.seal_flash(sessions.Flash(text="pn_key"))

    assert here.open(flash) is None
    assert here.redeem(here.seal(kit.session())) is None
    assert here.open_flash(here.seal(kit.session())) is None


def test_installations_of_one_host_have_cookies_of_their_own() -> None:
    assert sessions.Sessions(SECRET).cookie != sessions.Sessions(b"another").cookie


def test_no_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        sessions.Sessions(b"")
