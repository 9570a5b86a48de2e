"""Where Redis is, read from its URL: as redis-py reads it."""

import pytest
from redis.asyncio import connection

from results import urls

URLS = [
    "redis://127.0.0.1:6379/0", "redis://cache", "redis://cache:7000/3", "redis://:secret@cache/1",
    "redis://user:p%40ss%2Fword@cache:7000", "redis://user@cache", "rediss://user:x@cache:6380/2", "redis://cache/?db=5",
    "redis://[::1]:6379/0", "unix:///run/redis.sock", "unix://user:x@/run/a%20b.sock?db=4", "redis://",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_a_url_means_what_it_means_to_redis_py(url: str) -> None:
    theirs = connection.parse_url(url)
    found = urls.parse(url)
    assert found.tls == (theirs.get("connection_class") is connection.SSLConnection)
    assert found.path == theirs.get("path")
    expected = (theirs.get("username"), theirs.get("password"), theirs.get("db", 0))
    assert (found.username, found.password, found.db) == expected
    assert (found.host, found.port) == (theirs.get("host", "localhost"), theirs.get("port", urls.PORT))


@pytest.mark.parametrize("url", ["http://cache", "cache:6379", "redis://:secret@cache/zero", "redis://:secret@cache:x"])
def test_what_is_no_redis_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"Redis URL|Port") as found:
        urls.parse(url)
    assert "secret" not in str(found.value)
