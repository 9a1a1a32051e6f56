"""A line of a recording: when it arrived, which record it is, and why it is bad."""

import json
from typing import Any

import pytest

from schemas.base import to_ms
from schemas.codec import Accepted, Erasure, Rejected
from schemas.facts import HelpRequested, PairChanged, PairDeleted
from streams.backtest.lines import CLOCK, Arrival, read_arrival, read_record
from tests.streams.backtest.lines import START_MS, arrival, at, clock, erasure, line, pair, rating


def accepted(raw: bytes) -> Accepted:
    outcome = read_record(arrival(raw))
    assert isinstance(outcome, Accepted), outcome
    return outcome


def rejected(raw: bytes) -> Rejected:
    found = read_arrival(raw)
    outcome = found if isinstance(found, Rejected) else read_record(found)
    assert isinstance(outcome, Rejected), outcome
    return outcome


def without(raw: bytes, *names: str) -> bytes:
    return json.dumps({name: value for name, value in json.loads(raw).items() if name not in names}).encode()


def test_a_line_arrives_when_it_says_or_else_when_the_fact_happened() -> None:
    raw = rating(5_000, occurred_at=at(2_000))
    assert arrival(raw).arrived_ms == START_MS + 5_000
    assert arrival(without(raw, "arrived_at")).arrived_ms == START_MS + 2_000


def test_the_order_of_members_changes_nothing() -> None:
    raw = rating(0)
    backwards = json.dumps(dict(reversed(json.loads(raw).items()))).encode()
    spaced = json.dumps(json.loads(raw), indent=1).replace("\n", " ").encode()
    compact = json.dumps(json.loads(raw), separators=(",", ":")).encode()
    assert len({accepted(each).encoded for each in (raw, backwards, spaced, compact)}) == 1


def test_the_key_of_a_compacted_topic_is_made_from_its_fact() -> None:
    assert isinstance(accepted(pair()).fact, PairChanged)


def test_a_null_on_participants_erases_and_on_pairs_closes() -> None:
    assert read_record(arrival(erasure(7, "somebody"))) == Erasure("p", "somebody")
    closing = json.dumps({"topic": "pairs", "key": "p/pair", "value": None, "arrived_at": at(0)}).encode()
    fact = accepted(closing).fact
    assert isinstance(fact, PairDeleted)
    assert to_ms(fact.occurred_at) == START_MS


def test_a_line_may_carry_the_record_as_it_is() -> None:
    value = json.loads(without(pair(), "topic", "arrived_at"))
    for envelope in ({"key": "p/pair", "value": value}, {"value": value}):
        raw = json.dumps({"topic": "pairs", **envelope}).encode()
        assert arrival(raw).arrived_ms == START_MS
        assert accepted(raw).encoded == accepted(pair()).encoded
    wrong = json.dumps({"topic": "pairs", "key": "p/other", "value": value}).encode()
    assert rejected(wrong).reason == "wrong_key"


def test_a_request_for_help_keeps_its_own_topic_when_the_record_is_carried_as_it_is() -> None:
    help_fields: dict[str, Any] = {
        "event_id": "h",
        "type": "help.requested",
        "program_id": "p",
        "participant_id": "x",
        "occurred_at": at(0),
    }
    flat = accepted(json.dumps({"topic": "participant-activity", **help_fields}).encode()).fact
    assert isinstance(flat, HelpRequested)
    assert flat.topic is None
    value = help_fields | {"topic": "safety"}
    carried = accepted(json.dumps({"topic": "participant-activity", "value": value}).encode()).fact
    assert isinstance(carried, HelpRequested)
    assert carried.topic == "safety"
    flat_too = accepted(json.dumps(value).encode()).fact
    assert flat_too == carried
    assert rejected(json.dumps(value | {"topic": "elsewhere"}).encode()).reason == "unknown_value"


def test_a_line_of_the_clock_carries_nothing() -> None:
    assert read_arrival(clock(9)) == Arrival(START_MS + 9, CLOCK, None, None)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"not json", "not_json"),
        (b"[]", "not_an_object"),
        (b"{}", "missing_field"),
        (b'{"topic":7}', "wrong_type"),
        (b'{"topic":"elsewhere","arrived_at":"2026-01-01T00:00:00Z"}', "unknown_value"),
        (b'{"topic":"clock"}', "missing_field"),
        (b'{"topic":"clock","arrived_at":"noon"}', "bad_time"),
        (b'{"topic":"clock","arrived_at":"2026-01-01T00:00:00"}', "naive_time"),
        (b'{"topic":"clock","arrived_at":"1969-12-31T23:59:59Z"}', "bad_time"),
        (b'{"topic":"participants","key":"p/x","value":null}', "missing_field"),
        (b'{"topic":"participants","value":null,"arrived_at":"2026-01-01T00:00:00Z"}', "wrong_key"),
        (b'{"topic":"ratings","value":null,"arrived_at":"2026-01-01T00:00:00Z"}', "null_value"),
        (b'{"topic":"ratings","value":5,"arrived_at":"2026-01-01T00:00:00Z"}', "not_an_object"),
        (b'{"topic":"ratings","arrived_at":"2026-01-01T00:00:00Z","comment":"\xff"}', "bad_utf8"),
        (without(rating(0), "occurred_at", "arrived_at"), "missing_field"),
        (rating(0, occurred_at="2026-01-05T12:00:00"), "naive_time"),
        (without(rating(0, occurred_at="2026-01-05T12:00:00"), "arrived_at"), "naive_time"),
        (rating(0, 9), "out_of_range"),
        (rating(0, arrived_at=at(-25 * 3_600_000)), "future_time"),
        (line("meetings", 0, **json.loads(without(rating(0), "topic"))), "wrong_topic"),
        (rating(0)[:-1] + b',"rating":4}', "duplicate_key"),
        (rating(0)[:-1] + b',"topic":"meetings"}', "duplicate_key"),
        (b'{"topic":"ratings",' + rating(0)[1:], "duplicate_key"),
        (pair(0, "no such id"), "bad_id"),
        (rating(0, comment="x" * 5_000), "out_of_range"),
        (rating(0, ignored="x" * 70_000), "too_large"),
    ],
)
def test_a_bad_line_says_why(raw: bytes, reason: str) -> None:
    assert rejected(raw).reason == reason
