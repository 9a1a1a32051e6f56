import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import (
    ID_BYTES,
    ID_PATTERN,
    ce_id,
    delivery_key,
    digest_id,
    is_id,
    pair_member_id,
    source_id,
    split_key,
    tombstone_event_id,
)

IDS = st.from_regex(r"\A[A-Za-z0-9._:@-]{1,128}\Z")


@given(st.text(max_size=130))
def test_the_fast_and_the_readable_form_of_an_id_agree(text: str) -> None:
    fast = 1 <= len(text) <= 128 and not text.encode(errors="replace").translate(None, ID_BYTES)
    readable = re.fullmatch(ID_PATTERN.strip("^$"), text) is not None
    # A lone surrogate is replaced by "?", which no id contains.
    assert fast == readable == is_id(text)


def test_every_byte_of_an_id_is_allowed_and_no_other() -> None:
    assert {chr(byte) for byte in range(128) if is_id(chr(byte))} == set(ID_BYTES.decode())


@given(IDS, IDS)
def test_a_key_splits_into_the_ids_it_was_joined_from(program_id: str, pair_id: str) -> None:
    assert split_key(f"{program_id}/{pair_id}".encode(), 2) == (program_id, pair_id)
    assert split_key(program_id.encode(), 1) == (program_id,)
    assert split_key(f"{program_id}/{pair_id}".encode(), 1) is None


@pytest.mark.parametrize("key", [b"", b"/", b"a/", b"/a", b"a/b/c", b"a b/c", b"\xff/a", b"a/" + b"b" * 129])
def test_a_key_of_another_shape_is_none(key: bytes) -> None:
    assert split_key(key, 2) is None


def test_derived_ids_are_joined_unambiguously() -> None:
    assert ce_id("abc", 2) == "abc.2"
    assert pair_member_id("pair-1", "person-1") == "pair-1/person-1"
    assert source_id("ratings", 3) == "ratings/3"
    assert delivery_key("abc", 0, "email", "coordinator-1") == "abc/0/email/coordinator-1"
    assert digest_id("coordinator-1", "email", "2026-01-05") == "coordinator-1/email/2026-01-05"


def test_a_tombstone_is_named_by_topic_key_and_arrival() -> None:
    name = tombstone_event_id("pairs", b"program-1/pair-1", 5)
    assert is_id(name)
    assert name == tombstone_event_id("pairs", b"program-1/pair-1", 5)
    others = {
        tombstone_event_id("pairs", b"program-1/pair-1", 6),
        tombstone_event_id("pairs", b"program-1/pair-2", 5),
        tombstone_event_id("programs", b"program-1/pair-1", 5),
    }
    assert len(others | {name}) == 4
