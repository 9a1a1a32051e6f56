"""What we remember of a pair: who, since when, what was planned and held, who spoke last, how it was rated."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import msgspec

from streams.clock import DAY_MS
from streams.detectors.rate import RateStream
from streams.detectors.renewal import RenewalStream
from streams.state.episode import FactRef
from streams.state.record import Record
from streams.windows import DayCounts

#: of a member, kept in any case; low ones of the last 60 days and what the latest of a kind is compared with, up to
MAX_RATINGS: Final = 5
MAX_RATINGS_THAT_MATTER: Final = 16
MAX_BOOKINGS: Final = 8
MAX_SIGNS: Final = 6
MAX_POSTPONED: Final = 5


class PairPhase(IntEnum):
    """State of a pair. Stored: append, never renumber."""

    PROVISIONAL = 0  # facts came before the pair itself was published
    DRAFT = 1
    ACTIVE = 2
    CLOSED = 3
    ARCHIVED = 4


#: A constant, because in CPython 3.11 looking up a member of an enum is a call that costs ten times the comparison.
_ACTIVE: Final = PairPhase.ACTIVE


class Side(IntEnum):
    UNKNOWN = 0
    MENTOR = 1
    MENTEE = 2


class Rating(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One rating, 1..5, of a survey kind (index into `KINDS`)."""

    kind: int
    value: int
    ref: FactRef


KINDS: Final = ("mqs", "post_meeting", "closing", "custom")


class Booking(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The newest word on a meeting that has not been held: planned for the half-open [start, end), or cancelled."""

    meeting_id: str
    start_ms: int
    end_ms: int
    ref: FactRef
    cancelled: bool = False


#: A booking counts until a day after its end, so that there is time to note what became of it.
BOOKING_GRACE_MS: Final = DAY_MS


def held_off(due_ms: int, bookings: Iterable[Booking], within_ms: int, after_ms: int = BOOKING_GRACE_MS) -> int:
    """Hold off the instant at which an absence would be told of (ms UTC), by every booking that stands and starts at
    most `within_ms` after it: there is nothing to tell before `after_ms` after its end."""
    ends = (each.end_ms + after_ms for each in bookings if each.start_ms - due_ms <= within_ms)
    return max(due_ms, max(ends, default=due_ms))


class SignKind(IntEnum):
    """What a sign of trouble in a pair is. Stored: append, never renumber."""

    LOW_RATING = 0
    NEGATIVE = 1  # negative sentiment about the match
    POSTPONED = 2  # two meetings in a row moved or called off
    MISMATCH = 3  # somebody asked for help because the two do not match


class Sign(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A sign of trouble, who gave it (empty when nobody in particular), and the digest of the survey it answers."""

    kind: SignKind
    by: str
    ref: FactRef
    survey: bytes = b""


class Postponement(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A meeting that was moved or called off since the last held one, and by whom, as far as that is known."""

    by: str
    ref: FactRef


class Member(msgspec.Struct, array_like=True, gc=False):
    """One person inside a pair. Instants are event times in ms UTC, 0 = never."""

    id: str
    side: Side = Side.UNKNOWN
    contact_ms: int = 0  # last contact in a fact that names the pair
    attempt_ms: int = 0  # latest attempt towards the other
    reached_ms: int = 0  # a coordinator reached out to this party
    ratings: tuple[Rating, ...] = ()
    first_reached_ms: int = 0  # the first time a coordinator reached out to this party about the present trouble


class PairState(Record, kw_only=True):
    """State of one pair; `program_id` and `pair_id` stand in the key."""

    phase: PairPhase = PairPhase.PROVISIONAL
    one_to_one: bool = True
    changed_ms: int = 0  # occurred_at of the reference fact in force
    first_seen_ms: int = 0
    matched_ms: int = 0
    reopened_ms: int = 0
    closed_ms: int = 0
    close_reason: str = ""
    matched: FactRef | None = None
    members: tuple[Member, ...] = ()
    held_count: int = 0
    last_held_ms: int = 0
    held: FactRef | None = None
    bookings: tuple[Booking, ...] = ()
    #: the last to speak in the pair (index into members, -1 = nobody) and when
    speaker: int = -1
    spoke_ms: int = 0
    #: digests of held meetings, so that a repeat is recognised for good, and how many pages of them earlier code put
    #: aside
    held_seen: bytes = b""
    held_pages: int = 0
    #: detector of the pair's own submissions, from its first one on
    sentiment: RateStream | None = None
    #: of meetings since the last held one, in the order of events
    postponed: tuple[Postponement, ...] = ()
    #: of trouble, in the order of events, without those that whoever gave one has taken back by a good rating
    signs: tuple[Sign, ...] = ()
    #: detector of the rhythm of meeting, from the first held one on
    rhythm: RenewalStream | None = None
    #: the highest number of an episode that is over and forgotten: later ones count on from it
    retired: int = 0
    #: only where the record is stored in parts: the days of surveys of the detector, see `streams.state.layout`
    survey_days: tuple[DayCounts, DayCounts] | None = None

    @property
    def is_active(self) -> bool:
        return self.phase is _ACTIVE

    def member(self, participant_id: str) -> Member | None:
        for member in self.members:
            if member.id == participant_id:
                return member
        return None

    def partner(self, participant_id: str) -> Member | None:
        """The other one of a one-to-one pair, None in a group or when nobody else is known.

        Somebody who acted in the pair without being named by its reference fact is nobody's partner.
        """
        partner = None
        for member in self.members:
            if member.side and member.id != participant_id:
                if partner is not None:
                    return None
                partner = member
        return partner
