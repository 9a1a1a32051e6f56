import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import from_ms, to_ms
from schemas.codec import Accepted, decode_fact
from schemas.compact import encode_fact, encode_tree, instant_bytes
from schemas.facts import INBOUND_TOPIC_OF, TYPES
from schemas.journal import (
    CommentInfo,
    Coordinates,
    Entry,
    FactEntry,
    GapEntry,
    ProgressEntry,
    RulesetEntry,
    SourcesEntry,
    decode_entry,
    encode_entry,
    encode_fact_entry,
)
from tests.schemas.samples import ARRIVED_MS, FULL, encoded, key_of

MOMENTS = st.integers(-62_135_596_800_000, 253_402_300_799_999).map(from_ms)


def accepted(payload: dict[str, Any]) -> Accepted:
    topic = INBOUND_TOPIC_OF[payload["type"]]
    outcome = decode_fact(topic, key_of(topic, payload), encoded(payload), arrived_ms=ARRIVED_MS)
    assert isinstance(outcome, Accepted), outcome
    return outcome


@pytest.mark.parametrize("kind", [kind for kind in INBOUND_TOPIC_OF if kind != "ruleset.activated"])
@pytest.mark.parametrize("comment", [None, CommentInfo(length=3, language=None, flags=[])])
def test_a_fact_entry_is_the_same_bytes_however_it_is_made(kind: str, comment: CommentInfo | None) -> None:
    outcome = accepted(FULL[kind])
    made = encode_fact_entry("ratings", 3, 12345, ARRIVED_MS, outcome.encoded, comment)
    entry = decode_entry(made)
    source = Coordinates(topic="ratings", partition=3, offset=12345)
    assert entry == FactEntry(v=1, source=source, arrived_at=from_ms(ARRIVED_MS), fact=outcome.fact, comment=comment)  # type: ignore[arg-type]
    assert encode_entry(entry) == made
    assert encode_tree(entry) == made
    assert made.startswith(b'{"kind":"fact","v":1,')


@given(MOMENTS, MOMENTS, MOMENTS)
def test_entries_survive_being_written_and_read_at_any_moment(one: datetime, two: datetime, three: datetime) -> None:
    entries: list[Entry] = [
        ProgressEntry(v=1, sources={"ratings/0": one, "meetings/1": two}),
        SourcesEntry(v=1, expected=["ratings/0"], since={"ratings/0": None, "x/1": one}, clock="records", topic_ids={}),
        RulesetEntry(v=1, ruleset={"a": {"2026-01-05T10:00:00Z": [1, 2.5]}}, hash="h", scope="*", backfill="emit"),
        GapEntry(v=1, source="ratings/0", first=one, last=three),
    ]
    for entry in entries:
        assert decode_entry(encode_entry(entry)) == entry
        assert encode_entry(decode_entry(encode_entry(entry))) == encode_entry(entry)


@given(MOMENTS)
def test_an_instant_is_written_alike_by_every_writer(moment: datetime) -> None:
    plain = msgspec.structs.replace(accepted(FULL["meeting.held"]).fact, occurred_at=moment, starts_at=moment)
    text = encode_fact(plain)
    assert text == encode_tree(plain)
    stated = json.loads(text)
    assert stated["occurred_at"] == stated["starts_at"] == instant_bytes(to_ms(moment)).decode()
    assert len(stated["occurred_at"]) == len("2026-01-05T10:00:00.000Z")


def test_text_that_looks_like_an_instant_is_left_alone() -> None:
    odd = "2026-01-05T10:00:00Z"
    outcome = accepted({**FULL["rating.submitted"], "event_id": odd, "participant_id": odd, "pair_id": odd})
    stated = json.loads(outcome.encoded)
    assert [stated[name] for name in ("event_id", "participant_id", "pair_id")] == [odd] * 3


def test_an_instant_that_is_not_utc_in_milliseconds_is_not_written() -> None:
    fact = accepted(FULL["meeting.held"]).fact
    berlin = timezone(timedelta(hours=1))
    for wrong in (datetime(2026, 1, 5, tzinfo=berlin), datetime(2026, 1, 5, 0, 0, 0, 1, tzinfo=UTC)):
        for name in ("occurred_at", "starts_at"):
            with pytest.raises(ValueError, match="whole milliseconds"):
                encode_fact(msgspec.structs.replace(fact, **{name: wrong}))


def test_a_comment_is_never_written() -> None:
    for kind in ("rating.submitted", "sentiment.submitted", "help.requested"):
        outcome = accepted(FULL[kind])
        assert outcome.comment
        with pytest.raises(ValueError, match="comment"):
            encode_fact(msgspec.structs.replace(outcome.fact, comment=outcome.comment))


def test_the_place_of_every_instant_is_known_to_the_writer() -> None:
    """A type that gains an instant the writer does not know would be written with six digits; this shows it."""
    for kind, struct in TYPES.items():
        instants = {
            info.name: from_ms(ARRIVED_MS + 5)
            for info in msgspec.structs.fields(struct)
            if "datetime" in repr(info.type) and info.name != "breaks"
        }
        if kind in FULL:
            fact = msgspec.structs.replace(accepted(FULL[kind]).fact, **instants)
            stated = json.loads(encode_fact(fact))
            assert {name: stated[name] for name in instants} == dict.fromkeys(instants, "2026-01-06T10:00:00.005Z")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"[]",
        b'{"kind":"rumour","v":1}',
        b'{"kind":"engine","v":2,"version":"9"}',
        b'{"kind":"engine","version":"9"}',
        b'{"kind":"progress","v":1,"sources":{"ratings/0":"2026-01-05T10:00:00"}}',
    ],
)
def test_what_is_no_entry_of_this_version_is_refused(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_entry(value)
