"""Recordings through the engine: journal entries partition by partition, or raw facts with one clock over all of them.

Both drive the same `streams.engine.Engine` as a live worker, so the same entries give the same bytes. What differs is
whether the journal says which rule set is in force (`recorded`) or the caller does (`fixed`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from schemas.codec import Accepted
from schemas.facts import RulesetActivated
from schemas.journal import CommentInfo, EngineEntry, EraseEntry, FactEntry, RulesetEntry, decode_entry
from schemas.rejections import Rejected
from schemas.topics import RULESETS
from streams import ruleset
from streams.backtest.lines import CLOCK, Arrival, program_of_line, read_record
from streams.backtest.outcomes import WATCHED, Outcomes
from streams.backtest.programs import Program, programs_of
from streams.comments import CommentScanner
from streams.engine import Engine
from streams.judging import EVERYWHERE
from streams.lifecycle import Decision
from streams.partitioner import partition_for
from streams.ruleset import RuleSet, RulesetError, load
from streams.state.partition import Partition, Sweep
from streams.state.record import NEVER
from streams.state.table import NewerStateError

#: Changed records that may wait in memory. Beyond it they are packed, as a commit packs them; results stay the same.
MAX_CHANGED: Final = 50_000
#: of the journal, when there is none to tell
PARTITIONS: Final = 8
_RULESETS: Final = b"\x00ruleset/"
"""How keys of stored rule sets begin (`streams.state.partition`)."""

Tally = Counter[tuple[str, ...]]
"""Counts by name and label, such as ``("facts", "ratings")``, ``("interventions", "rating.low", "opened")``."""


class ReplayError(ValueError):
    """A recording that this code cannot replay. The text is one sentence for the person who asked."""


def _pack(engine: Engine) -> None:
    if engine.state.pending() > MAX_CHANGED:
        engine.flush_state()


def _look_at(tally: Tally, comment: CommentInfo) -> None:
    tally["comments",] += 1
    for flag in comment.flags:
        tally["comment_flags", flag] += 1


class JournalReplay:
    """One journal partition through the engine.

    Attributes:
        tally: what was counted so far beside what the engine counts.
    """

    def __init__(
        self,
        partition: int,
        fixed: RuleSet | None = None,
        *,
        snapshot: Iterable[tuple[bytes, bytes]] | None = None,
        programs: frozenset[str] | None = None,
    ) -> None:
        """Start with empty state, or with that of a snapshot.

        Args:
            partition: for what is said of bad entries.
            fixed: the rule set in force whatever the journal activates; None obeys it. Over a snapshot it comes into
                force like an activation with `backfill = "silent"`.
            snapshot: state rows as of the first entry.
            programs: replay only these; None replays all.

        Raises: ReplayError when other code wrote the snapshot.
        """
        self._partition = partition
        self._engine = Engine(fixed=fixed, partition=partition)
        self._programs = programs
        self._versions: dict[str, None] = {}
        self._rulesets: dict[str, None] = {} if fixed is None else {fixed.hash: None}
        self._obeys = fixed is None
        self.tally: Tally = Counter()
        self.outcomes = Outcomes()
        if snapshot is not None:
            self._restore(snapshot, fixed)

    @property
    def now_ms(self) -> int:
        """The clock of this partition, -1 while there is none."""
        return self._engine.state.clock.now_ms

    def feed(self, first_offset: int, values: Sequence[bytes]) -> list[Decision]:
        """Apply entries that follow one another.

        Returns: what the engine decided, in order.
        Raises: ReplayError when one is no entry, of a newer version, or activates a rule set this code does not know.
        """
        step, offset, see, programs = self._engine.step, first_offset, self.outcomes.see, self._programs
        try:
            for offset, value in enumerate(values, first_offset):
                entry = decode_entry(value)
                if type(entry) is not FactEntry:
                    if programs is not None and isinstance(entry, EraseEntry) and entry.program_id not in programs:
                        continue
                    self._note(entry)
                else:
                    if programs is not None and entry.fact.program_id not in programs:
                        continue
                    if type(entry.fact) in WATCHED:
                        see(entry.fact)
                    if entry.comment is not None:
                        _look_at(self.tally, entry.comment)
                while not step(offset, entry):
                    pass
        except msgspec.DecodeError as error:
            raise ReplayError(
                f"Entry {offset} of partition {self._partition} is none that this version can read ({error}): "
                "replay it with the version that wrote it, or a later one."
            ) from error
        except RulesetError as error:
            raise ReplayError(
                f"Entry {offset} of partition {self._partition} activates a rule set that this version does not know "
                f"({error}): replay it with --rules FILE, or with the version that wrote it."
            ) from error
        _pack(self._engine)
        return self._engine.decisions()

    def programs(self) -> dict[str, Program]:
        """What is known of the programs now."""
        return programs_of(self._engine.state)

    def _restore(self, snapshot: Iterable[tuple[bytes, bytes]], fixed: RuleSet | None) -> None:
        engine, former = self._engine, Partition()
        try:
            if fixed is None:
                engine.restore(snapshot)
            else:
                # What was in force is laid aside: rule sets of single programs would keep the sweep out of them.
                laid_aside: list[tuple[bytes, bytes]] = []
                engine.restore(_without_rulesets(snapshot, laid_aside))
                former.restore(laid_aside)
        except (NewerStateError, RulesetError) as error:
            raise ReplayError(
                f"The state that partition {self._partition} of the recording begins with was written by other code "
                f"than this ({error}): replay it with the version that wrote it, or a later one."
            ) from error
        state = engine.state
        self.outcomes.seed(state)
        if fixed is None:
            self._rulesets = dict.fromkeys(stored.hash for stored in state.rulesets.values())
        elif state.clock.now_ms >= 0:
            sweep = _sweep_to(fixed, {scope: load(one.tree) for scope, one in former.rulesets.items()}, state)
            if sweep is not None:
                state.add_sweep(sweep)
                while not state.midway and state.sweeps:  # else it is finished with the entry that was cut
                    engine.settle()

    def _note(self, entry: Any) -> None:
        if isinstance(entry, EngineEntry):
            self._versions[entry.version] = None
        elif isinstance(entry, RulesetEntry) and self._obeys:
            self._rulesets[entry.hash] = None

    def close(self) -> Tally:
        """Everything that was counted, the engine's own counts included."""
        total = self.tally + _engine_counts(self._engine)
        for version in self._versions:
            total["version", version] += 1
        for content_hash in self._rulesets or {ruleset.shipped().hash: None}:
            total["ruleset", content_hash] += 1
        return total


