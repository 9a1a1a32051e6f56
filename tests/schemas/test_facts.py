"""The pydantic models and their msgspec twins are one contract: shown field by field, and by payloads good and bad."""

import json
import types
from datetime import date, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct
from msgspec.structs import fields as struct_fields
from pydantic import BaseModel, StringConstraints, ValidationError
from pydantic.fields import FieldInfo

from schemas.base import InboundFact, Instant, LocalDate
from schemas.codec import Accepted, Rejected, decode_fact
from schemas.facts import BY_TOPIC, INBOUND_TOPIC_OF, JOURNAL_ONLY, TYPES, Action, tag_of
from schemas.ids import ID_PATTERN
from schemas.topics import BY_NAME, INBOUND
from tests.schemas.samples import FULL, MINIMAL, encoded, key_of

FAR_FUTURE_MS = 253_000_000_000_000
"""An arrival so late that no instant a test makes lies ahead of it."""


def model_of(kind: str) -> type[BaseModel]:
    for model in BY_NAME[INBOUND_TOPIC_OF[kind]].models:
        if get_args(model.model_fields["type"].annotation) == (kind,):
            return model
    raise AssertionError(kind)


# What a field accepts, as nested tuples in which the two libraries' annotations look alike.


def _limits(metadata: tuple[Any, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in metadata:
        if isinstance(item, annotated_types.Ge):
            found["ge"] = item.ge
        elif isinstance(item, annotated_types.Le):
            found["le"] = item.le
        elif isinstance(item, annotated_types.MaxLen):
            found["max_length"] = item.max_length
        elif isinstance(item, StringConstraints):
            found["pattern"] = item.pattern
        elif isinstance(item, FieldInfo):
            found |= _limits(tuple(item.metadata))
        elif isinstance(item, Meta):
            if item.extra == {"shape": "id"}:
                assert (item.min_length, item.max_length) == (1, 128)
                found["pattern"] = ID_PATTERN
            else:
                stated = {name: getattr(item, name) for name in ("ge", "le", "max_length")}
                found |= {name: value for name, value in stated.items() if value is not None}
    return found


def _meaning(hint: Any) -> Any:
    if hint == Instant or (hint is datetime):
        return "instant"
    if hint == LocalDate or hint is date:
        return "date"
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner = _meaning(args[0])
        limits = _limits(hint.__metadata__)
        return (inner, tuple(sorted(limits.items()))) if limits else inner
    if origin is Literal:
        return ("one of", frozenset(args))
    if origin in (Union, types.UnionType):
        return ("any of", frozenset(_meaning(arg) for arg in args))
    if origin is list:
        return ("list", _meaning(args[0]))
    if origin is dict:
        return "object"
    if isinstance(hint, type) and issubclass(hint, BaseModel | Struct):
        return ("record", tuple(sorted(_fields(hint).items())))
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _fields(record: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(record, include_extras=True)
    if issubclass(record, BaseModel):
        return {
            info.alias or name: (_meaning(hints[name]), info.is_required())
            for name, info in record.model_fields.items()
        }
    names = zip(record.__struct_fields__, record.__struct_encode_fields__, strict=True)
    required = {info.name for info in struct_fields(record) if info.required}
    return {wire: (_meaning(hints[name]), name in required) for name, wire in names}


# Constraints that the twin leaves to the codec, because no annotation says them; the payload test covers them.
BY_THE_CODEC = {("program.changed", "timezone"), ("ruleset.activated", "scope"), ("ruleset.activated", "ruleset")}


@pytest.mark.parametrize("kind", INBOUND_TOPIC_OF)
def test_model_and_twin_have_the_same_fields_types_limits_and_requirements(kind: str) -> None:
    model, twin = _fields(model_of(kind)), _fields(TYPES[kind])
    assert model.pop("type") == (("one of", frozenset({kind})), True)
    assert set(model) == set(twin)
    for name in model:
        if (kind, name) in BY_THE_CODEC:
            assert model[name][1] == twin[name][1]
        else:
            assert model[name] == twin[name], name


def test_the_catalogue_and_the_twins_know_the_same_types_on_the_same_topics() -> None:
    assert tuple(BY_TOPIC) == INBOUND
    for topic, kinds in BY_TOPIC.items():
        models = [get_args(model.model_fields["type"].annotation)[0] for model in BY_NAME[topic].models]
        assert models == [tag_of(kind) for kind in kinds]
    assert set(TYPES) == set(INBOUND_TOPIC_OF) | {tag_of(kind) for kind in JOURNAL_ONLY}


def test_every_fact_but_a_rule_set_names_its_program() -> None:
    for kind in INBOUND_TOPIC_OF:
        assert issubclass(model_of(kind), InboundFact) == ("program_id" in TYPES[kind].__struct_fields__)
        assert ("program_id" in TYPES[kind].__struct_fields__) == (kind != "ruleset.activated")


def test_coordinators_have_exactly_the_actions_of_the_rules() -> None:
    people = {"ack", "assign", "snooze", "dismiss", "false_alarm", "note", "reached_out", "resolve", "review_done"}
    matters = {"rematch", "pause", "mark_unavailable", "remove", "close_pair"}
    assert set(get_args(Action)) == people | matters


# The same payloads, good and bad, through both.

_HOUR = "2026-01-05T10:00:00"
_NASTY: list[Any] = [
    *(None, True, False, 0, 1, 3, 5, 6, -1, 10_080, 10_081, 10**30),
    *(4.0, 0.5, -1.0, 1.5, 1e300, float("nan"), float("inf")),
    *("", "x", "4", "a b", "a/b", "a\n", "é", "a" * 128, "a" * 129, "*", "\u0000"),
    *("w" * 4_000, "é" * 4_000, "w" * 4_001),
    *(f"{_HOUR}Z", _HOUR, f"{_HOUR}.1239999Z", f"{_HOUR}.999999949Z", f"{_HOUR}.9999995Z"),
    *(f"{_HOUR}+05:45", f"{_HOUR}+0545", f"{_HOUR}+24:00", "0001-01-01T00:00:00+00:01", "0001-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59.999-00:01", "2026-02-30", "2026-01-05", "2026-1-5", "1767607200", 1767607200),
    *([], [1], ["person-9"], ["a b"], ["mentor"], ["mentor", "mentor"], ["boss"], [None]),
    *({}, {"a": 1}, {"a": [{"b": 1.5}]}),
    *([{"from": "2026-01-01", "to": "2026-01-01"}], [{"from": "2026-01-02", "to": "2026-01-01"}]),
    *([{"from": "2026-01-01"}], [{"from": "2026-01-01", "to": "2026-01-01", "why": "rest"}]),
    *([{"first": "2026-01-01", "last": "2026-01-02"}], [{"from": "2026-01-01T00:00:00", "to": "2026-01-01"}]),
    *("Europe/Berlin", "Europe/Nowhere", "UTC", "europe/berlin", "../UTC"),
    *("mqs", "match", "neutral", "platform", "active", "stay", "safety", "snooze", "mentor", "emit", "cohort"),
]

_CHANGES = st.sampled_from(["replace", "remove", "add"])


@st.composite
def payloads(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A valid payload with up to three of its fields replaced, removed or joined by unknown ones."""
    kind = draw(st.sampled_from(sorted(INBOUND_TOPIC_OF)))
    payload = dict(draw(st.sampled_from([FULL[kind], MINIMAL[kind]])))
    names = [info.alias or name for name, info in model_of(kind).model_fields.items() if name != "type"]
    for _ in range(draw(st.integers(0, 3))):
        name, change = draw(st.sampled_from(names)), draw(_CHANGES)
        if change == "replace":
            payload[name] = draw(st.sampled_from(_NASTY) | st.text(max_size=8) | st.integers() | st.floats())
        elif change == "remove":
            payload.pop(name, None)
        else:
            payload["unknown"] = draw(st.sampled_from([None, 1, "x", {"a": "b"}, [[1]], "é\\", 10**30]))
    return kind, payload


def _read_at_the_edge(kind: str, value: bytes) -> BaseModel | None:
    try:
        return model_of(kind).model_validate_json(value)
    except ValidationError:
        return None


def _both_agree(kind: str, payload: dict[str, Any]) -> bool:
    topic, value = INBOUND_TOPIC_OF[kind], encoded(payload)
    fast = decode_fact(topic, key_of(topic, payload), value, arrived_ms=FAR_FUTURE_MS)
    model = _read_at_the_edge(kind, value)
    if model is None:
        assert isinstance(fast, Rejected), payload
        return False
    assert isinstance(fast, Accepted), (payload, fast)
    slow = json.loads(model.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"comment"}))
    assert json.loads(fast.encoded) == {**slow, "type": kind}
    assert fast.comment == getattr(model, "comment", None)
    for name in model_of(kind).model_fields:
        if name not in ("type", "comment", "breaks"):
            assert getattr(fast.fact, name) == getattr(model, name)
    return True


@settings(max_examples=600, deadline=None)
@given(payloads())
def test_model_and_twin_accept_and_reject_the_same_payloads_with_equal_values(
    sample: tuple[str, dict[str, Any]],
) -> None:
    _both_agree(*sample)


@pytest.mark.parametrize("kind", INBOUND_TOPIC_OF)
def test_model_and_twin_agree_on_every_nasty_value_in_every_field(kind: str) -> None:
    accepted = rejected = 0
    for name in [info.alias or name for name, info in model_of(kind).model_fields.items() if name != "type"]:
        for nasty in _NASTY:
            if _both_agree(kind, {**MINIMAL[kind], name: nasty}):
                accepted += 1
            else:
                rejected += 1
    assert accepted > 10
    assert rejected > 100


@pytest.mark.parametrize("kind", INBOUND_TOPIC_OF)
def test_no_required_field_may_be_missing(kind: str) -> None:
    for name in MINIMAL[kind]:
        assert not _both_agree_without(kind, name)


def _both_agree_without(kind: str, name: str) -> bool:
    payload = {field: value for field, value in MINIMAL[kind].items() if field != name}
    if name == "type":
        topic = INBOUND_TOPIC_OF[kind]
        outcome = decode_fact(topic, key_of(topic, payload), encoded(payload), arrived_ms=FAR_FUTURE_MS)
        return isinstance(outcome, Accepted)
    return _both_agree(kind, payload)
