"""What is remembered of one rule on one subject: the episode in progress, or what closing it left behind."""

from enum import IntEnum
from typing import Final

import msgspec

from streams.clock import DAY_MS

#: How long what closed is remembered at least: what was open when a coordinator reached out may be asked for later.
KEPT_CLOSED_MS: Final = 60 * DAY_MS
#: rule id → the code that stands for it in stored state; filled in as rules are defined (`streams.rule.Rule`)
CODES: Final[dict[str, int]] = {}


class FactRef(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Where a fact stands, so that evidence can be looked up: its id and, when it came through a broker, its
    coordinates."""

    event_id: str
    topic: int
    partition: int
    offset: int
    at_ms: int


class Evidence(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line of evidence. `topic` is an index into the catalogue's inbound topics, -1 when no record stands behind
    it."""

    text: str
    at_ms: int
    event_id: str | None = None
    topic: int = -1
    partition: int = -1
    offset: int = -1
    value: int | float | None = None
    threshold: int | float | None = None
    window_days: int | None = None


class Phase(IntEnum):
    """Where the life of (rule, subject) stands. Values are stored: append, never renumber."""

    ARMED = 0
    OPEN = 1
    ACKNOWLEDGED = 2
    SNOOZED = 3
    HELD = 4  # closed, and the condition has not been false since
    SILENT = 5  # true before the rule was switched on, or forgotten under backfill = none: silent until false once


#: Constants, because in CPython 3.11 looking up a member of an enum is a call that costs ten times the comparison.
OPEN: Final = Phase.OPEN
SNOOZED: Final = Phase.SNOOZED


class Episode(msgspec.Struct, array_like=True, gc=False):
    """The life of one (rule, subject). `rule` is the rule's code, `member` names the person of a pair_member
    subject."""

    rule: int
    member: str
    phase: Phase = Phase.ARMED
    number: int = 0
    rung: int = 0
    severity: int = 0
    id: str = ""
    sequence: int = -1
    opened_ms: int = 0
    last_ms: int = 0
    closed_ms: int = 0
    mute_until_ms: int = 0
    #: the next instant of its life by the clock alone, 0 = none: open, the next step of neglect; acknowledged, the
    #: lapse; snoozed, the end of the snooze
    due_ms: int = 0
    silence: str = ""
    evidence: list[Evidence] = []
    #: who was told of its neglect: 0 nobody, 1 the backup coordinator, 2 customer success
    level: int = 0
    #: code of the rule that withholds it, 0 = none
    withheld: int = 0
    #: a record of it was sent, or may have been
    spoke: bool = False
    #: it goes out at once and not with a digest
    urgent: bool = False
    #: measures that coordinators recorded about it
    steps: int = 0
    #: a coordinator's answer whether it was useful: 2 × its day, plus 1 if it was; 0 = none
    answer: int = 0
    #: since when the condition of a custom rule that has to hold for a while has been true, 0 = it is not
    since_ms: int = 0

    @property
    def is_open(self) -> bool:
        return OPEN <= self.phase <= SNOOZED