class FactReplay:
    """Raw facts through the engine, as if every line's arrival were the progress of all sources.

    Programs are spread over `PARTITIONS` as live, and all partitions share the clock: what is due at or before a line's
    arrival fires first. A partition without anything due is not told the time until a fact concerns it, which saves
    seven eighths of the work and changes nothing, because between two timers time passes unnoticed.
    """

    def __init__(
        self,
        fixed: RuleSet | None = None,
        partitions: int = PARTITIONS,
        *,
        own: frozenset[int] | None = None,
        programs: frozenset[str] | None = None,
    ) -> None:
        """Start with empty state.

        Args:
            fixed: the rule set in force whatever the lines activate; None starts with the shipped one and obeys them.
            partitions: how many to spread programs over.
            own: replay only the programs of these partitions, so that several processes can share a recording; what
                names no program belongs to partition 0.
            programs: replay only these.
        """
        self._own = own
        self._programs = programs
        self._partition_of: dict[str, int] = {}
        self.outcomes = [Outcomes() for _ in range(partitions)]
        self._fixed = fixed
        self._engines = [Engine(fixed=fixed, partition=number) for number in range(partitions)]
        self._soonest: int | None = None
        self._now_ms = -1
        start = fixed if fixed is not None else ruleset.shipped()
        self._words: dict[str, Mapping[str, Mapping[str, list[str]]]] = {EVERYWHERE: start.words}
        self._hashes: dict[str, None] = {start.hash: None}
        self._scanner = CommentScanner([start.words])
        self.tally: Tally = Counter()

    def feed(self, arrival: Arrival) -> Rejected | None:
        """Move the clock to a line and fold what it carries; lines come in the order of their arrival.

        Returns: why the line is bad, None when it is good. A bad line still moves the clock, as a bad record does live.
        Raises: ValueError when the clock would run backwards.
        """
        now_ms = arrival.arrived_ms
        if now_ms < self._now_ms:
            raise ValueError("lines must come in the order of their arrival")
        self._now_ms = now_ms
        if self._soonest is not None and self._soonest <= now_ms:
            self._fire(now_ms)
        if arrival.topic == CLOCK or (self._own is not None and not self._owns(arrival)):
            return None
        outcome = read_record(arrival)
        if isinstance(outcome, Rejected):
            return outcome
        program_id = getattr(outcome.fact if isinstance(outcome, Accepted) else outcome, "program_id", None)
        if self._programs is not None and program_id is not None and program_id not in self._programs:
            return None
        if isinstance(outcome, Accepted):
            fact = outcome.fact
            if isinstance(fact, RulesetActivated):
                return self._activate(fact, now_ms)
            engine = self._engine_of(fact.program_id, now_ms)
            if type(fact) in WATCHED:
                self.outcomes[self._number(fact.program_id)].see(fact)
            flags: tuple[str, ...] = ()
            if outcome.comment is not None:
                length, language, flags = self._scanner.scan(outcome.comment)
                _look_at(self.tally, CommentInfo(length=length, language=language, flags=list(flags)))
            engine.take(fact, arrival.topic, 0, -1, now_ms, flags)
        else:
            engine = self._engine_of(outcome.program_id, now_ms)
            engine.erase(outcome.program_id, outcome.participant_id, now_ms)
        self._settle(engine, now_ms)
        return None

    def decisions(self) -> Iterable[tuple[int, list[Decision]]]:
        """Hand over what was decided since the last call, by partition."""
        for partition, engine in enumerate(self._engines):
            yield partition, engine.decisions()
            _pack(engine)

    def close(self) -> Tally:
        """Bring every partition to the time of the last line. Returns: everything that was counted."""
        if self._now_ms >= 0:
            for engine in self._engines:
                self._settle(engine, self._now_ms)
        total = self.tally
        for engine in self._engines:
            total += _engine_counts(engine)
        for content_hash in self._hashes:
            total["ruleset", content_hash] += 1
        return total

    def _fire(self, now_ms: int) -> None:
        self._soonest = None
        for engine in self._engines:
            due = engine.state.next_timer()
            if due != NEVER and due <= now_ms:
                _move(engine, now_ms)
            self._expect(engine)

    def programs(self, partition: int) -> dict[str, Program]:
        """What is known of the programs of a partition now."""
        return programs_of(self._engines[partition].state)

    def _number(self, program_id: str) -> int:
        number = self._partition_of.get(program_id)
        if number is None:
            number = self._partition_of[program_id] = partition_for(program_id.encode(), len(self._engines))
        return number

    def _owns(self, arrival: Arrival) -> bool:
        """Whether a line is this replay's to read; rule sets are everybody's."""
        assert self._own is not None
        if arrival.topic == RULESETS:
            return True
        program_id = program_of_line(arrival)
        return (0 if program_id is None else self._number(program_id)) in self._own

    def _engine_of(self, program_id: str, now_ms: int) -> Engine:
        engine = self._engines[self._number(program_id)]
        _move(engine, now_ms)
        return engine

    def _settle(self, engine: Engine, now_ms: int) -> None:
        _move(engine, now_ms)
        self._expect(engine)

    def _expect(self, engine: Engine) -> None:
        due = engine.state.next_timer()
        if due != NEVER and (self._soonest is None or due < self._soonest):
            self._soonest = due

    def _activate(self, fact: RulesetActivated, now_ms: int) -> Rejected | None:
        try:
            rules = ruleset.parse(fact.ruleset)
        except RulesetError:
            return Rejected("invalid_ruleset", "The rule set does not pass its checks: see `ebb rules check`.")
        self.tally["activations",] += 1
        if self._fixed is None:
            for engine in self._engines:
                _move(engine, now_ms)
                engine.activate(rules, fact.scope, fact.backfill, now_ms)
                self._settle(engine, now_ms)
            self._hashes[rules.hash] = None
            self._words[fact.scope] = rules.words
            # As ingest has it: lists for everyone (the shipped ones if there are none), beside them those of programs.
            everyone = self._words[EVERYWHERE] or ruleset.shipped().words
            others = [words for scope, words in self._words.items() if scope != EVERYWHERE]
            self._scanner = CommentScanner([everyone, *others])
        return None


