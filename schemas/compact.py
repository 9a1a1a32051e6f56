"""Compact JSON of our own records: no spaces, absent optional fields left out, instants with exactly milliseconds.

`msgspec` writes a datetime natively with no fraction or with six digits. Rewriting the fraction in the finished bytes
costs a quarter of formatting every instant in Python, and it is exact: inside a JSON text an unescaped quote only ever
delimits a string, so the bytes ``"starts_at":"`` can only be that member, and the types put their instants before any
free tree.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Final, TypeGuard

import msgspec

from schemas.base import DAY_MS, from_ms, instant_text
from schemas.facts import TYPES, InboundValue

_ENCODE: Final = msgspec.json.Encoder().encode
_SECOND_LENGTH: Final = len("2026-01-05T10:00:00")
_Z: Final = ord("Z")
_POINT: Final = ord(".")

_INSTANT_NAMES: Final = (
    "starts_at",
    "ends_at",
    "next_starts_at",
    "due_at",
    "matched_at",
    "closed_at",
    "joined_at",
    "paused_until",
    "until",
)


def _layout(kind: type[InboundValue], tag: str) -> tuple[int, tuple[bytes, ...], bool]:
    """Say where the fraction of `occurred_at` begins, what introduces the other instants, whether words may occur."""
    fields = kind.__struct_fields__
    assert fields[0] == "occurred_at", "the place of the first instant is fixed"
    first = len(f'{{"type":"{tag}","occurred_at":"') + _SECOND_LENGTH
    others = tuple(f'"{name}":"'.encode() for name in _INSTANT_NAMES if name in fields)
    return first, others, "comment" in fields


_LAYOUT: Final = {kind: _layout(kind, tag) for tag, kind in TYPES.items()}


def encode_fact(fact: InboundValue) -> bytes:
    """Write a fact as compact JSON, `type` and `occurred_at` first.

    Raises: ValueError when an instant is not UTC in whole milliseconds, or a comment is still there.
    """
    first, others, may_speak = _LAYOUT[type(fact)]
    if may_speak and fact.comment is not None:  # type: ignore[union-attr]
        raise ValueError("a comment does not go further than ingest")
    text = _with_milliseconds(_ENCODE(fact), first)
    for name in others:
        at = text.find(name)
        if at >= 0:
            text = _with_milliseconds(text, at + len(name) + _SECOND_LENGTH)
    return text


def encode_tree(value: object) -> bytes:
    """Write any record of ours as compact JSON, the slow way that formats every instant; for rare records.

    Raises: ValueError on a naive instant; TypeError on a value JSON has no form for.
    """
    return _ENCODE(_plain(msgspec.to_builtins(value, builtin_types=(datetime, date))))


def instant_bytes(instant_ms: int) -> bytes:
    """Write milliseconds since 1970 as an RFC 3339 instant.

    Raises: OverflowError outside the years 1 to 9999.
    """
    minute, rest = divmod(instant_ms, 60_000)
    return b"%b%02d.%03dZ" % (_minute_bytes(minute), rest // 1_000, rest % 1_000)


@lru_cache(maxsize=4_096)
def _minute_bytes(minute: int) -> bytes:
    """Days of a replay pass in seconds, so it is minutes that repeat, not seconds."""
    day, rest = divmod(minute, 1_440)
    return b"%bT%02d:%02d:" % (_day_bytes(day), rest // 60, rest % 60)


@lru_cache(maxsize=4_096)
def _day_bytes(day: int) -> bytes:
    """What is due or expires lies on minutes that hardly ever repeat, but on few days."""
    return from_ms(day * DAY_MS).date().isoformat().encode()


def _with_milliseconds(text: bytes, at: int) -> bytes:
    """Bring the fraction of the instant whose seconds end at `at` to three digits."""
    mark = text[at]
    if mark == _Z:
        return text[:at] + b".000" + text[at:]
    if mark == _POINT and text[at + 4 : at + 8] == b"000Z":
        return text[: at + 4] + text[at + 7 :]
    raise ValueError("an instant is not UTC in whole milliseconds")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant_text(value)
    if _is_mapping(value):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return _plain_items(value)
    return value


def _plain_items(items: Sequence[object]) -> list[object]:
    return [_plain(item) for item in items]


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, dict)
