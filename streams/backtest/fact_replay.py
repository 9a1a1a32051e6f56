"""Raw facts through the engine, with one clock over all partitions: a recording without a journal."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from schemas.codec import Accepted
from schemas.facts import RulesetActivated
from schemas.journal import CommentInfo
from schemas.rejections import Rejected
from schemas.topics import RULESETS
from streams import ruleset
from streams.backtest.lines import CLOCK, Arrival, program_of_line, read_record
from streams.backtest.outcomes import WATCHED, Outcomes
from streams.backtest.programs import Program, programs_of
from streams.backtest.tally import Tally, count_comment, engine_counts, move, pack
from streams.comments import CommentScanner
from streams.engine import Engine
from streams.judging import EVERYWHERE
from streams.lifecycle import Decision
from streams.partitioner import partition_for
from streams.ruleset import RuleSet, RulesetError
from streams.state.timers import NOTHING_DUE

#: of the journal, when there is none to tell
PARTITIONS: Final = 8


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
        self._soonest = NOTHING_DUE
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
        if self._soonest <= now_ms:
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
                count_comment(self.tally, CommentInfo(length=length, language=language, flags=list(flags)))
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
            pack(engine)

    def close(self) -> Tally:
        """Bring every partition to the time of the last line. Returns: everything that was counted."""
        if self._now_ms >= 0:
            for engine in self._engines:
                self._settle(engine, self._now_ms)
        total = self.tally
        for engine in self._engines:
            total += engine_counts(engine)
        for content_hash in self._hashes:
            total["ruleset", content_hash] += 1
        return total

    def _fire(self, now_ms: int) -> None:
        self._soonest = NOTHING_DUE
        for engine in self._engines:
            if engine.state.timers.next_ms <= now_ms:
                move(engine, now_ms)
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
        move(engine, now_ms)
        return engine

    def _settle(self, engine: Engine, now_ms: int) -> None:
        move(engine, now_ms)
        self._expect(engine)

    def _expect(self, engine: Engine) -> None:
        self._soonest = min(self._soonest, engine.state.timers.next_ms)

    def _activate(self, fact: RulesetActivated, now_ms: int) -> Rejected | None:
        try:
            rules = ruleset.parse(fact.ruleset)
        except RulesetError:
            return Rejected("invalid_ruleset", "The rule set does not pass its checks: see `ebb rules check`.")
        self.tally["activations",] += 1
        if self._fixed is None:
            for engine in self._engines:
                move(engine, now_ms)
                engine.activate(rules, fact.scope, fact.backfill, now_ms)
                self._settle(engine, now_ms)
            self._hashes[rules.hash] = None
            self._words[fact.scope] = rules.words
            # As ingest has it: lists for everyone (the shipped ones if there are none), beside them those of programs.
            everyone = self._words[EVERYWHERE] or ruleset.shipped().words
            others = [words for scope, words in self._words.items() if scope != EVERYWHERE]
            self._scanner = CommentScanner([everyone, *others])
        return None
