"""The engine: state', interventions = step(state, entry, rule set). The one entry to the core.

One `Engine` holds one journal partition. `apply` takes the entries of its journal in order: advance the clock and
fire due timers, fold the fact, ask the rules that read this kind of fact, move each life cycle. It reads no clock,
does no I/O and draws no random number. Live worker, backtest, tests and the oracle of the fault suite all call it.

Work due to one entry may be more than fits one commit (a launch of 50,000 pairs coming due, a rule-set switch).
`apply` then returns False: flush, and call it again with the same entry. Every stop is a consistent state in itself:
due timers that have not fired are still due, and a sweep over many records keeps its cursor in state.

An exception in a rule or a fold is a value: it is recorded in state and counted, that rule is skipped for that
entry, and a replay does the same.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import schemas.facts as f
from schemas import outbound
from schemas.base import to_ms
from schemas.journal import (
    EngineEntry,
    EraseEntry,
    FactEntry,
    GapEntry,
    ProgressEntry,
    RulesetEntry,
    SourcesEntry,
    decode_entry,
)
from streams import lifecycle, ruleset
from streams.activation import activate
from streams.clock import DAY_MS, FACT_TOPICS, HOUR_MS, UNDEFINED
from streams.erase import erase, names_erased
from streams.fold import NOBODY, Touched, fold
from streams.fold.gone import watch_person
from streams.fold.reference import partners_of
from streams.judging import Judging
from streams.outcome import Flush, Message
from streams.rule import Moment
from streams.ruleset import RuleSet
from streams.sources import hear
from streams.state.episode import FactRef
from streams.state.partition import Partition, Sweep
from streams.state.seen import digest_of
from streams.sweep import continue_sweep
from streams.view import TOPIC_CODES, TOPICS, View
from streams.waking import wake

SLICE: Final = 20_000
LATE_MS: Final = 24 * HOUR_MS
_FACTS: Final = [("facts", topic) for topic in TOPICS]


class Engine:
    """State of one journal partition, and how it moves.

    Args:
        source: CloudEvents source of the interventions, see `schemas.outbound.ce_source`.
        fixed: a rule set that is in force from the first entry, whatever the journal activates (backtests).
        partition: its number, for what is said of the partition itself.
    """

    def __init__(self, source: str = "/ebb/default", fixed: RuleSet | None = None, partition: int = 0) -> None:
        self.state = Partition()
        self.state.number = partition
        self._source = source
        self._judging = Judging(self.state, fixed)
        self._budget = 0

    # -- what the host needs

    @property
    def applied(self) -> int:
        return self.state.applied

    def restore(self, rows: dict[bytes, bytes] | Iterable[tuple[bytes, bytes]]) -> None:
        """Take over committed state; of a dictionary, the dictionary itself.

        Raises: `streams.state.table.NewerStateError` when later code wrote it.
        """
        self.state.restore(rows)
        self._judging.rulesets = {scope: ruleset.load(stored.tree) for scope, stored in self.state.rulesets.items()}

    def pending(self) -> int:
        return self.state.pending() + len(self._judging.out)

    def has_interventions(self) -> bool:
        return bool(self._judging.out)

    def flush(self) -> Flush:
        """Hand over what changed since the last flush."""
        source = self._source
        messages = [
            Message(
                record.program_id.encode(),
                outbound.encode_intervention(record),
                at_ms,
                outbound.ce_headers(record, source),
            )
            for at_ms, record in self._judging.out
        ]
        self._judging.out = []
        return Flush(messages, self.flush_state())

    def flush_state(self) -> list[tuple[bytes, bytes | None]]:
        """The state rows of `flush` alone; afterwards memory holds little more than stored bytes."""
        table = self.state.table
        hot, rows = table.hot, self.state.flush()
        self._judging.refresh_views(have_records_gone=table.hot is not hot)
        return rows

    def decisions(self) -> list[lifecycle.Decision]:
        """Hand over the decisions alone; for replays, which write no state."""
        judging = self._judging
        taken, judging.out = judging.out, []
        return taken

    def settle(self) -> bool:
        """Finish what a fact given to `take` set off; False when cut: call again. `step` does so by itself."""
        self._budget = SLICE
        return self._finish_due_work()

    def apply(self, offset: int, value: bytes) -> bool:
        """Apply one journal record; False when its work was cut, see the module's text.

        Raises: msgspec.DecodeError when the record is no journal entry.
        """
        return self.step(offset, decode_entry(value))

    def step(self, offset: int, entry: Any) -> bool:
        """Apply one decoded entry."""
        self._budget = SLICE
        state = self.state
        if (state.sweeps or state.timers.next_ms <= state.clock.now_ms) and not self._finish_due_work():
            return False
        if not state.midway:
            if not _STEPS[type(entry)](self, entry):
                return False
            if state.sweeps:
                state.midway = True
                if not self._finish_due_work():
                    return False
        state.midway = False
        state.applied = offset
        return True

    # -- the kinds of entry

    def _fact(self, entry: FactEntry) -> bool:
        state, source = self.state, entry.source
        arrived_ms = to_ms(entry.arrived_at)
        clock = state.clock
        if clock.records and arrived_ms > clock.now_ms and not self.advance(arrived_ms):
            return False
        if state.is_repeat(source.topic, source.partition, source.offset):
            state.counts["repeats_by_ingest",] += 1
            return True
        flags = () if entry.comment is None else tuple(entry.comment.flags)
        self.take(entry.fact, source.topic, source.partition, source.offset, arrived_ms, flags)
        return True

    def _arrive(self, arrived_ms: int) -> bool:
        """In `records` mode the arrival of an entry is the clock."""
        clock = self.state.clock
        return not clock.records or self.advance(arrived_ms)

    def take(
        self, fact: f.Fact, topic: str, partition: int, offset: int, arrived_ms: int, flags: tuple[str, ...] = ()
    ) -> None:
        """Fold one fact that ingest has not forwarded before, and let the rules judge.

        Args:
            offset: -1 when it has no coordinates.
            flags: names of the word lists that its comment touched.
        """
        state = self.state
        code = TOPIC_CODES[topic]
        view = self._judging.views.get(fact.program_id) or self._judging.view(fact.program_id)
        state.counts[_FACTS[code]] += 1
        if state.erased and names_erased(state, fact):
            state.counts["erased", topic] += 1
            return
        if not state.seen.add(digest_of(code, fact.program_id, fact.event_id), state.day_of(arrived_ms)):
            state.counts["duplicates", topic] += 1
            return
        if topic in FACT_TOPICS:
            hear(self._judging, topic, fact.program_id, arrived_ms)
        occurred_ms = min(to_ms(fact.occurred_at), arrived_ms)
        if occurred_ms < arrived_ms - LATE_MS:
            state.counts["late", topic] += 1
        ref = FactRef(fact.event_id, code, partition, offset, occurred_ms)
        try:
            touched = fold(view, fact, ref, arrived_ms)
        except Exception as error:  # noqa: BLE001
            state.note_fault("fold", error)
            return
        if touched is None:
            state.counts["duplicates", topic] += 1
        elif touched is not NOBODY or type(fact) is f.ActionTaken:
            self._after(view, fact, ref, touched, arrived_ms, flags)

    def _erase(self, entry: EraseEntry) -> bool:
        arrived_ms = to_ms(entry.arrived_at)
        if not self._arrive(arrived_ms):
            return False
        source = entry.source
        if not self.state.is_repeat(source.topic, source.partition, source.offset):
            self.erase(entry.program_id, entry.participant_id, arrived_ms)
        return True

    def erase(self, program_id: str, participant_id: str, arrived_ms: int) -> None:
        """Forget a participant; what stays open about them closes, and whoever is left behind is looked at."""
        self.state.counts["erasures",] += 1
        judging, moment = self._judging, Moment(arrived_ms, self.state.clock.now_ms)
        view = judging.view(program_id)
        person = view.participant(participant_id)
        left_behind = NOBODY
        if person is not None:
            left_behind = Touched(tuple(person.pair_ids), tuple(partners_of(view, participant_id, person)))
        for rule, subject in erase(view, participant_id):
            lifecycle.close(rule, subject, judging.context(rule, view, moment), judging.out, "erased")
        judging.begin()
        judging.judge_touched(view, f.ParticipantChanged, left_behind, moment)
        judging.follow_up(moment)

    def _progress(self, entry: ProgressEntry) -> bool:
        for source in self.state.clock.report({name: to_ms(at) for name, at in entry.sources.items()}):
            self.state.touch_source(source)
        return self.advance(self.state.clock.target_ms())

    def _sources(self, entry: SourcesEntry) -> bool:
        since = {name: UNDEFINED if at is None else to_ms(at) for name, at in entry.since.items()}
        self._judging.views = {}
        self.state.clock.expect(entry.expected, since, entry.clock == "records")
        for topic in self.state.clock.know_topics(entry.topic_ids):
            self.state.forget_marks(topic)
        self.state.touch_sources()
        return self.advance(self.state.clock.target_ms())

    def _ruleset(self, entry: RulesetEntry) -> bool:
        state = self.state
        arrived_ms = to_ms(entry.arrived_at) if entry.arrived_at is not None else max(state.clock.now_ms, 0)
        if entry.source is not None:
            if not self._arrive(arrived_ms):
                return False
            if state.is_repeat(entry.source.topic, entry.source.partition, entry.source.offset):
                return True
            state.counts["activations",] += 1
        if self._judging.fixed is None:
            try:
                # One object for all partitions of a process: what rules derive from parameters is kept by them, and
                # equal ones that are not the same are compared field by field, with every fact.
                rules = ruleset.load(ruleset.parse(entry.ruleset).encoded())
            except ruleset.RulesetError as error:
                state.note_fault("ruleset", error)  # of other code than this: what is in force stays
                return True
            self.activate(rules, entry.scope, entry.backfill, arrived_ms)
        return True

    def activate(self, rules: RuleSet, scope: str, backfill: str, arrived_ms: int) -> None:
        """Put a rule set in force and start the sweep over what it changes."""
        activate(self._judging, rules, scope, backfill, arrived_ms)

    def _engine(self, entry: EngineEntry) -> bool:
        self.state.version = entry.version
        return True

    def _gap(self, entry: GapEntry) -> bool:
        self._judging.views = {}
        self.state.forget_marks(entry.source)
        self.state.clock.add_gap(to_ms(entry.first), to_ms(entry.last))
        self.state.touch_sources()
        return True

    # -- time

    def advance(self, now_ms: int) -> bool:
        """Move the clock up to `now_ms` and fire what is due, each timer at its own instant; False when cut."""
        clock = self.state.clock
        if now_ms > clock.now_ms:
            if now_ms // DAY_MS != clock.now_ms // DAY_MS:
                self.state.seen.expire(now_ms // DAY_MS)
            clock.now_ms = now_ms
        return self.state.timers.next_ms > clock.now_ms or self._finish_due_work()

    def _finish_due_work(self) -> bool:
        """Finish sweeps in progress, then fire due timers, which may start another; False when cut."""
        state = self.state
        while True:
            if state.sweeps:
                self._budget = continue_sweep(self._judging, state.sweeps[0], self._budget)
                if self._budget < 0:
                    return False
                del state.sweeps[0]
                state.touch_sweep()
            elif state.timers.next_ms <= state.clock.now_ms:
                if self._budget <= 0:
                    return False
                popped = state.pop_timer()
                if popped is not None:
                    self._budget -= 1
                    wake(self._judging, *popped)
            else:
                return True

    # -- rules

    def _after(
        self, view: View, fact: f.Fact, ref: FactRef, touched: Touched, arrived_ms: int, flags: tuple[str, ...]
    ) -> None:
        """Ask the rules that read this kind of fact about everything it touched, and start a sweep where a program
        changed."""
        if type(fact) is f.ParticipantChanged:
            self._watch(view, fact.participant_id)
        judging, now_ms = self._judging, self.state.clock.now_ms
        kind = type(fact)
        is_action = kind is f.ActionTaken
        if view.readers[kind] or is_action:
            moment = Moment(arrived_ms, now_ms, fact, ref, touched, flags=flags)
            judging.begin()
            if is_action:
                judging.act(view, touched, moment)
            else:
                judging.judge_touched(view, kind, touched, moment)
            if judging.heard:
                judging.follow_up(moment)
        if touched.everybody and view.program.active_pairs:
            self.state.add_sweep(Sweep(view.program_id, arrived_ms, now_ms, "", [], ref=ref))

    def _watch(self, view: View, participant_id: str) -> None:
        person = view.participant(participant_id)
        if person is not None:
            watch_person(person)
            self.state.rearm(view.participant_key(participant_id), person)


_STEPS: Final[dict[type, Callable[[Engine, Any], bool]]] = {
    FactEntry: Engine._fact,
    EraseEntry: Engine._erase,
    ProgressEntry: Engine._progress,
    SourcesEntry: Engine._sources,
    RulesetEntry: Engine._ruleset,
    EngineEntry: Engine._engine,
    GapEntry: Engine._gap,
}
