"""What we remember of a program: its calendar, who coordinates it, and the sentiment detector of the whole program."""

from streams.detectors.rate import RateStream
from streams.state.record import Record


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
