"""Why a record is bad: reasons that are stable enough for a metric label, found only once decoding has failed.

Nothing here is fast, and nothing needs to be: it runs for bad records only. A message names fields and limits of ours,
never a value, because dead letters' headers must not repeat payload text.
"""

import json
import re
from collections.abc import Collection
from typing import Any, Final, Literal, NamedTuple, NoReturn

from schemas.facts import INBOUND_TOPIC_OF

MAX_DEPTH: Final = 32
"""Deepest nesting of objects and arrays that is read."""

Reason = Literal[
    "bad_id",
    "bad_time",
    "bad_timezone",
    "bad_utf8",
    "decoder_error",
    "duplicate_key",
    "empty_value",
    "future_time",
    "invalid_ruleset",
    "lone_surrogate",
    "missing_field",
    "naive_time",
    "not_an_object",
    "not_finite",
    "not_json",
    "null_value",
    "out_of_range",
    "reversed_break",
    "too_deep",
    "too_large",
    "unknown_schema_version",
    "unknown_type",
    "unknown_value",
    "wrong_key",
    "wrong_topic",
    "wrong_type",
]


class Rejected(NamedTuple):
    """A record we cannot use: a reason for metrics, and a sentence without payload text for people."""

    reason: Reason
    message: str


class _DuplicateError(ValueError):
    """An object names a key twice."""


class _NotFiniteError(ValueError):
    """A token such as NaN, which is no JSON."""


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NESTING = re.compile(rb"[\[\]{}]")
_FIELD = re.compile(r" - at `(?P<path>[^`]*)`$")
_MISSING = re.compile(r"Object missing required field `(?P<name>[a-z_]+)`")
_PATH = re.compile(r"\$[a-z_.\[\]]*")


def too_deep(value: bytes) -> bool:
    """Tell whether objects and arrays nest deeper than `MAX_DEPTH`; brackets inside strings do not count."""
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _NESTING.findall(_STRING.sub(b"", value)):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def read_strictly(value: bytes) -> Rejected | Any:
    """Read JSON with everything checked that a fast parser lets pass: UTF-8, depth, duplicate keys, surrogates, NaN.

    Returns: the parsed value with numbers as their text, or the rejection.
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return Rejected("bad_utf8", "The value is not UTF-8.")
    if too_deep(value):
        return Rejected("too_deep", f"Objects and arrays nest deeper than {MAX_DEPTH}.")
    try:
        tree = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_not_finite, parse_int=_Number, parse_float=_Number
        )
    except _DuplicateError:
        return Rejected("duplicate_key", "An object names a key twice.")
    except _NotFiniteError:
        return Rejected("not_finite", "NaN and Infinity are no numbers of JSON.")
    except ValueError:
        return Rejected("not_json", "The value is not JSON.")
    if _has_lone_surrogate(tree):
        return Rejected("lone_surrogate", "A text contains half of a surrogate pair.")
    return tree


def explain(topic: str, value: bytes, error: BaseException) -> Rejected:
    """Find the stable reason behind a decoder's error.

    Args:
        topic: catalogue name of the inbound topic.
        value: the record's value that did not decode.
        error: what the decoder said.
    """
    tree = read_strictly(value)
    if isinstance(tree, Rejected):
        return tree
    if not isinstance(tree, dict):
        return Rejected("not_an_object", "The value is JSON, but not an object.")
    return _explain_type(topic, tree) or _explain_field(str(error))


def explain_version(tree: dict[str, Any]) -> Rejected | None:
    """Say whether the schema version is what cannot be read."""
    version = tree.get("schema_version")
    if version is None or version == _Number("1"):
        return None
    if not isinstance(version, _Number) or not re.fullmatch(r"-?[0-9]+", version):
        return Rejected("wrong_type", "`schema_version` must be an integer.")
    return Rejected("unknown_schema_version", "This `schema_version` is not known.")


class _Number(str):
    """A number as it was written, so that no size of it can hurt."""

    __slots__ = ()


def _explain_type(topic: str, tree: dict[str, Any]) -> Rejected | None:
    kind = tree.get("type")
    if "type" not in tree:
        return Rejected("missing_field", "`type` is missing.")
    if not isinstance(kind, str) or isinstance(kind, _Number):
        return Rejected("wrong_type", "`type` must be a text.")
    home = INBOUND_TOPIC_OF.get(kind)
    if home is None:
        return Rejected("unknown_type", "This `type` is not known.")
    if home != topic:
        return Rejected("wrong_topic", f"This `type` belongs on the topic {home}.")
    if "schema_version" in tree and tree["schema_version"] is None:
        return Rejected("wrong_type", "`schema_version` must be an integer.")
    return explain_version(tree)


def _explain_field(error: str) -> Rejected:
    """Translate a msgspec message, whose form a test pins."""
    match = _FIELD.search(error)
    path = match["path"] if match and _PATH.fullmatch(match["path"]) else "$"
    where = f"`{path[2:]}`" if path.startswith("$.") else "The value"
    missing = _MISSING.match(error)
    if missing:
        return Rejected("missing_field", f"`{missing['name']}` is missing.")
    if error.startswith("JSON is malformed"):
        return Rejected("not_json", "The value is not JSON.")
    if "with a timezone" in error:
        return Rejected("naive_time", f"{where} needs an offset.")
    if "RFC3339" in error:
        return Rejected("bad_time", f"{where} must be RFC 3339.")
    if error.startswith("Invalid enum value"):
        return Rejected("unknown_value", f"{where} has a value that is not known.")
    if "out of range" in error or re.match(r"Expected `(int|float)` [<>]", error):
        return Rejected("out_of_range", f"{where} is out of range.")
    if "of length" in error:
        if path.endswith(".comment"):
            return Rejected("out_of_range", f"{where} is too long.")
        return Rejected("bad_id", f"{where} is not an id of 1 to 128 characters out of A-Z a-z 0-9 . _ : @ -.")
    return Rejected("wrong_type", f"{where} has the wrong type.")


def _unique(pairs: Collection[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise _DuplicateError
    return tree


def _not_finite(token: str) -> NoReturn:
    raise _NotFiniteError(token)


def _has_lone_surrogate(tree: object) -> bool:
    if isinstance(tree, str):
        try:
            tree.encode("utf-8")
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(tree, dict):
        return any(_has_lone_surrogate(key) or _has_lone_surrogate(item) for key, item in tree.items())
    return isinstance(tree, list) and any(map(_has_lone_surrogate, tree))
