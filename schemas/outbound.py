"""Interventions as the engine writes them: `msgspec` twins of the models in `schemas.interventions`.

Instants are text here (`moment`), because the engine counts milliseconds and has no use for datetimes; a whole record
then encodes in one call. Field order is the order on the wire, and the bytes depend on nothing but the values.
"""

from typing import Final

import msgspec
from msgspec import Struct, field

from schemas.compact import instant_bytes
from schemas.facts import Role
from schemas.ids import ce_id
from schemas.interventions import (
    ActionCode,
    Audience,
    CauseLabel,
    Change,
    Delivery,
    ResolutionReason,
    RuleClass,
    Severity,
    State,
    SubjectType,
)
from schemas.journal import Coordinates

DEFAULT_SOURCE: Final = "default"
"""What stands in `ce_source` when there is no topic prefix."""

_ENCODE: Final = msgspec.json.Encoder().encode


class RuleReference(Struct, frozen=True, gc=False):
    """Which rule spoke, in which version, under which rule set (content hash)."""

    id: str
    version: int
    ruleset: str


class Subject(Struct, frozen=True, gc=False):
    """Whom or what it is about."""

    type: SubjectType
    id: str


class Cause(Struct, frozen=True, gc=False):
    """What seems to be behind it; `confidence` from 0 to 1."""

    label: CauseLabel
    confidence: float


class Evidence(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One fact behind the verdict; `at` as made by `moment`."""

    text: str
    event_id: str | None = None
    source: Coordinates | None = None
    value: int | float | None = None
    threshold: int | float | None = None
    window_days: int | float | None = None
    at: str


class SuggestedAction(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a coordinator might do; `order` counts from 1."""

    code: ActionCode
    party: Role | None = None
    order: int
    needs_approval: bool
    unlocked: bool


class Resolution(Struct, frozen=True, gc=False, omit_defaults=True):
    """How an episode ended, and who ended it, if a person did."""

    reason: ResolutionReason
    by: str | None = None


class Intervention(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One record of an episode; instants as made by `moment`."""

    intervention_id: str
    sequence: int
    change: Change
    state: State
    rule: RuleReference
    rule_class: RuleClass = field(name="class")
    severity: Severity
    stage: str | None
    program_id: str
    subject: Subject
    pair_ids: list[str]
    participant_ids: list[str]
    cause: Cause | None
    summary: str
    evidence: list[Evidence]
    actions: list[SuggestedAction]
    delivery: Delivery
    delivery_reason: str | None
    audience: Audience
    opened_at: str
    decided_at: str
    due_at: str | None = None
    expires_at: str | None = None
    resolution: Resolution | None = None


_DECODER: Final[msgspec.json.Decoder[Intervention]] = msgspec.json.Decoder(Intervention)


def moment(instant_ms: int) -> str:
    """Write milliseconds since 1970 as an instant of an outbound record.

    Raises: OverflowError outside the years 1 to 9999.
    """
    return instant_bytes(instant_ms).decode()


def encode_intervention(intervention: Intervention) -> bytes:
    """Write the value of a record on `interventions`: compact JSON in the order of the wire contract."""
    return _ENCODE(intervention)


def decode_intervention(value: bytes) -> Intervention:
    """Read the value of a record on `interventions`.

    Raises: msgspec.DecodeError when it is none.
    """
    return _DECODER.decode(value)


def ce_source(prefix: str) -> str:
    """Name this installation in CloudEvents: ``/ebb/<topic prefix>``, or ``/ebb/default`` without one."""
    return f"/ebb/{prefix or DEFAULT_SOURCE}"


def ce_headers(intervention: Intervention, source: str, traceparent: str | None = None) -> list[tuple[str, bytes]]:
    """Make the CloudEvents headers of a record, in a fixed order.

    Args:
        intervention: the record's value.
        source: as made by `ce_source`.
        traceparent: W3C trace context, when tracing is on.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", ce_id(intervention.intervention_id, intervention.sequence).encode()),
        ("ce_source", source.encode()),
        ("ce_type", b"ebb.intervention.%b.v1" % intervention.change.encode()),
        ("ce_time", intervention.decided_at.encode()),
        ("ce_subject", intervention.subject.id.encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent is not None:
        headers.append(("traceparent", traceparent.encode()))
    return headers
