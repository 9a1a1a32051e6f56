"""Bytes in, values out: every kind of bad record has its reason, neighbours of it are accepted, nothing is raised."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.codec import MAX_AHEAD_MS, Accepted, Erasure, Rejected, decode_fact
from schemas.facts import INBOUND_TOPIC_OF, PairDeleted, ProgramEnded, RatingSubmitted
from schemas.ids import tombstone_event_id
from schemas.topics import INBOUND
from tests.schemas.samples import ARRIVED_MS, FULL, MINIMAL, encoded, key_of

RATING = MINIMAL["rating.submitted"]
SECRET = "Zebra"


def read(value: bytes | None, topic: str = "ratings", key: bytes | None = None, arrived_ms: int = ARRIVED_MS) -> Any:
    return decode_fact(topic, key, value, arrived_ms=arrived_ms)


def reason(outcome: object) -> str:
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


def rating(**changes: Any) -> bytes:
    return encoded({**RATING, **changes})


def raw(members: str) -> bytes:
    """A rating with further members written by hand."""
    return rating()[:-1] + b", " + members.encode("utf-8", errors="surrogatepass") + b"}"


BAD: dict[str, tuple[bytes | None, str]] = {
    "a null value": (None, "null_value"),
    "an empty value": (b"", "empty_value"),
    "blanks": (b"   ", "not_json"),
    "no JSON": (b"rating=4", "not_json"),
    "JSON cut short": (rating()[:-1], "not_json"),
    "two values": (rating() + rating(), "not_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + rating(), "not_json"),
    "a comma too many": (rating()[:-1] + b",}", "not_json"),
    "single quotes": (rating().replace(b'"', b"'"), "not_json"),
    "a control character in a text": (raw('"note": "a\tb"'), "not_json"),
    "an array": (b"[1]", "not_an_object"),
    "a number": (b"4", "not_an_object"),
    "null as JSON": (b"null", "not_an_object"),
    "a text": (b'"rating"', "not_an_object"),
    "UTF-16": (rating().decode().encode("utf-16"), "bad_utf8"),
    "bad UTF-8 in an id": (rating().replace(b"event-1", b"event-\xff"), "bad_utf8"),
    "bad UTF-8 in an ignored text": (rating()[:-1] + b', "note": "\xff"}', "bad_utf8"),
    "bad UTF-8 in an ignored key": (rating()[:-1] + b', "\xc3\x28": 1}', "bad_utf8"),
    "a surrogate in UTF-8": (raw('"note": "\ud800"'), "bad_utf8"),
    "more than 64 KiB": (rating(note="x" * 65_536), "too_large"),
    "deep arrays": (raw('"note": ' + "[" * 33 + "]" * 33), "too_deep"),
    "very deep arrays": (raw('"note": ' + "[" * 30_000 + "]" * 30_000), "too_deep"),
    "very deep and unfinished": (b"[" * 60_000, "too_deep"),
    "very deep objects": (raw('"note": ' + '{"a":' * 9_000 + "1" + "}" * 9_000), "too_deep"),
    "NaN": (rating(rating=float("nan")), "not_finite"),
    "Infinity": (rating(rating=float("inf")), "not_finite"),
    "NaN in an ignored field": (rating(note=float("nan")), "not_finite"),
    "an infinite literal": (raw('"rating": 1e999').replace(b'"rating": 4,', b""), "out_of_range"),
    "a key twice": (raw('"rating": 4'), "duplicate_key"),
    "a key twice with an escape": (raw('"r\\u0061ting": 4'), "duplicate_key"),
    "the type twice": (raw('"type": "rating.submitted"'), "duplicate_key"),
    "an ignored key twice": (raw('"note": 1, "note": 1'), "duplicate_key"),
    "a key twice further down": (raw('"note": {"deep": [{"a": 1, "a": 2}]}'), "duplicate_key"),
    "the version twice": (raw('"schema_version": 1, "schema_version": 1'), "duplicate_key"),
    "an optional key twice, once null": (raw('"comment": null, "comment": "x"'), "duplicate_key"),
    "a key twice beside a quoted version": (raw('"comment": "\\"schema_version\\":", "rating": 4'), "duplicate_key"),
    "a key twice beside the version": (raw('"rating": 4, "schema_version": 1'), "duplicate_key"),
    "a lone surrogate in an ignored text": (raw('"note": "\\ud800"'), "lone_surrogate"),
    "a lone surrogate in a comment": (raw('"comment": "a \\udc00 b"'), "lone_surrogate"),
    "a lone surrogate in a key": (raw('"\\ud800": 1'), "lone_surrogate"),
    "a lone surrogate further down": (raw('"note": [{"a": "\\ud800x"}]'), "lone_surrogate"),
    "no type": (encoded({k: v for k, v in RATING.items() if k != "type"}), "missing_field"),
    "a type of the wrong type": (rating(type=4), "wrong_type"),
    "an unknown type": (rating(type="rating.withdrawn"), "unknown_type"),
    "a type of the journal": (rating(type="pair.deleted"), "unknown_type"),
    "an empty type": (rating(type=""), "unknown_type"),
    "a type of another topic": (encoded(MINIMAL["sentiment.submitted"]), "wrong_topic"),
    "an unknown version": (rating(schema_version=2), "unknown_schema_version"),
    "version zero": (rating(schema_version=0), "unknown_schema_version"),
    "a huge version": (rating(schema_version=10**40), "unknown_schema_version"),
    "a version as text": (rating(schema_version="1"), "wrong_type"),
    "a version as float": (rating(schema_version=1.0), "wrong_type"),
    "a version of null": (rating(schema_version=None), "wrong_type"),
    "a missing field": (encoded({k: v for k, v in RATING.items() if k != "rating"}), "missing_field"),
    "no event id": (encoded({k: v for k, v in RATING.items() if k != "event_id"}), "missing_field"),
    "a null in a required field": (rating(participant_id=None), "wrong_type"),
    "a text for an integer": (rating(rating="4"), "wrong_type"),
    "a float for an integer": (rating(rating=4.0), "wrong_type"),
    "a boolean for an integer": (rating(rating=True), "wrong_type"),
    "an object for a text": (rating(participant_id={}), "wrong_type"),
    "a huge integer": (rating(rating=10**30), "out_of_range"),
    "a very huge integer": (raw('"rating": ' + "9" * 6_000).replace(b'"rating": 4, ', b""), "out_of_range"),
    "a rating of 0": (rating(rating=0), "out_of_range"),
    "a rating of 6": (rating(rating=6), "out_of_range"),
    "a comment that is too long": (rating(comment="x" * 4_001), "out_of_range"),
    "an unknown enum value": (rating(kind="weekly"), "unknown_value"),
    "an empty id": (rating(participant_id=""), "bad_id"),
    "an id that is too long": (rating(participant_id="x" * 129), "bad_id"),
    "a blank in an id": (rating(participant_id="a person"), "bad_id"),
    "a slash in an id": (rating(pair_id="pair/1"), "bad_id"),
    "a quote in an id": (rating(survey_id='survey"1'), "bad_id"),
    "a comma in an id": (rating(event_id="event,1"), "bad_id"),
    "a line break after an id": (rating(program_id="program-1\n"), "bad_id"),
    "an id that is not ASCII": (rating(participant_id="pérson"), "bad_id"),
    "a naive time": (rating(occurred_at="2026-01-05T10:00:00"), "naive_time"),
    "a time of another form": (rating(occurred_at="5.1.2026 10:00"), "bad_time"),
    "a time as number": (rating(occurred_at=1_767_607_200), "wrong_type"),
    "a day that does not exist": (rating(occurred_at="2026-02-30T10:00:00Z"), "bad_time"),
    "a time before the calendar": (rating(occurred_at="0001-01-01T00:00:00+01:00"), "bad_time"),
    "a time after the calendar": (rating(occurred_at="9999-12-31T23:59:59-01:00"), "bad_time"),
    "a time too far ahead": (rating(occurred_at="2026-01-07T10:00:00.001Z"), "future_time"),
}

GOOD: dict[str, bytes] = {
    "as few fields as possible": rating(),
    "compact": json.dumps(RATING, separators=(",", ":")).encode(),
    "indented": json.dumps(RATING, indent=4).encode(),
    "blanks before colons": json.dumps(RATING, separators=(" , ", " : ")).encode(),
    "surrounding blanks": b"\n " + rating() + b"\r\n",
    "the version": rating(schema_version=1),
    "the version, spaced": rating()[:-1] + b', "schema_version" : 1}',
    "explicit nulls": rating(pair_id=None, survey_id=None, comment=None),
    "an unknown field": rating(note="x"),
    "unknown fields": rating(note={"a": [1, 2.5, None, True, {"b": ""}]}, other=["x"] * 3),
    "a huge integer in an ignored field": raw('"note": ' + "9" * 6_000),
    "a huge float in an ignored field": raw('"note": 1e999'),
    "32 levels": raw('"note": ' + "[" * 31 + "]" * 31),
    "brackets in a text": rating(note="[" * 100),
    "quotes and backslashes in a comment": rating(comment='He said "no"\\ and left\n'),
    "a smile in a comment": rating(comment=":) :\":"),
    "an escaped pair of surrogates": raw('"comment": "\\ud83d\\ude00"'),
    "a comment in UTF-8": json.dumps({**RATING, "comment": "Schön 😀"}, ensure_ascii=False).encode(),
    "an escaped key": rating().replace(b'"rating"', b'"r\\u0061ting"'),
    "the same key at different depths": raw('"note": {"rating": 1, "note": {"rating": 2}}'),
    "exactly 64 KiB": rating(note="x" * (65_536 - len(rating(note="")))),
    "exactly 24 hours ahead": rating(occurred_at="2026-01-07T10:00:00.000999Z"),
    "long ago": rating(occurred_at="0001-01-01T00:00:00Z"),
    "an id of 128 characters": rating(participant_id="A-z0.9_:@" + "x" * 119),
    "an id that looks like an instant": rating(event_id="2026-01-05T10:00:00Z"),
    "an id that looks like a key": rating(event_id="schema_version", survey_id="occurred_at"),
    "a comment of 4,000 characters": rating(comment="é" * 4_000),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_rejected_with_its_reason(name: str) -> None:
    value, expected = BAD[name]
    assert reason(read(value)) == expected


@pytest.mark.parametrize("name", GOOD)
def test_an_unusual_but_valid_record_is_accepted(name: str) -> None:
    outcome = read(GOOD[name])
    assert isinstance(outcome, Accepted), outcome
    assert isinstance(outcome.fact, RatingSubmitted)
    assert outcome.fact.comment is None
    assert outcome.comment == json.loads(GOOD[name], parse_int=str).get("comment")
    assert b"comment" not in outcome.encoded


def test_no_reason_is_ever_about_the_text_of_the_payload() -> None:
    for name in RATING:
        for nasty in (SECRET, f"{SECRET} {SECRET}", f"{SECRET}\n", [SECRET], {SECRET: SECRET}):
            outcome = read(rating(**{name: nasty}, **{SECRET: SECRET}))
            if isinstance(outcome, Rejected):
                assert SECRET.lower() not in f"{outcome.reason} {outcome.message}".lower()
    for value in (raw(f'"{SECRET}": 1, "{SECRET}": 1'), f"[{SECRET}".encode(), raw(f'"{SECRET}": "\\ud800"')):
        outcome = read(value)
        assert isinstance(outcome, Rejected)
        assert SECRET not in outcome.message
    ruleset = MINIMAL["ruleset.activated"]
    outcome = read(encoded({**ruleset, "ruleset": {SECRET: 1}, "backfill": SECRET, "scope": SECRET}), "rulesets")
    assert isinstance(outcome, Rejected)
    assert SECRET not in outcome.message


@pytest.mark.parametrize("kind", INBOUND_TOPIC_OF)
@pytest.mark.parametrize("topic", INBOUND)
def test_a_type_is_good_on_its_own_topic_only(kind: str, topic: str) -> None:
    outcome = read(encoded(FULL[kind]), topic, key_of(topic, FULL[kind]))
    if topic == INBOUND_TOPIC_OF[kind]:
        assert isinstance(outcome, Accepted), outcome
    else:
        assert reason(outcome) == "wrong_topic"


@pytest.mark.parametrize("key", [None, b"", b"program-1", b"another", b"\xff"])
def test_any_key_will_do_where_nothing_is_compacted(key: bytes | None) -> None:
    assert isinstance(read(rating(), key=key), Accepted)


@pytest.mark.parametrize("kind", ["program.changed", "pair.changed", "participant.changed"])
def test_on_a_compacted_topic_the_key_must_be_the_right_one(kind: str) -> None:
    topic, payload = INBOUND_TOPIC_OF[kind], FULL[kind]
    right = key_of(topic, payload)
    assert isinstance(read(encoded(payload), topic, right), Accepted)
    for wrong in (None, b"", b"program-1/other", b"other", right + b"/", b"/" + right, right.upper(), b"\xff"):
        assert reason(read(encoded(payload), topic, wrong)) == "wrong_key"


def test_a_null_value_erases_a_participant() -> None:
    assert read(None, "participants", b"program-1/person-1") == Erasure("program-1", "person-1")


def test_a_null_value_closes_a_pair_and_ends_a_program_at_its_arrival() -> None:
    closed = read(None, "pairs", b"program-1/pair-1")
    assert isinstance(closed.fact, PairDeleted)
    assert (closed.fact.program_id, closed.fact.pair_id) == ("program-1", "pair-1")
    assert closed.fact.occurred_at.timestamp() * 1_000 == ARRIVED_MS
    assert closed.fact.event_id == tombstone_event_id("pairs", b"program-1/pair-1", ARRIVED_MS)
    ended = read(None, "programs", b"program-1")
    assert isinstance(ended.fact, ProgramEnded)
    assert ended.fact.program_id == "program-1"
    assert isinstance(read(None, "programs", b"program-1", arrived_ms=-1), Accepted)
    assert isinstance(read(None, "programs", b"program-1", arrived_ms=2**62), Accepted)


@pytest.mark.parametrize("topic", ["programs", "pairs", "participants"])
@pytest.mark.parametrize("key", [None, b"", b"a b", b"a/b/c", b"\xff", b"a/", b"x" * 129])
def test_a_null_value_under_a_key_of_the_wrong_shape_is_rejected(topic: str, key: bytes | None) -> None:
    assert reason(read(None, topic, key)) == "wrong_key"


@pytest.mark.parametrize("topic", [topic for topic in INBOUND if topic not in ("programs", "pairs", "participants")])
def test_a_null_value_means_nothing_elsewhere(topic: str) -> None:
    assert reason(read(None, topic, b"program-1/person-1")) == "null_value"
    assert reason(read(b"", topic, b"program-1/person-1")) == "empty_value"


def test_a_calendar_that_cannot_be_is_rejected() -> None:
    program = FULL["program.changed"]
    for change, expected in (
        ({"timezone": "Europe/Atlantis"}, "bad_timezone"),
        ({"timezone": ""}, "bad_timezone"),
        ({"timezone": "/etc/passwd"}, "bad_timezone"),
        ({"breaks": [{"from": "2026-04-02", "to": "2026-04-01"}]}, "reversed_break"),
        ({"breaks": [{"from": "2026-04-01", "to": "2026-04-32"}]}, "bad_time"),
        ({"breaks": [{"from": "2026-04-01"}]}, "missing_field"),
        ({"coordinator_ids": ["a b"]}, "bad_id"),
        ({"backup_coordinator_ids": ["a b"]}, "bad_id"),
        ({"safeguarding_contact_id": "a b"}, "bad_id"),
        ({"ends_at": "9999-12-31T23:59:59-01:00"}, "bad_time"),
    ):
        assert reason(read(encoded({**program, **change}), "programs", b"program-1")) == expected


def test_a_key_twice_in_a_break_or_a_rule_set_is_rejected() -> None:
    program = encoded(FULL["program.changed"]).replace(
        b'{"from": "2026-04-01"', b'{"to": "2026-04-01", "from": "2026-04-01"'
    )
    assert reason(read(program, "programs", b"program-1")) == "duplicate_key"
    tree = b'{"rules": {"rating.low": {"low": 2, "low": 3}}, "schema_version": 1}'
    ruleset = encoded({**MINIMAL["ruleset.activated"], "ruleset": 0}).replace(b'"ruleset": 0', b'"ruleset": ' + tree)
    assert reason(read(ruleset, "rulesets")) == "duplicate_key"


def test_a_rule_set_keeps_its_tree_and_needs_a_scope() -> None:
    payload = FULL["ruleset.activated"]
    outcome = read(encoded(payload), "rulesets")
    assert isinstance(outcome, Accepted)
    assert json.loads(outcome.encoded)["ruleset"] == payload["ruleset"]
    for scope in ("", "**", "a b", "program-1/", "x" * 129):
        assert reason(read(encoded({**payload, "scope": scope}), "rulesets")) == "bad_id"
    assert reason(read(encoded({**payload, "ruleset": [1]}), "rulesets")) == "wrong_type"
    assert reason(read(encoded({**payload, "ruleset": {"a": float("nan")}}), "rulesets")) == "not_finite"


def test_24_hours_ahead_is_measured_from_the_record() -> None:
    at = 1_767_780_000_000  # 2026-01-07T10:00:00Z
    value = rating(occurred_at="2026-01-07T10:00:00Z")
    assert isinstance(read(value, arrived_ms=at - MAX_AHEAD_MS), Accepted)
    assert reason(read(value, arrived_ms=at - MAX_AHEAD_MS - 1)) == "future_time"


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_000))
def test_24_hours_ahead_is_exact_to_the_millisecond_in_any_year(at: int) -> None:
    from schemas.compact import instant_bytes

    value = rating(occurred_at=instant_bytes(at).decode())
    assert isinstance(read(value, arrived_ms=at - MAX_AHEAD_MS), Accepted)
    assert reason(read(value, arrived_ms=at - MAX_AHEAD_MS - 1)) == "future_time"


def test_a_topic_that_is_not_inbound_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        read(rating(), "journal")


# Whatever the bytes.

_SEEDS = [value for value, _ in BAD.values() if value and len(value) < 1_000] + list(GOOD.values())[:20]


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(INBOUND),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=200),
    st.integers(-1, 2**62),
)
@example("ratings", None, b"\\", 0)
@example("ratings", None, b'{"type":"\\', 0)
def test_no_bytes_raise(topic: str, key: bytes | None, value: bytes | None, arrived_ms: int) -> None:
    assert isinstance(decode_fact(topic, key, value, arrived_ms=arrived_ms), Accepted | Erasure | Rejected)


@settings(max_examples=1_000, deadline=None)
@given(st.data())
def test_no_mutilated_record_raises_and_whatever_is_accepted_is_strict_json(data: st.DataObject) -> None:
    value = bytearray(data.draw(st.sampled_from(_SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(value)))
        length = data.draw(st.integers(0, 6))
        patch = data.draw(
            st.binary(max_size=4) | st.sampled_from([b'"', b"\\", b"{", b"}", b":", b",", b"null", b'"a":1,'])
        )
        value[at : at + length] = patch
    outcome = read(bytes(value))
    assert isinstance(outcome, Accepted | Rejected)
    if isinstance(outcome, Accepted):
        json.loads(bytes(value).decode("utf-8"), object_pairs_hook=_no_key_twice, parse_int=str)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def _has_key_twice(value: bytes) -> bool:
    try:
        json.loads(value, object_pairs_hook=_no_key_twice)
    except AssertionError:
        return True
    return False


_BLANK = st.sampled_from(["", " ", "\n "])
_MORE_KEYS = [
    "rating",
    "schema_version",
    "comment",
    "pair_id",
    "survey_id",
    "note",
    "other",
    "r\\u0061ting",
    "n\\u006fte",
]
_MORE_VALUES = [
    "1", "4", "null", '"x"', '":)"', '"a,b"', '"\\""', "[]", "{}", '{"rating": 4}', '["a", "b"]', '{"a": "b", "c": {}}',
    '{"a": 1, "a": 1}', '{"schema_version": 1}', '"schema_version"', '"\\u0022:"', "true", '""',
    '"\\"schema_version\\":"', '"\\"schema_version"', '"\\\\"', '"\\u00e9"',
]  # fmt: skip


@st.composite
def rating_texts(draw: st.DrawFn) -> bytes:
    """A rating as somebody might write it: any order, any spacing, further members, some of them twice."""
    members = [(name, json.dumps(value)) for name, value in RATING.items()]
    members += draw(st.lists(st.tuples(st.sampled_from(_MORE_KEYS), st.sampled_from(_MORE_VALUES)), max_size=4))
    members = draw(st.permutations(members))
    text = ",".join(f'{draw(_BLANK)}"{key}"{draw(_BLANK)}:{draw(_BLANK)}{value}' for key, value in members)
    return f"{{{text}}}".encode()


@settings(max_examples=1_000, deadline=None)
@given(rating_texts())
def test_a_record_with_a_key_twice_is_never_accepted_and_no_other_is_called_one(value: bytes) -> None:
    outcome = read(value)
    if _has_key_twice(value):
        assert isinstance(outcome, Rejected)  # whatever else is wrong with it may be found first
    else:
        assert isinstance(outcome, Accepted) or outcome.reason != "duplicate_key"
