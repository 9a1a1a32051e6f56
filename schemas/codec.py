"""Bytes → fact, erasure or rejection, as values: whatever the bytes, nothing is raised.

The twin's decoder does most of the work in C. What it does not notice is checked here, cheaply for the ordinary record:

- *Characters of ids.* One pass of `bytes.translate` over all ids of a fact, instead of one regular expression each.
- *Duplicate keys.* The decoder keeps the last of them, in silence. Every key and every string value is delimited by
  two quotes, so an object with *m* members (counting repeats) and *s* string values has at least 2(m + s) of them. The
  fact just decoded, written out again, has 2(k + t) for its k members and t strings, with k ≤ m and t ≤ s. Equal counts
  therefore prove m = k: no key stands twice, and no unknown one is there. If the counts differ (unknown fields,
  explicit nulls, escaped quotes) or the type nests objects, the value is read again.
- *Bad UTF-8, lone surrogates and nesting* are refused by the decoder in fields it reads; in ignored ones the second
  reading, which every record with such a field gets, finds them.

Null values: on `participants` an `Erasure`, on `pairs` and `programs` a fact of the journal's own (`pair.deleted`,
`program.ended`), anywhere else a bad record. On compacted topics the key decides what a later compaction removes, so
there it must be the one that the catalogue states; on the others any key, or none, will do.
"""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from schemas.base import DAY_MS, MAX_VALUE_BYTES, clamp_ms, from_ms, normalised
from schemas.calendars import time_zones
from schemas.compact import encode_fact
from schemas.facts import (
    BY_TOPIC,
    TYPES,
    Break,
    Fact,
    InboundValue,
    PairChanged,
    PairDeleted,
    ParticipantChanged,
    ProgramChanged,
    ProgramEnded,
    RulesetActivated,
)
from schemas.ids import ID_BYTES, FastId, is_id, split_key, tombstone_event_id
from schemas.rejections import Reason, Rejected, explain, read_strictly
from schemas.upcasts import UPCASTS, Steps, lift

__all__ = ["MAX_AHEAD_MS", "Accepted", "Erasure", "Reason", "Rejected", "decode_fact"]

MAX_AHEAD_MS: Final = DAY_MS
"""How far ahead of its record a fact may be dated."""


class Accepted(Struct, frozen=True, gc=False):
    """A valid fact.

    `fact` has no comment, and instants in UTC with whole milliseconds; `encoded` is the same as compact JSON, ready for
    the journal; `comment` is what the participant wrote, for the word lists and for nothing else.
    """

    fact: InboundValue
    encoded: bytes
    comment: str | None


class Erasure(Struct, frozen=True, gc=False):
    """A null value on `participants`: this participant is to be forgotten everywhere."""

    program_id: str
    participant_id: str


class _Shape(NamedTuple):
    """What to look at in a fact of one type, beyond what its decoder checked."""

    ids: Callable[[Any], tuple[str | None, ...]]
    id_lists: tuple[str, ...]
    instants: tuple[str, ...]
    may_speak: bool
    is_flat: bool


def _shape(kind: type[InboundValue]) -> _Shape:
    hints = get_type_hints(kind, include_extras=True)
    hints = {name: hints[name] for name in kind.__struct_fields__}
    ids = tuple(name for name, hint in hints.items() if hint in (FastId, FastId | None))
    lists = tuple(name for name, hint in hints.items() if _is_id_list(hint))
    instants = tuple(name for name, hint in hints.items() if name != "occurred_at" and _mentions(hint, datetime))
    # Alone, attrgetter returns the value itself; a second name makes it a tuple of texts again.
    getter = attrgetter(*ids) if len(ids) > 1 else attrgetter(ids[0], ids[0])
    is_flat = not any(_mentions(hint, Break) or _mentions(hint, dict) for hint in hints.values())
    return _Shape(getter, lists, instants, "comment" in hints, is_flat)


def _is_id_list(hint: object) -> bool:
    return hint == list[FastId] or any(option == list[FastId] for option in get_args(hint))


def _mentions(hint: object, wanted: type) -> bool:
    return hint is wanted or get_origin(hint) is wanted or any(_mentions(part, wanted) for part in get_args(hint))


