"""What folds and rules see of a partition: the records of one program, its calendar, and how far observation reaches
back.

Rules read through a view and never write; folds write records through it and say so with `touch`.
"""

from typing import Final

from streams.calendar import FOREVER, Calendar, Interval, calendar_of, day_date, union
from streams.clock import DAY_MS
from streams.state.history import PAGE_BYTES, Page, has_digest, page_key
from streams.state.pair import PairState
from streams.state.participant import ParticipantState
from streams.state.partition import Partition
from streams.state.program import ProgramState
from streams.state.record import HOUSEKEEPING
from streams.state.table import pair_key, participant_key, program_key

#: Inbound topics in the order in which stored references number them: append, never renumber.
TOPICS: Final = (
    "participant-activity",
    "meetings",
    "ratings",
    "sentiment",
    "programs",
    "pairs",
    "participants",
    "coordinator-actions",
    "rulesets",
)
#: How long facts on a pair that nobody has announced are kept.
PROVISIONAL_KEPT_MS: Final = 30 * DAY_MS
TOPIC_CODES: Final = {topic: code for code, topic in enumerate(TOPICS)}


class View:
    """One program inside a partition. `program` is never None: an unknown program is always-on, UTC, without breaks.

    Attributes:
        answer_days: age in days at which a survey is judged, by the program's rule set.
    """

    __slots__ = (
        "_calendar",
        "_pair_keys",
        "_participant_keys",
        "_program_stops",
        "answer_days",
        "partition",
        "program",
        "program_id",
        "program_key",
    )

    def __init__(self, partition: Partition, program_id: str, answer_days: int = 7) -> None:
        self.partition = partition
        self.program_id = program_id
        self.answer_days = answer_days
        self.program_key = program_key(program_id)
        program = partition.table.get(self.program_key)
        if program is None:
            program = ProgramState()
            partition.table.put(self.program_key, program)
        assert isinstance(program, ProgramState)
        self.program = program
        self._calendar: Calendar | None = None
        self._program_stops: tuple[Interval, ...] = ()
        # A key is asked for several times a fact, and making it costs more than looking it up.
        self._pair_keys: dict[str, bytes] = {}
        self._participant_keys: dict[str, bytes] = {}

    # -- records

    def pair_key(self, pair_id: str) -> bytes:
        key = self._pair_keys.get(pair_id)
        if key is None:
            key = self._pair_keys[pair_id] = pair_key(self.program_id, pair_id)
        return key

    def participant_key(self, participant_id: str) -> bytes:
        key = self._participant_keys.get(participant_id)
        if key is None:
            key = self._participant_keys[participant_id] = participant_key(self.program_id, participant_id)
        return key

    def pair(self, pair_id: str) -> PairState | None:
        record = self.partition.table.get(self.pair_key(pair_id))
        assert record is None or isinstance(record, PairState)
        return record

    def participant(self, participant_id: str) -> ParticipantState | None:
        record = self.partition.table.get(self.participant_key(participant_id))
        assert record is None or isinstance(record, ParticipantState)
        return record

    def make_pair(self, pair_id: str, seen_ms: int) -> PairState:
        """The record of a pair about to be changed; a pair never heard of starts as provisional."""
        key = self.pair_key(pair_id)
        record = self.partition.table.get(key)
        if record is None:
            expires_ms = seen_ms + PROVISIONAL_KEPT_MS
            record = PairState(first_seen_ms=seen_ms, timers={HOUSEKEEPING: expires_ms})
            self.partition.table.put(key, record)
            self.partition.rearm(key, record)
        else:
            self.partition.table.touch(key)
        assert isinstance(record, PairState)
        return record

    def make_participant(self, participant_id: str) -> ParticipantState:
        """The record of a participant about to be changed."""
        key = self.participant_key(participant_id)
        record = self.partition.table.get(key)
        if record is None:
            record = ParticipantState()
            self.partition.table.put(key, record)
        else:
            self.partition.table.touch(key)
        assert isinstance(record, ParticipantState)
        return record

    def remembers(self, owner: bytes, pages: int, newest: bytes, wanted: bytes) -> bool:
        """Whether a digest stands in the history of a pair or participant: on its record or on one of its full
        pages."""
        if has_digest(newest, wanted):
            return True
        found = (self.partition.table.get(page_key(owner, number)) for number in range(pages))
        return any(isinstance(page, Page) and has_digest(page.digests, wanted) for page in found)

    def remember(self, owner: bytes, pages: int, newest: bytes, added: bytes) -> tuple[int, bytes]:
        """Add a digest to a history; returns the number of full pages and the digests that stay on the record."""
        newest += added
        if len(newest) < PAGE_BYTES:
            return pages, newest
        self.partition.table.put(page_key(owner, pages), Page(digests=newest))
        return pages + 1, b""

    def touch_program(self) -> None:
        self.partition.table.touch(self.program_key)

    # -- time

    @property
    def calendar(self) -> Calendar:
        """Calendar of the program as known now; days on which records were lost count as breaks."""
        if self._calendar is None:
            program = self.program
            breaks, ends_ms, gaps = tuple(program.breaks), program.ends_ms or None, self.partition.clock.gaps
            announced = self._calendar = calendar_of(program.timezone, breaks, ends_ms)
            if gaps:
                # What was never read was not expected either: to a detector the days of a gap are a break.
                days = ((announced.day_of(start), announced.day_of(end)) for start, end in gaps)
                lost = tuple((day_date(first).isoformat(), day_date(last).isoformat()) for first, last in days)
                self._calendar = calendar_of(program.timezone, breaks + lost, ends_ms)
            outside = [(-FOREVER, program.starts_ms)] if program.starts_ms else []
            if program.ends_ms:
                outside.append((program.ends_ms, FOREVER))
            self._program_stops = union(announced.breaks, outside, gaps)
        return self._calendar

    def forget_calendar(self) -> None:
        self._calendar = None

    @property
    def observed_from_ms(self) -> int:
        """Absence is never counted from before this instant; `UNDEFINED` when everything has been seen."""
        return self.partition.clock.observed_from_ms

    @property
    def program_stops(self) -> tuple[Interval, ...]:
        """When the clock of every absence rule of the program stands still: breaks, outside its run, gaps in
        observation."""
        _ = self.calendar
        return self._program_stops

    def stops(self, pair: PairState) -> tuple[Interval, ...]:
        """The same for a pair: either partner not active stops it too."""
        people = [person for member in pair.members if (person := self.participant(member.id)) is not None]
        stops = [stops for person in people if (stops := person.stops)]
        return union(self.program_stops, *stops) if stops else self.program_stops
