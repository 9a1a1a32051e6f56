"""One line of a `.jsonl` recording → when it arrived and the record it stands for, or why it is bad; nothing is raised.

A line is a fact's fields plus `topic` and optional `arrived_at`:

    {"topic":"ratings","arrived_at":"2026-01-05T10:00:00Z","event_id":"e1","type":"rating.submitted", …}

A `help.requested` has a `topic` of its own; where that stands in the place of the inbound topic (`"topic":"safety"`),
it is taken for what it is, because its type says where it belongs.

It may also carry the record as it would stand on the topic, in `key` and `value`; with a null value that is how a
participant is erased:

    {"topic":"participants","key":"program/participant","value":null,"arrived_at":"2026-01-05T10:00:00Z"}

and `{"topic":"clock","arrived_at":…}` only moves the clock. What counts as a good record is decided by `schemas.codec`,
as at the edge of a live system; the key of a compacted topic, which a line does not state, is made from its fact.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw, Struct

from schemas.base import MAX_VALUE_BYTES, to_ms
from schemas.codec import Accepted, Erasure, decode_fact
from schemas.facts import BY_TOPIC, INBOUND_TOPIC_OF, Moment
from schemas.rejections import Rejected, explain, read_strictly

CLOCK: Final = "clock"

Outcome = Accepted | Erasure | Rejected


class Arrival(Struct, frozen=True, gc=False):
    """When a line arrived, in ms UTC, and the record it stands for; `topic` is `CLOCK` for a line without a record."""

    arrived_ms: int
    topic: str
    key: bytes | None
    value: bytes | None


class _Head(Struct, gc=False):
    topic: str
    arrived_at: Moment | None = None
    value: Raw = Raw()


class _Envelope(Struct, gc=False):
    key: str | None = None


class _Dated(Struct, gc=False):
    occurred_at: Moment


class _Named(Struct, gc=False):
    program_id: str
    pair_id: str | None = None
    participant_id: str | None = None


_HEAD: Final = msgspec.json.Decoder(_Head).decode
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope).decode
_DATED: Final = msgspec.json.Decoder(_Dated).decode
_NAMED: Final = msgspec.json.Decoder(_Named).decode
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_ENCODE: Final = msgspec.json.Encoder().encode
_KEY_FIELDS: Final = {"programs": (), "pairs": ("pair_id",), "participants": ("participant_id",)}
_HELP_TYPE: Final = b'"help.requested"'
#: how most writers begin a line; what follows is the fact's own text, byte for byte
_BEGINNING: Final = re.compile(rb'\s*\{\s*"topic"\s*:\s*"[a-z-]+"\s*,\s*(?:"arrived_at"\s*:\s*"[^"\\]*"\s*,\s*)?')


def read_arrival(line: bytes) -> Arrival | Rejected:
    """Read when a line arrived and which record it carries; whether that is a good one, `read_record` will tell."""
    try:
        head = _HEAD(line)
        topic, arrived_at = head.topic, head.arrived_at
        is_envelope = bool(head.value)
        if topic == CLOCK:
            if arrived_at is None:
                return Rejected("missing_field", "`arrived_at` is missing.")
            return _arrival(arrived_at, CLOCK, None, None)
        if topic not in BY_TOPIC:
            return _asked_for_help(line, arrived_at)
        if is_envelope:
            return _unpack(line, head)
        if arrived_at is None:
            arrived_at = _DATED(line).occurred_at
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _explain(line, error)
    return _arrival(arrived_at, topic, None, line)


def read_record(arrival: Arrival) -> Outcome:
    """Decode the record of a line that is not the clock's, with the checks of ingest."""
    topic, key, value = arrival.topic, arrival.key, arrival.value
    if value is not None and key is None:
        fact = _fact_bytes(value)
        if isinstance(fact, Rejected):
            return fact
        value = fact
        if topic in _KEY_FIELDS:
            key = _key_of(topic, value)
    return decode_fact(topic, key, value, arrived_ms=arrival.arrived_ms)