_SHAPES: Final = {kind: _shape(kind) for kind in TYPES.values()}


class _Nobody(Struct, tag_field="type", tag=""):
    """Makes a union of a topic's only type, because alone a tagged struct does without its tag. No payload fits it."""

    nothing: Annotated[int, Meta(ge=1, le=0)]


def _decoder(kinds: tuple[type[InboundValue], ...]) -> Callable[[bytes], InboundValue]:
    union: Any = _Nobody
    for kind in kinds:
        union |= kind
    decoder: msgspec.json.Decoder[InboundValue] = msgspec.json.Decoder(union)
    return decoder.decode


_DECODERS: Final = {topic: _decoder(kinds) for topic, kinds in BY_TOPIC.items()}
_ANY: Final = msgspec.json.Decoder().decode
_UTC: Final = from_ms(0).tzinfo
_KEYED: Final = frozenset({"programs", "pairs", "participants"})
_VERSION: Final = b'"schema_version":'


def decode_fact(
    topic: str, key: bytes | None, value: bytes | None, *, arrived_ms: int, steps: Steps = UPCASTS
) -> Accepted | Erasure | Rejected:
    """Read one inbound record.

    Args:
        topic: catalogue name of the inbound topic, without prefix.
        key: the record's key, as it came.
        value: the record's value, as it came.
        arrived_ms: the record's timestamp, milliseconds since 1970.
        steps: how payloads of older schema versions are lifted.

    Returns: the fact, the erasure a null on `participants` asks for, or why the record is bad.
    Raises: KeyError when `topic` is no inbound topic.
    """
    decode = _DECODERS[topic]
    if not value:
        return _without_value(topic, key, value, arrived_ms)
    if len(value) > MAX_VALUE_BYTES:
        return Rejected("too_large", f"The value is larger than {MAX_VALUE_BYTES} bytes.")
    try:
        fact = decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _lifted(topic, key, value, arrived_ms, steps) or explain(topic, value, error)
    return _accepted(topic, key, value, arrived_ms, fact)


def _accepted(topic: str, key: bytes | None, value: bytes, arrived_ms: int, fact: InboundValue) -> Accepted | Rejected:
    """Check what the decoder did not, and write the fact out."""
    get_ids, id_lists, instants, may_speak, is_flat = _SHAPES[type(fact)]
    ids = "".join(filter(None, get_ids(fact)))
    for name in id_lists:
        ids += "".join(getattr(fact, name) or ())
    if ids.encode().translate(None, ID_BYTES):
        return Rejected("bad_id", "An id has a character other than A-Z a-z 0-9 . _ : @ -.")

    at = fact.occurred_at
    if (at.tzinfo is not _UTC or at.microsecond % 1_000) and not _normalise(fact, "occurred_at"):
        return Rejected("bad_time", "`occurred_at` lies outside the years 1 to 9999.")
    for name in instants:
        at = getattr(fact, name)
        unusual = at is not None and (at.tzinfo is not _UTC or at.microsecond % 1_000)
        if unusual and not _normalise(fact, name):
            return Rejected("bad_time", f"`{name}` lies outside the years 1 to 9999.")
    # Seconds as a float are exact to the millisecond in any year, hence the half.
    if fact.occurred_at.timestamp() * 1_000 > arrived_ms + MAX_AHEAD_MS + 0.5:
        return Rejected("future_time", "`occurred_at` lies more than 24 hours ahead of the record.")

    comment: str | None = None
    if may_speak:
        comment = fact.comment  # type: ignore[union-attr]
        if comment is not None:
            # Nobody else holds this fact yet, so it may change once more before it counts as frozen.
            force_setattr(fact, "comment", None)
    encoded = encode_fact(fact)
    if not (is_flat and _is_plain(value, encoded, comment)) and (rejected := _check_text(value)):
        return rejected
    if topic in _KEYED and (rejected := _check_reference(key, fact)):
        return rejected
    if topic == "rulesets" and (rejected := _check_scope(fact)):
        return rejected
    return Accepted(fact, encoded, comment)


