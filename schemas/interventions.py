"""`interventions`: what comes out, and every change in its life. CloudEvents 1.0 in Kafka's binary mode.

The pydantic models are the contract for readers; the engine writes the `msgspec` twins of `schemas.outbound`. A `?` in
the wire contract is a field that is left out when it does not apply; `stage`, `cause` and `delivery_reason` are always
there and may be null.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from schemas.base import Instant, Record
from schemas.facts import Role
from schemas.ids import Id

Change = Literal[
    "opened",
    "evidence_added",
    "escalated",
    "acknowledged",
    "snoozed",
    "woken",
    "resolved",
    "expired",
    "retracted",
]
State = Literal["open", "acknowledged", "snoozed", "resolved", "expired", "retracted"]
RuleClass = Literal["reactive", "preventive", "program", "safety", "positive", "operations"]
Severity = Literal["info", "notice", "warning", "high", "critical"]
SubjectType = Literal["pair", "pair_member", "participant", "program"]
CauseLabel = Literal["trouble", "unresponsive", "unengaged", "no_time", "mismatch", "left", "unknown"]
ActionCode = Literal[
    "reach_out",
    "rematch",
    "mark_unavailable",
    "remove",
    "send_probe",
    "send_reminder",
    "broadcast_check_in",
    "offer_opt_out",
    "bulk_clean_up",
    "open_playbook",
]
Delivery = Literal["now", "digest", "none"]
Audience = Literal["coordinator", "backup_coordinator", "safeguarding", "customer_success", "operators", "participant"]
ResolutionReason = Literal[
    "condition_cleared",
    "pair_closed",
    "subject_changed",
    "coordinator",
    "dismissed",
    "false_alarm",
    "erased",
    "rule_changed",
    "at_once",
    "expired",
    "late_fact",
]

MAX_EVIDENCE = 20
"""Most evidence items one record carries, newest last."""

SubjectId = Annotated[str, StringConstraints(pattern=r"^(\*:)?[A-Za-z0-9._:@-]+(/[A-Za-z0-9._:@-]+)?$", max_length=400)]
"""An id, ``<pair_id>/<participant_id>``, or ``*:<topic>/<partition>`` of a rule that looks across programs."""

ProgramId = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9._:@-]{1,128})$")]
"""A program's id, or ``*`` for a rule that looks across programs."""

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z_]+$")]

DeliveryReason = Annotated[
    str, StringConstraints(pattern=r"^(shadow|backfill|inhibited:[a-z_]+\.[a-z_]+|coordinator_action|review_list)$")
]


class RuleReference(Record):
    """Which rule spoke, in which version, under which rule set."""

    id: RuleId
    version: Annotated[int, Field(ge=1)]
    ruleset: str = Field(description="Content hash of the rule set in force.")


class Subject(Record):
    """Whom or what it is about."""

    type: SubjectType
    id: SubjectId


class Cause(Record):
    """What seems to be behind it."""

    label: CauseLabel
    confidence: Annotated[float, Field(ge=0, le=1)]


class Position(Record):
    """Where a record stands; the topic without its prefix."""

    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]


class Evidence(Record):
    """One fact behind the verdict, so that a reader can recompute it from the journal."""

    text: str = Field(description="Plain words, never a participant's own.")
    event_id: Id | None = None
    source: Position | None = None
    value: int | float | None = None
    threshold: int | float | None = None
    window_days: int | float | None = None
    at: Instant


class SuggestedAction(Record):
    """What a coordinator might do."""

    code: ActionCode
    party: Role | None = None
    order: Annotated[int, Field(ge=1)]
    needs_approval: bool
    unlocked: bool


class Resolution(Record):
    """How an episode ended."""

    reason: ResolutionReason
    by: Id | None = Field(default=None, description="Who ended it, if a person did.")


class Intervention(Record):
    """One record of an episode: its opening (`sequence` 0) or a change after it."""

    model_config = ConfigDict(serialize_by_alias=True)

    intervention_id: Id = Field(description="Stable through one episode, the same in every replay.")
    sequence: Annotated[int, Field(ge=0)]
    change: Change
    state: State = Field(description="The state after the change.")
    rule: RuleReference
    rule_class: RuleClass = Field(alias="class")
    severity: Severity = Field(description="Never falls within an episode.")
    stage: str | None = Field(description="The rung of a ladder rule.")
    program_id: ProgramId
    subject: Subject
    pair_ids: list[Id] = Field(description="Every pair concerned, sorted.")
    participant_ids: list[Id] = Field(description="Every participant concerned, sorted.")
    cause: Cause | None = Field(description="Null on program rules.")
    summary: str = Field(description="One plain sentence with numbers, without participants' own words.")
    evidence: Annotated[list[Evidence], Field(max_length=MAX_EVIDENCE)] = Field(description="Newest last.")
    actions: list[SuggestedAction]
    delivery: Delivery
    delivery_reason: DeliveryReason | None
    audience: Audience
    opened_at: Instant = Field(description="`decided_at` of sequence 0.")
    decided_at: Instant = Field(description="The due instant of a timer, or the arrival of a fact; never a wall clock.")
    due_at: Instant | None = Field(default=None, description="Next neglect step or deadline.")
    expires_at: Instant | None = None
    resolution: Resolution | None = Field(default=None, description="Once closed.")


class CloudEventHeaders(Record):
    """The headers of a record, as text; `content-type` is always ``application/json``."""

    model_config = ConfigDict(serialize_by_alias=True)

    ce_specversion: Literal["1.0"]
    ce_id: str = Field(description="`<intervention_id>.<sequence>`; read committed, each stands here exactly once.")
    ce_source: Annotated[str, StringConstraints(pattern=r"^/ebb/.+$")]
    ce_type: Annotated[str, StringConstraints(pattern=r"^ebb\.intervention\.[a-z_]+\.v1$")]
    ce_time: Instant = Field(description="`decided_at`.")
    ce_subject: SubjectId
    content_type: Literal["application/json"] = Field(alias="content-type")
    traceparent: str | None = Field(default=None, description="W3C trace context, when tracing is on.")
