"""What processes agree on about webhooks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from wire import webhooks

GOOD = ["https://example.com/hook", "http://localhost:8000/", "https://[2001:db8::1]:8443/x?y=1", "HTTPS://EXAMPLE.com"]
BAD = [
    "ftp://example.com", "example.com/hook", "https://", "https:///path", "http://user:pw@example.com/", "javascript:x",
    "https://exa mple.com", "https://example.com/\n", "https://example.com:99999/", "https://example.com:0/",
    "https://ex%41mple.com/", "https://[::1/", "https://beispiel.de/ü", "https://example.com/" + "x" * 2048, "",
    "http://@example.com/", "file:///etc/passwd", "http://a,b/",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_what_may_be_named(url: str) -> None:
    webhooks.check_url(url)


@pytest.mark.parametrize("url", BAD)
def test_what_may_not(url: str) -> None:
    with pytest.raises(ValueError, match="webhook"):
        webhooks.check_url(url)


@given(st.text(max_size=60))
def test_any_text_is_judged(url: str) -> None:
    try:
        webhooks.check_url(url)
    except ValueError:
        return
    assert url.lower().startswith(("http://", "https://"))


def test_secrets_differ_by_installation_model_and_rotation() -> None:
    mine, theirs = webhooks.Secrets(b"a"), webhooks.Secrets(b"b")
    found = [mine.secret(1, 0), mine.secret(1, 1), mine.secret(2, 0), theirs.secret(1, 0)]

    assert len(set(found)) == 4
    assert all(one.startswith("whsec_") for one in found)
    assert mine.secret(1, 0) == webhooks.Secrets(b"a").secret(1, 0)
    now = 1_000_000_000_000
    assert mine.valid(1, 0, None, now) == [mine.secret(1, 0)]
    assert mine.valid(1, 1, now - 5, now) == [mine.secret(1, 1), mine.secret(1, 0)]
    assert mine.valid(1, 1, now - webhooks.OVERLAP_MS, now) == [mine.secret(1, 1)]


def test_the_official_library_agrees() -> None:
    import datetime as dt

    secret = webhooks.Secrets(b"a").secret(1, 0)
    at = dt.datetime.now(dt.UTC)
    body = '{"ü": 1}'

    signed = webhooks.signature([secret], "msg_1", int(at.timestamp()), body.encode())

    assert signed == Webhook(secret).sign("msg_1", at, body)


def test_a_message_has_its_own_id() -> None:
    assert webhooks.message_id(1, "a") == webhooks.message_id(1, "a")
    assert len({webhooks.message_id(1, "a"), webhooks.message_id(2, "a"), webhooks.message_id(1, "b")}) == 3
    assert "." not in webhooks.message_id(1, "a.b")
