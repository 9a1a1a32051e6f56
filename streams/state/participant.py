"""What we remember of a person: their state over time, pairs, contact, who waits for them, surveys not judged yet."""

from enum import IntEnum
from typing import Final

import msgspec

from streams.state.episode import FactRef
from streams.state.record import Record

MAX_STOPS: Final = 24
MAX_SURVEYS: Final = 12
MAX_SUBMITTED: Final = 8


class ParticipantPhase(IntEnum):
    """State of a participant. Stored: append, never renumber."""

    UNKNOWN = 0  # no reference fact yet: counts as active
    ACTIVE = 1
    PAUSED = 2
    UNAVAILABLE = 3
    REMOVED = 4
    LEFT = 5


class Attempt(msgspec.Struct, array_like=True, frozen=True):
    """The oldest attempt to reach this person that they have not answered by any contact."""

    by: str
    pair_id: str
    ref: FactRef


class Survey(msgspec.Struct, array_like=True):
    """A survey that is not judged yet (or was not when last looked at), and whether it was answered."""

    survey_id: str
    kind: int
    pair_id: str
    sent_ms: int
    answered: bool = False


class ParticipantState(Record, kw_only=True):
    """State of one participant; ids stand in the key. Instants are event times in ms UTC, 0 = never."""

    phase: ParticipantPhase = ParticipantPhase.UNKNOWN
    changed_ms: int = 0
    roles: int = 0  # 1 mentor, 2 mentee, 3 both
    joined_ms: int = 0
    paused_until_ms: int = 0
    contact_ms: int = 0
    attempt: Attempt | None = None
    #: half-open intervals in which the person was not active, oldest first; the last may be open (`streams.calendar.FOREVER`)
    stops: list[tuple[int, int]] = []
    pair_ids: list[str] = []
    surveys: list[Survey] = []
    #: (local day, pair) of recent submissions: one counts per person, pair and day
    submitted: list[tuple[int, str]] = []
    #: digests (6 B each) of answered surveys, so that a repeat is recognised for good
    answered_seen: bytes = b""

    @property
    def is_active(self) -> bool:
        return self.phase <= ParticipantPhase.ACTIVE
