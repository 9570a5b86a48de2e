"""Ids that prove who made them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import ids, names

SIGNER = ids.Signer({0: b"first"}, 0)
UIDS = st.integers(0, 2**32 - 1)
ACCOUNTS = st.integers(0, 2**63)
TIMES = st.integers(0, 2**48 - 1)


@given(UIDS, ACCOUNTS, TIMES)
def test_an_id_tells_its_model_and_time_and_is_verified(model: int, account: int, now: int) -> None:
    made = SIGNER.new(model_uid=model, account_uid=account, now_ms=now)
    parsed = ids.parse(made)
    assert parsed is not None
    assert (parsed.model_uid, parsed.issued_ms, parsed.key_id) == (model, now, 0)
    assert SIGNER.verify(parsed, account_uid=account)
    assert names.is_job_id(made)


@given(UIDS, ACCOUNTS, TIMES, st.integers(0, 2**24 - 1))
def test_the_jobs_of_a_bulk_set_have_ids_of_their_own_that_are_verified(
    model: int, account: int, now: int, line: int
) -> None:
    found = ids.parse_bulk(SIGNER.new_bulk(model_uid=model, account_uid=account, now_ms=now))
    assert found is not None
    name = SIGNER.members(found, account_uid=account)
    parsed = ids.parse(name(line))
    assert parsed is not None
    assert (parsed.model_uid, parsed.issued_ms, parsed.key_id) == (model, now, 0)
    assert SIGNER.verify(parsed, account_uid=account)
    assert not SIGNER.verify(parsed, account_uid=account + 1)
    assert names.is_job_id(name(line))
    assert name(line) != name(line ^ 1)
    assert SIGNER.members(found, account_uid=account)(line) == name(line), "the same line again is the same job"


@given(UIDS, ACCOUNTS, st.integers(1, 2**32))
def test_another_account_cannot_claim_it(model: int, account: int, other: int) -> None:
    parsed = ids.parse(SIGNER.new(model_uid=model, account_uid=account, now_ms=1))
    assert parsed is not None
    assert not SIGNER.verify(parsed, account_uid=account + other)


@given(st.integers(2, 33), st.sampled_from("ABab01-_"))
def test_a_changed_character_is_found_out(place: int, put: str) -> None:
    made = SIGNER.new(model_uid=7, account_uid=1, now_ms=1_700_000_000_000)
    changed = made[:place] + put + made[place + 1 :]
    parsed = ids.parse(changed)
    assert changed == made or parsed is None or not SIGNER.verify(parsed, account_uid=1)


@given(st.text(max_size=60))
def test_a_foreign_text_is_no_id_of_ours(text: str) -> None:
    parsed = ids.parse(text)
    assert parsed is None or not SIGNER.verify(parsed, account_uid=1)


def test_a_key_that_no_longer_signs_still_verifies() -> None:
    # Given an id made with the first key
    made = ids.parse(SIGNER.new(model_uid=1, account_uid=1, now_ms=1))
    assert made is not None
    # When a second key signs from now on
    rotated = ids.Signer({0: b"first", 1: b"second"}, 1)
    fresh = ids.parse(rotated.new(model_uid=1, account_uid=1, now_ms=1))
    # Then both are verified, and by a ring without it, neither
    assert fresh is not None
    assert (fresh.key_id, made.key_id) == (1, 0)
    assert rotated.verify(made, account_uid=1)
    assert rotated.verify(fresh, account_uid=1)
    assert not SIGNER.verify(fresh, account_uid=1)
    assert not ids.Signer({0: b"other"}, 0).verify(made, account_uid=1)


def test_ids_of_one_moment_differ() -> None:
    made = {SIGNER.new(model_uid=1, account_uid=1, now_ms=1) for _ in range(1000)}
    assert len(made) == 1000


@pytest.mark.parametrize(("keys", "current"), [({0: b"x"}, 1), ({16: b"x"}, 16), ({}, 0)])
def test_a_ring_without_its_signing_key_is_refused(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(ValueError, match="signing key"):
        ids.Signer(keys, current)
