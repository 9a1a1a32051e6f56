"""What folds and rules see of a partition: the records of one program, its calendar, and how far observation reaches
back.

Rules read through a view and never write; folds write records through it and say so with `touch`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from streams.calendar import FOREVER, Calendar, Interval, calendar_of, union
from streams.clock import DAY_MS, FACT_TOPICS
from streams.state.episode import CODES, Episode
from streams.state.history import Page, has_digest, page_key
from streams.state.pair import PairPhase, PairState
from streams.state.participant import ParticipantPhase, ParticipantState
from streams.state.partition import Partition
from streams.state.program import ProgramState
from streams.state.record import HOUSEKEEPING, Record
from streams.state.source import SourceState
from streams.state.table import pair_key, participant_key, program_key, source_key, subject_of, tally_key
from streams.state.tally import KEPT_ANSWER_DAYS, Tally
from streams.zones import day_date

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
#: How long what is known of a closed pair, or of a person who left, is kept: as long as the journal.
GONE_KEPT_MS: Final = 400 * DAY_MS
#: How long facts on a pair that nobody has announced are kept.
PROVISIONAL_KEPT_MS: Final = 30 * DAY_MS
_ACROSS_KEY: Final = program_key("*")
#: Constants, because in CPython 3.11 looking up a member of an enum is a call that costs ten times the comparison.
_CLOSED: Final = PairPhase.CLOSED
_REMOVED: Final = ParticipantPhase.REMOVED
TOPIC_CODES: Final = {topic: code for code, topic in enumerate(TOPICS)}


class View:
    """One program inside a partition. `program` is never None: an unknown program is always-on, UTC, without breaks.

    Attributes:
        answer_days: age in days at which a survey is judged, by the program's rule set.
        forgotten: rule code → instant before which facts do not count for that rule, see `facts_from_ms`.
        custom: code → rule, of the rules that the program's rule set defines itself (`streams.custom`).
        rules, params, readers: the rule set in force, its parameters by place of the rule, who reads which fact.
    """

    __slots__ = (
        "_calendar",
        "_pair_keys",
        "_participant_keys",
        "_program_stops",
        "_table",
        "_tallies",
        "answer_days",
        "custom",
        "forgotten",
        "params",
        "partition",
        "program",
        "program_id",
        "program_key",
        "readers",
        "rules",
    )

    def __init__(self, partition: Partition, program_id: str, answer_days: int = 7) -> None:
        self.partition = partition
        self._table = partition.table
        self.program_id = program_id
        self.answer_days = answer_days
        self.forgotten: dict[int, int] = {}
        self.custom: Mapping[int, Any] = {}
        # Filled in by `streams.judging`, which knows what these are; a view that only folds has none.
        self.rules: Any = None
        self.params: Any = ()
        self.readers: Any = {}
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
        self._tallies: dict[str, tuple[bytes, Tally]] = {}

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
        # Several lookups a fact: what `pair_key` does is written out here and below.
        key, table = self._pair_keys.get(pair_id) or self.pair_key(pair_id), self._table
        record = table.hot.get(key) or table.get(key)
        assert record is None or isinstance(record, PairState)
        return record

    def participant(self, participant_id: str) -> ParticipantState | None:
        key, table = self._participant_keys.get(participant_id) or self.participant_key(participant_id), self._table
        record = table.hot.get(key) or table.get(key)
        assert record is None or isinstance(record, ParticipantState)
        return record

    def known_pairs(self, pair_ids: Iterable[str]) -> list[tuple[bytes, Record, str]]:
        """Key, record and id of those pairs that have a record."""
        return self._known(pair_ids, self._pair_keys, self.pair_key)

    def known_participants(self, participant_ids: Iterable[str]) -> list[tuple[bytes, Record, str]]:
        """Key, record and id of those participants that have a record."""
        return self._known(participant_ids, self._participant_keys, self.participant_key)

    def _known(
        self, ids: Iterable[str], keys: dict[str, bytes], key_of: Callable[[str], bytes]
    ) -> list[tuple[bytes, Record, str]]:
        table, found = self._table, []
        hot = table.hot
        for each in ids:
            key = keys.get(each) or key_of(each)
            record = hot.get(key) or table.get(key)
            if record is not None:
                found.append((key, record, each))
        return found

    def open_episode(self, record: Record, rule_id: str, member: str = "") -> Episode | None:
        """The open episode of another rule on a record (`member`: of a pair_member rule), None when there is none."""
        code = CODES.get(rule_id)
        return None if code is None else record.open_episode(code, member)

    def facts_from_ms(self, rule: int, record: Record, member: str = "") -> int:
        """Event time before which facts do not count for a rule (by code) that fires on facts: it was switched on with
        backfill `none` then. 0 = all count, and so they do for an episode that was open already."""
        since_ms = self.forgotten.get(rule, 0) if self.forgotten else 0
        if since_ms:
            episode = record.open_episode(rule, member)
            if episode is not None and episode.opened_ms < since_ms:
                return 0
        return since_ms

    def make_pair(self, pair_id: str, seen_ms: int) -> PairState:
        """The record of a pair about to be changed; a pair never heard of starts as provisional."""
        key, table = self._pair_keys.get(pair_id) or self.pair_key(pair_id), self._table
        record = table.hot.get(key) or table.get(key)
        if record is None:
            expires_ms = seen_ms + PROVISIONAL_KEPT_MS
            record = PairState(first_seen_ms=seen_ms, timers={HOUSEKEEPING: expires_ms})
            self.partition.table.put(key, record)
            self.partition.rearm(key, record)
        else:
            table.dirty[key] = record
        assert isinstance(record, PairState)
        if record.phase >= _CLOSED and HOUSEKEEPING not in record.timers:
            self._shrink_again(key, record)
        return record

    def make_participant(self, participant_id: str) -> ParticipantState:
        """The record of a participant about to be changed."""
        key, table = self._participant_keys.get(participant_id) or self.participant_key(participant_id), self._table
        record = table.hot.get(key) or table.get(key)
        if record is None:
            record = ParticipantState()
            self.partition.table.put(key, record)
            self.program.active_people += 1  # until told otherwise
            self.touch_program()
        else:
            table.dirty[key] = record
        assert isinstance(record, ParticipantState)
        if record.phase >= _REMOVED and HOUSEKEEPING not in record.timers:
            self._shrink_again(key, record)
        return record

    def _shrink_again(self, key: bytes, record: Record) -> None:
        """A fact about who is gone for good and was shrunk already: what it leaves goes likewise."""
        record.timers[HOUSEKEEPING] = max(self.partition.clock.now_ms, 0) + GONE_KEPT_MS
        self.partition.rearm(key, record)

    def tally(self, name: str) -> Tally | None:
        """Counts of the program by day, None when nothing was counted yet."""
        record = self.partition.table.get(tally_key(self.program_id, name))
        assert record is None or isinstance(record, Tally)
        return record

    def count(self, name: str, day: int, counts: tuple[int, ...], keep_days: int) -> None:
        """Add to the program's counts of a day, see `Tally.add`; one column per count."""
        key, record = self._tallies.get(name) or self._find_tally(name, len(counts))
        if record.add(day, counts, keep_days):
            self._table.dirty[key] = record

    def recount(self, name: str, day: int, to_day: int, keep_days: int) -> None:
        """Count one on another day than before, in a tally of one column."""
        key, record = self._tallies.get(name) or self._find_tally(name, 1)
        is_taken = record.add(day, (-1,), keep_days)
        if record.add(to_day, (1,), keep_days) or is_taken:
            self._table.dirty[key] = record

    def _find_tally(self, name: str, width: int) -> tuple[bytes, Tally]:
        key = tally_key(self.program_id, name)
        record = self._table.get(key)
        if record is None:
            record = Tally(width=width)
            self._table.put(key, record)
        assert isinstance(record, Tally)
        found = self._tallies[name] = (key, record)
        return found

    def count_answer(self, rule: int, day: int, useful: bool, change: int) -> None:
        """Count a coordinator's answer to an intervention of a rule (by code) on a UTC day (`change` 1), or take one
        back (-1)."""
        self.count(f"answers/{rule}", day, (change, 0) if useful else (0, change), KEPT_ANSWER_DAYS)

    def answered(self, rule: int, since_day: int) -> tuple[int, int]:
        """How many interventions of a rule were called useful, and how many were not, from a UTC day on."""
        tally = self.tally(f"answers/{rule}")
        useful, other = (0, 0) if tally is None else tally.totals(since_day, FOREVER)
        return useful, other

    def people(self, after: str = "") -> Iterator[tuple[str, ParticipantState]]:
        """Everybody known in the program, by id, from behind `after` on. Costs what it goes through: for lists, never
        for a fact."""
        behind = participant_key(self.program_id, after) if after else b""
        for key, person in self.partition.table.of_program(b"m", self.program_id, behind):
            assert isinstance(person, ParticipantState)
            yield subject_of(key), person

    def pairs(self) -> Iterator[tuple[str, PairState]]:
        """Every pair known in the program, by id. Costs what the program holds: for lists, never for a fact."""
        for key, pair in self.partition.table.of_program(b"p", self.program_id):
            assert isinstance(pair, PairState)
            yield subject_of(key), pair

    def remembers(self, owner: bytes, pages: int, newest: bytes, wanted: bytes) -> bool:
        """Whether a digest stands in the history of a pair or participant: on its record or on a page that earlier code
        put aside."""
        if has_digest(newest, wanted):
            return True
        found = (self.partition.table.get(page_key(owner, number)) for number in range(pages))
        return any(isinstance(page, Page) and has_digest(page.digests, wanted) for page in found)

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
            self._program_stops = union(announced.breaks, outside, gaps, self._silences())
        return self._calendar

    def _silences(self) -> list[Interval]:
        """When one of the sources was silent, as far as an open intervention says or said so."""
        across = self.partition.table.get(_ACROSS_KEY)
        if across is None:
            return []
        found: list[Interval] = []
        for topic in FACT_TOPICS:
            source = self.partition.table.get(source_key(topic))
            if isinstance(source, SourceState):
                found += source.silences
                episode = self.open_episode(across, "data.source_silent", topic)
                if episode is not None and episode.silence != "shadow" and source.stream.rhythm.alarm_ms:
                    found.append((source.stream.rhythm.last_ms, FOREVER))
        return found

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
        stops = []
        for member in pair.members:
            person = self.participant(member.id)
            if person is not None and person.states and (own := person.stops):
                stops.append(own)
        return union(self.program_stops, *stops) if stops else self.program_stops
