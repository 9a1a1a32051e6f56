"""What all records share: strictness, instants, local dates and the common fields of inbound facts.

Instants are RFC 3339 with an offset. Everything downstream counts integer milliseconds, so an instant becomes UTC and
loses what lies below the millisecond here, once; more than six digits of a fraction are first rounded to the
microsecond (half up), as the fast decoder does.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from schemas.ids import Id

MAX_VALUE_BYTES: Final = 64 * 1024
"""Largest value of an inbound record, in bytes."""

MAX_COMMENT_CHARACTERS: Final = 4_000

DAY_MS: Final = 86_400_000

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:([Zz])|([+-][0-9]{2}):?([0-9]{2}))"
)
_LOCAL_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_MS: Final = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // _MILLISECOND
_LAST_MS: Final = (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) - EPOCH) // _MILLISECOND


def to_ms(instant: datetime) -> int:
    """Count milliseconds since 1970-01-01 UTC, rounding down.

    Raises: TypeError when `instant` is naive.
    """
    since = instant - EPOCH
    return since.days * DAY_MS + since.seconds * 1_000 + since.microseconds // 1_000


def from_ms(instant_ms: int) -> datetime:
    """Turn milliseconds since 1970-01-01 UTC into an aware datetime.

    Raises: OverflowError outside the years 1 to 9999.
    """
    return EPOCH + timedelta(milliseconds=instant_ms)


def instant_text(instant: datetime) -> str:
    """Write an instant as it stands in every record of ours: RFC 3339, UTC, milliseconds, ``Z``.

    Raises: ValueError when `instant` is naive.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def normalised(instant: datetime) -> datetime:
    """Convert to UTC and cut off what lies below the millisecond.

    Raises: OverflowError when UTC falls outside the years 1 to 9999.
    """
    in_utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    excess = in_utc.microsecond % 1_000
    return in_utc.replace(microsecond=in_utc.microsecond - excess) if excess else in_utc


def parse_instant(value: object) -> datetime:
    """Read an instant from its text, or take an aware datetime, as UTC with milliseconds.

    Raises: ValueError when it is neither, has no offset, or lies outside the years 1 to 9999 in UTC.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("an instant needs an offset")
        instant = value
    elif isinstance(value, str):
        instant = _from_text(value)
    else:
        raise ValueError("an instant is an RFC 3339 text")
    try:
        return normalised(instant)
    except OverflowError:
        raise ValueError("the instant lies outside the years 1 to 9999") from None


def parse_local_date(value: object) -> date:
    """Read a local date ``YYYY-MM-DD``, or take a date.

    Raises: ValueError when it is neither.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _LOCAL_DATE.fullmatch(value):
        return date.fromisoformat(value)
    raise ValueError("a local date is YYYY-MM-DD")


def clamp_ms(instant_ms: int) -> int:
    """Bring milliseconds into the range a datetime can hold."""
    return min(max(instant_ms, _FIRST_MS), _LAST_MS)


def _from_text(text: str) -> datetime:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 instant with an offset")
    day, time_of_day, fraction, zulu, hours, minutes = match.groups()
    if not zulu and (int(hours[1:]) > 23 or int(minutes) > 59):
        raise ValueError("no such offset")
    offset = "+00:00" if zulu else f"{hours}:{minutes}"
    instant = datetime.fromisoformat(f"{day}T{time_of_day}{offset}")
    if not fraction:
        return instant
    microseconds = int(fraction[:6].ljust(6, "0")) + (fraction[6:7] >= "5")
    try:
        return instant + timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError("the instant lies outside the years 1 to 9999") from None


Instant = Annotated[
    datetime,
    BeforeValidator(parse_instant),
    PlainSerializer(instant_text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An aware datetime in UTC with milliseconds."""

LocalDate = Annotated[
    date,
    BeforeValidator(parse_local_date),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A calendar day in the program's own time zone."""

Comment = Annotated[str, Field(max_length=MAX_COMMENT_CHARACTERS)]
"""A participant's own words: read by ingest for the safety word list, then dropped."""

SchemaVersion = Annotated[int, Field(ge=1, le=1)]
"""The version of a payload; the only one so far is 1 (older ones are lifted by `schemas.upcasts`)."""


class Record(BaseModel):
    """Any record at the edge: frozen, strict (nothing is coerced), blind to unknown fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class InboundRecord(Record):
    """What every inbound record states: which event it is, and when it happened."""

    event_id: Id = Field(description="The same id again in the same topic and program is the same event.")
    occurred_at: Instant = Field(description="When it happened; at most 24 h ahead of the record's timestamp.")
    schema_version: SchemaVersion = 1


class InboundFact(InboundRecord):
    """What every inbound fact states beside: the program it belongs to."""

    program_id: Id
