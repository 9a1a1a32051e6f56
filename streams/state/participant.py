"""What we remember of a person: their state over time, pairs, contact, who waits for them, surveys not judged yet."""

from enum import IntEnum
from typing import Final

import msgspec

from streams.state.episode import FactRef
from streams.state.record import Record

MAX_STATES: Final = 24
MAX_SURVEYS: Final = 6
MAX_ATTEMPTS: Final = 4
MAX_SUBMITTED: Final = 4


class ParticipantPhase(IntEnum):
    """State of a participant. Stored: append, never renumber."""

    UNKNOWN = 0  # no reference fact yet: counts as active
    ACTIVE = 1
    PAUSED = 2
    UNAVAILABLE = 3
    REMOVED = 4
    LEFT = 5


class Attempt(msgspec.Struct, array_like=True, frozen=True):
    """An attempt to reach this person that they have not answered by any contact."""

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
    #: not answered yet, oldest first
    attempts: list[Attempt] = []
    #: (from, until) of the states that were announced, oldest first: not active until then, or active if both are
    #: the same.
    #: Each lasts until the next one at most.
    states: list[tuple[int, int]] = []
    pair_ids: list[str] = []
    surveys: list[Survey] = []
    #: (local day, pair) of recent submissions: one counts per person, pair and day
    submitted: list[tuple[int, str]] = []
    #: digests of answered surveys, so that a repeat is recognised for good: the newest, and how many full pages
    #: there are
    answered_seen: bytes = b""
    answered_pages: int = 0

    @property
    def is_active(self) -> bool:
        return self.phase <= ParticipantPhase.ACTIVE

    @property
    def stops(self) -> list[tuple[int, int]]:
        """Half-open intervals in which the person was not active, oldest first; the last may be open (`FOREVER`)."""
        nexts = [start for start, _ in self.states[1:]]
        ends = [min(until, after) for (_, until), after in zip(self.states, nexts, strict=False)]
        ends += [until for _, until in self.states[-1:]]
        return [(start, end) for (start, _), end in zip(self.states, ends, strict=True) if end > start]