def _is_plain(value: bytes, encoded: bytes, comment: str | None) -> bool:
    """Prove by counting quotes that every key stands once and none is unknown (see above); False means not proven."""
    surplus = value.count(b'"') - encoded.count(b'"') - (0 if comment is None else 4)
    # The default version is not written out. Two more quotes are one more key; if these bytes stand outside that key,
    # they contain an escaped quote, and then there is no room for a key twice either.
    return surplus == 0 or (surplus == 2 and _VERSION in value)


def _check_text(value: bytes) -> Rejected | None:
    """Look for what hides in ignored fields: duplicate keys, lone surrogates, bad UTF-8, nesting."""
    if value.count(b"{") == 1 and value.count(b"[") == 0 and value.isascii():
        try:
            tree = _ANY(value)
        except msgspec.DecodeError:
            tree = None  # an ignored number that no machine type holds: the strict reading does not mind
        if tree is not None:
            strings = len(tree) + list(map(type, tree.values())).count(str)
            if 2 * strings == value.count(b'"'):
                return None
    tree = read_strictly(value)
    return tree if isinstance(tree, Rejected) else None


def _normalise(fact: InboundValue, name: str) -> bool:
    """Bring an instant to UTC and whole milliseconds; False when the calendar ends before."""
    try:
        force_setattr(fact, name, normalised(getattr(fact, name)))
    except OverflowError:
        return False
    return True


def _check_reference(key: bytes | None, fact: InboundValue) -> Rejected | None:
    """Check the key of a compacted topic, and what a program's calendar needs."""
    if isinstance(fact, ProgramChanged):
        expected = fact.program_id
        if fact.timezone not in time_zones():
            return Rejected("bad_timezone", "`timezone` is no IANA time zone.")
        if any(pause.first > pause.last for pause in fact.breaks):
            return Rejected("reversed_break", "A break of `breaks` ends before it begins.")
    elif isinstance(fact, PairChanged):
        expected = f"{fact.program_id}/{fact.pair_id}"
    else:
        assert isinstance(fact, ParticipantChanged)
        expected = f"{fact.program_id}/{fact.participant_id}"
    return None if key == expected.encode() else _wrong_key()


def _check_scope(fact: InboundValue) -> Rejected | None:
    assert isinstance(fact, RulesetActivated)
    if fact.scope == "*" or is_id(fact.scope):
        return None
    return Rejected("bad_id", "`scope` is neither * nor a program's id.")


def _without_value(
    topic: str, key: bytes | None, value: bytes | None, arrived_ms: int
) -> Accepted | Erasure | Rejected:
    if value is not None:
        return Rejected("empty_value", "The value is empty.")
    if topic not in _KEYED:
        return Rejected("null_value", "A null value means nothing on this topic.")
    ids = None if key is None else split_key(key, 1 if topic == "programs" else 2)
    if key is None or ids is None:
        return _wrong_key()
    if topic == "participants":
        return Erasure(ids[0], ids[1])
    fact: Fact
    arrived_at = from_ms(clamp_ms(arrived_ms))
    event_id = tombstone_event_id(topic, key, arrived_ms)
    if topic == "pairs":
        fact = PairDeleted(occurred_at=arrived_at, event_id=event_id, program_id=ids[0], pair_id=ids[1])
    else:
        fact = ProgramEnded(occurred_at=arrived_at, event_id=event_id, program_id=ids[0])
    return Accepted(fact, encode_fact(fact), None)


def _wrong_key() -> Rejected:
    return Rejected("wrong_key", "The key is not the one this compacted topic asks for.")


def _lifted(topic: str, key: bytes | None, value: bytes, arrived_ms: int, steps: Steps) -> Accepted | Rejected | None:
    """Try an older schema version; None when the payload is of none."""
    if not steps:
        return None
    tree = read_strictly(value)
    if not isinstance(tree, dict):
        return None
    try:
        payload = lift(_ANY(value), steps)
    except (msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError):
        return Rejected("wrong_type", "The payload is not what its older schema version promises.")
    if payload is None:
        return None
    lifted = msgspec.json.encode(payload)
    try:
        fact = _DECODERS[topic](lifted)
    except msgspec.DecodeError as error:
        return explain(topic, lifted, error)
    return _accepted(topic, key, lifted, arrived_ms, fact)
