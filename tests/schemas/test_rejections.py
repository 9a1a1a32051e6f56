import re
from typing import get_args

import msgspec
import pytest

from schemas.facts import RatingSubmitted
from schemas.rejections import MAX_DEPTH, Reason, Rejected, explain, read_strictly, too_deep
from tests.schemas.samples import MINIMAL, encoded


def test_reasons_are_stable_codes() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]{1,40}", reason) for reason in get_args(Reason))
    assert list(get_args(Reason)) == sorted(get_args(Reason))


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 1_000])
def test_depth_counts_brackets_outside_texts(depth: int) -> None:
    assert too_deep(b"[" * depth + b"]" * depth) == (depth > MAX_DEPTH)
    assert too_deep(b'{"a":' * depth + b"1" + b"}" * depth) == (depth > MAX_DEPTH)
    assert not too_deep(b'"' + b"[" * depth + b'"')
    assert not too_deep(b'"\\"' + b"[" * depth + b'"')
    assert not too_deep(b"[" + b"[],[]," * depth + b"1]")


def test_numbers_keep_their_text_when_read_strictly() -> None:
    assert read_strictly(b'{"a": 1e999, "b": [%b]}' % (b"9" * 5_000)) == {"a": "1e999", "b": ["9" * 5_000]}


def test_the_decoders_messages_still_have_the_form_we_read() -> None:
    """The reason behind a field's error is read from msgspec's text: an upgrade that words it otherwise shows here."""
    rating = MINIMAL["rating.submitted"]
    expected = {
        ("rating", 6): Rejected("out_of_range", "`rating` is out of range."),
        ("rating", "x"): Rejected("wrong_type", "`rating` has the wrong type."),
        ("occurred_at", "2026-01-05T10:00:00"): Rejected("naive_time", "`occurred_at` needs an offset."),
        ("occurred_at", "x"): Rejected("bad_time", "`occurred_at` must be RFC 3339."),
        ("kind", "x"): Rejected("unknown_value", "`kind` has a value that is not known."),
        ("comment", "x" * 4_001): Rejected("out_of_range", "`comment` is too long."),
    }
    decoder = msgspec.json.Decoder(RatingSubmitted)
    for (name, wrong), rejected in expected.items():
        value = encoded({**rating, name: wrong})
        with pytest.raises(msgspec.ValidationError) as caught:
            decoder.decode(value)
        assert explain("ratings", value, caught.value) == rejected
    value = encoded({name: item for name, item in rating.items() if name != "kind"})
    with pytest.raises(msgspec.ValidationError) as caught:
        decoder.decode(value)
    assert explain("ratings", value, caught.value) == Rejected("missing_field", "`kind` is missing.")