def program_of_line(arrival: Arrival) -> str | None:
    """The program a line is about, read without checking the rest; None where it names none."""
    if arrival.key is not None and arrival.topic in _KEY_FIELDS:
        return arrival.key.partition(b"/")[0].decode("utf-8", "replace")
    try:
        return _NAMED(arrival.value or b"").program_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _arrival(at: datetime, topic: str, key: bytes | None, value: bytes | None) -> Arrival | Rejected:
    arrived_ms = to_ms(at)
    if arrived_ms < 0:
        return Rejected("bad_time", "A record cannot have arrived before 1970.")
    return Arrival(arrived_ms, topic, key, value)


def _asked_for_help(line: bytes, at: datetime | None) -> Arrival | Rejected:
    """Read a line whose `topic` is none of ours, which is in order where it is what help was asked about."""
    if isinstance(strict := read_strictly(line), Rejected):
        return strict
    members = _MEMBERS(line)
    if bytes(members.get("type", b"")) != _HELP_TYPE:
        return Rejected("unknown_value", "`topic` is no inbound topic.")
    members.pop("arrived_at", None)
    return _arrival(at or _DATED(line).occurred_at, INBOUND_TOPIC_OF["help.requested"], b"", _ENCODE(members))


def _unpack(line: bytes, head: _Head) -> Arrival | Rejected:
    """Take the record out of a line that carries it as `key` and `value`."""
    if isinstance(strict := read_strictly(line), Rejected):
        return strict
    value = None if bytes(head.value) == b"null" else bytes(head.value)
    key = _ENVELOPE(line).key
    arrived_at = head.arrived_at
    if arrived_at is None:
        if value is None:
            return Rejected("missing_field", "`arrived_at` is missing.")
        arrived_at = _DATED(value).occurred_at
    raw_key = None if key is None else key.encode()
    if value is not None and raw_key is None and head.topic in _KEY_FIELDS:
        raw_key = _key_of(head.topic, value)
    # Elsewhere than on a compacted topic any key will do, and one that is not None says: take the value as it is.
    return _arrival(arrived_at, head.topic, raw_key if raw_key is not None or value is None else b"", value)


def _fact_bytes(line: bytes) -> bytes | Rejected:
    """Take `topic` and `arrived_at` out of a line; the bytes of the fact stay what they are."""
    beginning = _BEGINNING.match(line)
    if beginning is not None:
        fact = b"{" + line[beginning.end() :]
        if b'"topic"' not in fact and b'"arrived_at"' not in fact:
            return fact
    if len(line) > 2 * MAX_VALUE_BYTES:
        return Rejected("too_large", f"The value is larger than {MAX_VALUE_BYTES} bytes.")
    if isinstance(strict := read_strictly(line), Rejected):
        return strict
    members = _MEMBERS(line)
    del members["topic"]
    members.pop("arrived_at", None)
    return _ENCODE(members)


def _key_of(topic: str, value: bytes) -> bytes | None:
    """The key that a compacted topic asks for; None when the ids are not there, which the codec then says better."""
    try:
        named = _NAMED(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    ids = [named.program_id, *(getattr(named, name) or "" for name in _KEY_FIELDS[topic])]
    return "/".join(ids).encode()


def _explain(line: bytes, error: BaseException) -> Rejected:
    """Say why not even the head of a line can be read."""
    tree = read_strictly(line)
    if isinstance(tree, Rejected):
        return tree
    if not isinstance(tree, Mapping):
        return Rejected("not_an_object", "The line is JSON, but not an object.")
    topic = tree.get("topic")
    if topic is None:
        return Rejected("missing_field", "`topic` is missing.")
    if topic == CLOCK or "arrived_at" in str(error) or topic not in BY_TOPIC:
        return _explain_head(str(error))
    return explain(topic, bytes(_MEMBERS(line)["value"]) if tree.get("value") is not None else line, error)


def _explain_head(error: str) -> Rejected:
    if "with a timezone" in error:
        return Rejected("naive_time", "`arrived_at` needs an offset.")
    if "RFC3339" in error:
        return Rejected("bad_time", "`arrived_at` must be RFC 3339.")
    return Rejected("wrong_type", "`topic` and `arrived_at` must be texts.")
