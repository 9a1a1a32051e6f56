"""What we remember of a program: its calendar, who coordinates it, and the sentiment detector of the whole program."""

from msgspec import Struct, field

from streams.detectors.rate import RateStream
from streams.detectors.renewal import GapPool
from streams.detectors.share import ShareStream
from streams.state.counted import Counted
from streams.state.episode import FactRef
from streams.state.record import Record


class Carryover(Struct, array_like=True, gc=False):
    """Who is carried over into the next run, as last counted.

    Attributes:
        carried, risky: how many are carried over, and how many of them are silent or have not answered.
        margin: so many more answers or returns must come before counting again can change anything.
        first_day, heard: how many active people had their latest contact on this UTC day or later.
    """

    carried: int = 0
    risky: int = 0
    margin: int = 0
    first_day: int = 0
    heard: int = 0


class ProgramState(Record, kw_only=True):
    """State of one program; its id stands in the key. An unknown program is always-on, UTC, without breaks."""

    known: bool = False
    changed_ms: int = 0
    kind: str = "always_on"
    self_matching: bool = False
    carry_over: bool = False
    starts_ms: int = 0
    ends_ms: int = 0
    next_starts_ms: int = 0
    timezone: str = "UTC"
    #: local dates (ISO), both inclusive
    breaks: list[tuple[str, str]] = []
    coordinator_ids: list[str] = []
    backup_coordinator_ids: list[str] = []
    safeguarding_contact_id: str | None = None
    ended: bool = False
    active_pairs: int = 0
    #: detector of the whole program's submissions, from the start of the run on
    sentiment: RateStream | None = None
    sentiment_since_ms: int = 0
    #: people whose state is active, or who are known from facts only
    active_people: int = 0
    #: first submission of the run, and the coordinators' latest review
    started: FactRef | None = None
    reviewed: FactRef | None = None
    #: rule code → the one person whom an open list of that rule waits for: while they stand on it, it is not empty
    watched: dict[int, str] = {}
    #: when the list of silent people was last drawn up
    listed_ms: int = 0
    #: detector of the share of positive answers, and since when the tone has been good, 0 = it is not
    tone: ShareStream | None = None
    tone_good_ms: int = 0
    #: what gaps between meetings are like
    gaps: GapPool = field(default_factory=GapPool)
    #: totals since the program was first heard of, for metrics
    counted: Counted = field(default_factory=Counted)
    carryover: Carryover | None = None
    #: signs of a slump found at the last midnight (bits), and since when there have been too few of them, 0 = there
    #: are enough
    slump_signs: int = 0
    slump_calm_ms: int = 0
    #: number of the journal partition, in the record of `*` that rules across programs write to
    journal_partition: int = 0
    #: the highest number of an episode that is over and forgotten: later ones count on from it
    retired: int = 0
