"""API keys: their form, and their life."""

import hashlib
import re

import pytest

from registry import errors, keys, service
from tests.unit.registry import kit


def test_the_form_of_a_key() -> None:
    key = keys.generate()
    assert re.fullmatch(r"pn_[0-9A-Za-z]{36}", key)
    assert keys.well_formed(key)
    assert keys.generate() != key


def test_a_typing_error_shows() -> None:
    key = keys.generate()
    other = "a" if key[10] != "a" else "b"
    assert not keys.well_formed(key[:10] + other + key[11:])
    assert not keys.well_formed("pn_")
    assert not keys.well_formed("gh" + key[2:])


def test_the_checksum_never_changes_meaning() -> None:
    assert keys.checksum("0" * 30) == "2C8GjS"


async def test_the_first_start_makes_one_key_and_tells_it_once(registry: service.Registry) -> None:
    # When
    key, again = await registry.bootstrap(), await registry.bootstrap()
    # Then
    assert key is not None
    assert again is None
    taken = await registry.snapshot()
    assert taken is not None
    (sha256,) = taken.keys
    assert sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert taken.keys[sha256].last_four == key[-4:]


async def test_a_revoked_key_leaves_the_snapshot(registry: service.Registry) -> None:
    # Given
    await registry.bootstrap()
    made = await registry.create_key(kit.ACCOUNT, "second")
    before = await registry.snapshot()
    # When
    await registry.revoke_key(kit.ACCOUNT, made.id)
    # Then
    after = await registry.snapshot()
    assert before is not None
    assert after is not None
    digest = hashlib.sha256(made.key.encode()).hexdigest()
    assert digest in before.keys
    assert digest not in after.keys
    with pytest.raises(errors.UnknownKey):
        await registry.revoke_key(kit.ACCOUNT, made.id)


async def test_the_last_key_stays(registry: service.Registry) -> None:
    await registry.bootstrap()
    (only,) = await registry.list_keys(kit.ACCOUNT)
    with pytest.raises(errors.LastKey):
        await registry.revoke_key(kit.ACCOUNT, only.id)


async def test_no_such_account(registry: service.Registry) -> None:
    with pytest.raises(errors.NotFound, match="no account 'nobody'"):
        await registry.create_key("nobody", "x")