def _move(engine: Engine, now_ms: int) -> None:
    """Bring a partition to an instant, and finish what is due however much it is: no commit has to be kept small."""
    is_done = engine.advance(now_ms)
    while not is_done or engine.state.sweeps:
        is_done = engine.settle()


def _without_rulesets(
    rows: Iterable[tuple[bytes, bytes]], laid_aside: list[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes]]:
    for row in rows:
        if row[0].startswith(_RULESETS):
            laid_aside.append(row)
        else:
            yield row


def _sweep_to(fixed: RuleSet, former: Mapping[str, RuleSet], state: Partition) -> Sweep | None:
    """The sweep of an activation of `fixed` everywhere, over what was in force; None when it changes nothing."""
    everywhere = former.get(EVERYWHERE, ruleset.shipped())
    changed = fixed.changes(everywhere)
    names = sorted({*fixed.overridden(), *everywhere.overridden(), *former} - {EVERYWHERE})
    programs = {name: fixed.changes(former.get(name, everywhere), name) for name in names}
    if not changed and not any(programs.values()):
        return None
    now_ms = state.clock.now_ms
    return Sweep(EVERYWHERE, now_ms, now_ms, "silent", changed, programs=programs)


def _engine_counts(engine: Engine) -> Tally:
    counts = Counter(engine.state.counts)
    for name, count in engine.state.faults.counts.items():
        counts["faults", name] = count
    return counts
