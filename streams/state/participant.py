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
MAX_HELPS: Final = 4
MAX_REACHED: Final = 3
MAX_ASKED: Final = 4
MAX_SETTLED: Final = 4
MAX_REQUESTS: Final = 8


class ParticipantPhase(IntEnum):
    """State of a participant. Stored: append, never renumber."""

    UNKNOWN = 0  # no reference fact yet: counts as active
    ACTIVE = 1
    PAUSED = 2
    UNAVAILABLE = 3
    REMOVED = 4
    LEFT = 5


#: A constant, because in CPython 3.11 looking up a member of an enum is a call that costs ten times the comparison.
_ACTIVE: Final = ParticipantPhase.ACTIVE

#: What people answer about the next run; stored by index: append, never renumber.
CHOICES: Final = ("stay", "pause", "leave")


class Attempt(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An attempt to reach this person that they have not answered by any contact."""

    by: str
    pair_id: str
    ref: FactRef


class Help(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """This person asked for help: about what (index into `HELP_TOPICS`) and in which pair, as far as they said."""

    topic: int
    pair_id: str
    ref: FactRef


HELP_TOPICS: Final = ("other", "cannot_reach_partner", "mismatch", "rematch", "safety")


class Asked(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A survey that this person has not answered. Survey and pair are digests, so that a record stays small."""

    survey: bytes
    kind: int
    pair: bytes
    ref: FactRef
    due_ms: int = 0  # as the survey says, 0 when it does not
    expired_ms: int = 0


class Survey(msgspec.Struct, array_like=True, gc=False):
    """A survey that is not judged yet (or was not when last looked at), and whether it was answered."""

    survey_id: str
    kind: int
    pair_id: str
    sent_ms: int
    answered: bool = False


class RequestPhase(IntEnum):
    """State of a match request that its receiver has not answered. Stored: append, never renumber."""

    PENDING = 0
    EXPIRED = 1
    WITHDRAWN = 2  # kept while it could still be overtaken by the older fact that it was sent


class Request(msgspec.Struct, array_like=True, gc=False):
    """A match request that a person received and has not answered.

    Attributes:
        sent: that it was sent, None when that is not known or was before the person's last answer.
        ended: that it expired or was withdrawn.
        seen_ms: the last sign of life of the receiver when it came: a contact, or that they joined; 0 = none known.
    """

    request_id: str
    by: str
    sent: FactRef | None = None
    ended: FactRef | None = None
    seen_ms: int = 0
    phase: RequestPhase = RequestPhase.PENDING

    @property
    def at_ms(self) -> int:
        """When it ended, while it is pending when it was sent."""
        ref = self.ended or self.sent
        return 0 if ref is None else ref.at_ms


class Matching(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a person's match requests, at most `MAX_REQUESTS` of each sort, oldest first."""

    #: received, and sent or expired since the person's last answer
    received: list[Request] = []
    answered_ms: int = 0
    #: the person's own refusals of others
    declines: list[FactRef] = []
    #: own requests that expired or were declined since one was accepted or the person got a pair: id and fact
    refused: list[tuple[str, FactRef]] = []
    accepted_ms: int = 0
    paired_ms: int = 0


class ParticipantState(Record, kw_only=True):
    """State of one participant; ids stand in the key. Instants are event times in ms UTC, 0 = never."""

    phase: ParticipantPhase = ParticipantPhase.UNKNOWN
    changed_ms: int = 0
    roles: int = 0  # 1 mentor, 2 mentee, 3 both
    joined_ms: int = 0
    paused_until_ms: int = 0
    contact_ms: int = 0
    #: not answered yet, oldest first
    attempts: tuple[Attempt, ...] = ()
    #: (from, until) of the states that were announced, oldest first: not active until then, or active if both are
    #: the same.
    #: Each lasts until the next one at most.
    states: tuple[tuple[int, int], ...] = ()
    pair_ids: tuple[str, ...] = ()
    surveys: tuple[Survey, ...] = ()
    #: (local day, digest of the pair as a number) of recent submissions: one counts per person, pair and day. Up to
    #: version 3 of the state the pair's id stood there, which is still understood.
    submitted: tuple[tuple[int, int | str], ...] = ()
    #: digests of answered surveys, so that a repeat is recognised for good, and how many pages of them earlier code
    #: put aside
    answered_seen: bytes = b""
    answered_pages: int = 0
    #: None for who never took part in matching by request
    matching: Matching | None = None
    #: the latest answer about the next run (index into `CHOICES`) and its instant
    relaunch: tuple[int, int] | None = None
    #: the latest call for help by topic and pair
    helps: tuple[Help, ...] = ()
    #: when coordinators reached out to this person, the newest few
    reached: tuple[int, ...] = ()
    #: surveys without an answer, in the order in which they were sent
    asked: tuple[Asked, ...] = ()
    #: kind and pair (a digest) of answered surveys, and when the newest such was sent
    settled: tuple[tuple[int, bytes, int], ...] = ()
    #: the last of their pairs to end, and when
    ended_pair: str = ""
    ended_ms: int = 0
    #: the highest number of an episode that is over and forgotten: later ones count on from it
    retired: int = 0

    @property
    def is_active(self) -> bool:
        return self.phase <= _ACTIVE

    @property
    def stops(self) -> list[tuple[int, int]]:
        """Half-open intervals in which the person was not active, oldest first; the last may be open (`FOREVER`)."""
        for start, until in self.states:
            if until > start:
                break
        else:
            return []  # as of nearly everybody: this is asked for with every judgement
        nexts = [start for start, _ in self.states[1:]]
        ends = [min(until, after) for (_, until), after in zip(self.states, nexts, strict=False)]
        ends += [until for _, until in self.states[-1:]]
        return [(start, end) for (start, _), end in zip(self.states, ends, strict=True) if end > start]
