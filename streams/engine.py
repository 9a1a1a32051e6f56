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

from msgspec.structs import replace

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
from streams.clock import DAY_MS, HOUR_MS, UNDEFINED
from streams.erase import erase, names_erased
from streams.fold import NOBODY, Touched, fold, is_repeat
from streams.fold.reference import wake_paused
from streams.outcome import Flush, Message
from streams.rule import Moment, Rule, Subject
from streams.rules import RULES, RULES_BY_ID
from streams.rules.program_sentiment_slowdown import ProgramSentimentSlowdownParams
from streams.ruleset import RuleSet
from streams.state.episode import FactRef
from streams.state.pair import PairPhase, PairState
from streams.state.participant import ParticipantPhase, ParticipantState
from streams.state.partition import Partition, StoredRuleset, Sweep
from streams.state.program import ProgramState
from streams.state.record import HOUSEKEEPING, Record
from streams.state.seen import fingerprint
from streams.state.table import program_of, subject_of
from streams.view import TOPIC_CODES, View

SLICE: Final = 20_000
LATE_MS: Final = 24 * HOUR_MS
#: When a rule that raised on a subject is asked about it again, if nothing happens before.
RETRY_MS: Final = DAY_MS
EVERYWHERE: Final = "*"


def _reads(rule: Rule, kind: type) -> bool:
    """Every pair rule hears when a pair changes, every absence rule of pairs when a partner's state does."""
    on_pairs = rule.subject in ("pair", "pair_member")
    if kind in (f.PairChanged, f.PairDeleted):
        return on_pairs
    return kind in rule.reads or (kind is f.ParticipantChanged and on_pairs and rule.is_absence)


_READERS: Final[dict[type, tuple[Rule, ...]]] = {
    kind: tuple(rule for rule in RULES if _reads(rule, kind)) for kind in f.TYPES.values()
}


class Engine:
    """State of one journal partition, and how it moves.

    Args:
        source: CloudEvents source of the interventions, see `schemas.outbound.ce_source`.
        fixed: a rule set that is in force from the first entry, whatever the journal activates (backtests).
    """

    def __init__(self, source: str = "/ebb/default", fixed: RuleSet | None = None) -> None:
        self.state = Partition()
        self._source = source
        self._fixed = fixed
        self._rulesets: dict[str, RuleSet] = {}
        self._out: list[lifecycle.Decision] = []
        self._budget = 0
        self._views: dict[str, View] = {}

    # -- what the host needs

    @property
    def applied(self) -> int:
        return self.state.applied

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Take over committed state. Raises `streams.state.table.NewerStateError` when later code wrote it."""
        self.state.restore(rows)
        self._rulesets = {scope: ruleset.load(stored.tree) for scope, stored in self.state.rulesets.items()}

    def pending(self) -> int:
        return self.state.pending() + len(self._out)

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
            for at_ms, record in self._out
        ]
        self._out = []
        return Flush(messages, self.flush_state())

    def flush_state(self) -> list[tuple[bytes, bytes | None]]:
        """The state rows of `flush` alone; afterwards memory holds little more than stored bytes."""
        self._views = {}  # they hold records that may go cold now
        return self.state.flush()

    def decisions(self) -> list[lifecycle.Decision]:
        """Hand over the decisions alone; for replays, which write no state."""
        taken, self._out = self._out, []
        return taken

    def settle(self) -> bool:
        """Finish what a fact given to `take` set off; False when cut: call again. `step` does so by itself."""
        self._budget = SLICE
        return self._finish_due_work() and self._continue_sweep()

    def apply(self, offset: int, value: bytes) -> bool:
        """Apply one journal record; False when its work was cut, see the module's text.

        Raises: msgspec.DecodeError when the record is no journal entry.
        """
        return self.step(offset, decode_entry(value))

    def step(self, offset: int, entry: Any) -> bool:
        """Apply one decoded entry."""
        self._budget = SLICE
        state = self.state
        if state.has_due_timer() and not self._finish_due_work():
            return False
        # A sweep in progress is the rest of what this very entry caused before it was cut.
        if state.sweep is None and not _STEPS[type(entry)](self, entry):
            return False
        if state.sweep is not None and not self._continue_sweep():
            return False
        state.applied = offset
        return True

    # -- the kinds of entry

    def _fact(self, entry: FactEntry) -> bool:
        state, source = self.state, entry.source
        arrived_ms = to_ms(entry.arrived_at)
        if state.clock.records and not self.advance(arrived_ms):
            return False
        if state.is_repeat(source.topic, source.partition, source.offset):
            state.counts["repeats_by_ingest",] += 1
            return True
        self.take(entry.fact, source.topic, source.partition, source.offset, arrived_ms)
        return True

    def _arrive(self, arrived_ms: int) -> bool:
        """In `records` mode the arrival of an entry is the clock."""
        clock = self.state.clock
        return not clock.records or self.advance(arrived_ms)

    def take(self, fact: f.Fact, topic: str, partition: int, offset: int, arrived_ms: int) -> None:
        """Fold one fact that ingest has not forwarded before, and let the rules judge. `offset` -1: no coordinates."""
        state = self.state
        code = TOPIC_CODES[topic]
        view = self._view(fact.program_id)
        state.counts["facts", topic] += 1
        if state.erased and names_erased(state, fact):
            state.counts["erased", topic] += 1
            return
        if not state.seen.add(fingerprint(code, fact.program_id, fact.event_id), state.day_of(arrived_ms)):
            state.counts["duplicates", topic] += 1
            return
        occurred_ms = min(to_ms(fact.occurred_at), arrived_ms)
        if occurred_ms < arrived_ms - LATE_MS:
            state.counts["late", topic] += 1
        ref = FactRef(fact.event_id, code, partition, offset, occurred_ms)
        try:
            if is_repeat(view, fact):
                state.counts["duplicates", topic] += 1
                return
            touched = fold(view, fact, ref, arrived_ms)
        except Exception as error:  # noqa: BLE001
            state.note_fault("fold", error)
            return
        if touched is not NOBODY:
            self._after(view, fact, ref, touched, arrived_ms)

    def _view(self, program_id: str) -> View:
        """The view of a program, made once between two flushes."""
        view = self._views.get(program_id)
        if view is None:
            view = self._views[program_id] = View(self.state, program_id)
            params = self._rules_for(program_id).params(_SLOWDOWN, program_id)
            assert isinstance(params, ProgramSentimentSlowdownParams)
            view.answer_days = params.answer_days
        return view

    def _erase(self, entry: EraseEntry) -> bool:
        arrived_ms = to_ms(entry.arrived_at)
        if not self._arrive(arrived_ms):
            return False
        source = entry.source
        if not self.state.is_repeat(source.topic, source.partition, source.offset):
            self.erase(entry.program_id, entry.participant_id, arrived_ms)
        return True

    def erase(self, program_id: str, participant_id: str, arrived_ms: int) -> None:
        """Forget a participant; what stays open about them closes."""
        self.state.counts["erasures",] += 1
        view = self._view(program_id)
        for rule, subject in erase(view, participant_id):
            context = self._context(rule, view, Moment(arrived_ms, self.state.clock.now_ms))
            lifecycle.close(rule, subject, context, self._out, "erased")

    def _progress(self, entry: ProgressEntry) -> bool:
        for source in self.state.clock.report({name: to_ms(at) for name, at in entry.sources.items()}):
            self.state.touch_source(source)
        return self.advance(self.state.clock.target_ms())

    def _sources(self, entry: SourcesEntry) -> bool:
        since = {name: UNDEFINED if at is None else to_ms(at) for name, at in entry.since.items()}
        self._views = {}
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
        if self._fixed is None:
            try:
                rules = ruleset.parse(entry.ruleset)
            except ruleset.RulesetError as error:
                state.note_fault("ruleset", error)  # of other code than this: what is in force stays
                return True
            self.activate(rules, entry.scope, entry.backfill, arrived_ms)
        return True

    def activate(self, rules: RuleSet, scope: str, backfill: str, arrived_ms: int) -> None:
        """Put a rule set in force and start the sweep over what it changes."""
        state = self.state
        former = self._rules_for(scope)
        self._rulesets[scope] = rules
        self._views = {}
        state.put_ruleset(scope, StoredRuleset(rules.hash, rules.encoded()))
        if scope == EVERYWHERE:
            changed = rules.changes(former)
            programs = {name: rules.changes(former, name) for name in sorted(rules.overridden() | former.overridden())}
        else:
            changed, programs = rules.changes(former, scope), {}
        if changed or any(programs.values()):
            state.sweep = Sweep(scope, arrived_ms, state.clock.now_ms, backfill, changed, programs=programs)
            state.touch_sweep()

    def _engine(self, entry: EngineEntry) -> bool:
        self.state.version = entry.version
        return True

    def _gap(self, entry: GapEntry) -> bool:
        self._views = {}
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
        return not self.state.has_due_timer() or self._finish_due_work()

    def _finish_due_work(self) -> bool:
        state = self.state
        now_ms = state.clock.now_ms
        while state.timers and state.timers[0][0] <= now_ms:
            if self._budget <= 0:
                return False
            popped = state.pop_timer()
            if popped is not None:
                self._budget -= 1
                self._wake(*popped)
        return True

    def _wake(self, due_ms: int, key: bytes, record: Record) -> None:
        """Fire the timers of one record that are due at an instant, in the order of rules, and arm it anew."""
        view = self._view(program_of(key))
        due_codes = [(due, _ORDER.get(code, -1), code) for code, due in record.timers.items() if due <= due_ms]
        for _, _, code in due_codes:
            del record.timers[code]
        for due, place, code in sorted(due_codes):
            if code == HOUSEKEEPING:
                if self._keep_house(view, key, record, due):
                    return
            elif place >= 0:  # a retired rule's timer is dropped
                self._judge_record(RULES[place], view, key, record, Moment(due, due))
        self.state.rearm(key, record)

    def _keep_house(self, view: View, key: bytes, record: Record, due_ms: int) -> bool:
        """A record's own business. Returns True when the record is gone."""
        if isinstance(record, PairState) and record.phase is PairPhase.PROVISIONAL:
            self.state.table.delete(key)
            self.state.counts["provisional_dropped",] += 1
            return True
        if isinstance(record, ParticipantState) and record.phase is ParticipantPhase.PAUSED:
            wake_paused(record)
            touched = Touched(tuple(record.pair_ids), (subject_of(key),))
            self._judge_touched(view, _READERS[f.ParticipantChanged], touched, Moment(due_ms, due_ms))
        return False

    # -- rules

    def _after(self, view: View, fact: f.Fact, ref: FactRef, touched: Touched, arrived_ms: int) -> None:
        """Ask the rules that read this kind of fact about everything it touched, and start a sweep where a program
        changed."""
        if type(fact) is f.ParticipantChanged:
            self._watch_pause(view, fact.participant_id)
        now_ms = self.state.clock.now_ms
        readers = _READERS[type(fact)]
        if readers:
            self._judge_touched(view, readers, touched, Moment(arrived_ms, now_ms, fact, ref, touched))
        if touched.everybody and view.program.active_pairs:
            self.state.sweep = Sweep(view.program_id, arrived_ms, now_ms, "", [], ref=ref)
            self.state.touch_sweep()

    def _watch_pause(self, view: View, participant_id: str) -> None:
        person = view.participant(participant_id)
        if person is None:
            return
        person.timers.pop(HOUSEKEEPING, None)
        if person.paused_until_ms:
            person.timers[HOUSEKEEPING] = person.paused_until_ms
            self.state.rearm(view.participant_key(participant_id), person)

    def _judge_touched(self, view: View, rules: tuple[Rule, ...], touched: Touched, moment: Moment) -> None:
        for rule in rules:
            if rule.subject in ("pair", "pair_member"):
                for pair_id in touched.pairs:
                    pair = view.pair(pair_id)
                    if pair is not None:
                        self._judge_record(rule, view, view.pair_key(pair_id), pair, moment)
            elif rule.subject == "participant":
                for participant_id in touched.participants:
                    person = view.participant(participant_id)
                    if person is not None:
                        self._judge_record(rule, view, view.participant_key(participant_id), person, moment)
            else:
                self._judge_record(rule, view, view.program_key, view.program, moment)

    def _judge_record(
        self, rule: Rule, view: View, key: bytes, record: Record, moment: Moment, backfill: str = ""
    ) -> None:
        """Judge every subject of a rule that this record remembers, and set the rule's timer in it."""
        look_ms: int | None = None
        for subject in _subjects(rule, key, record):
            before = len(self._out)
            try:
                look = self._judge(rule, view, subject, moment, backfill)
            except Exception as error:  # noqa: BLE001
                del self._out[before:]
                self.state.note_fault(rule.id, error)
                # Skipped for this entry, but not for good: the timer that may have fired is not lost.
                look = max(moment.now_ms, 0) + RETRY_MS
            if look is not None and (look_ms is None or look < look_ms):
                look_ms = look
        if look_ms is not None:
            # Never at or before the instant just judged, or the same timer would fire for ever.
            record.timers[rule.code] = max(look_ms, moment.now_ms + 1)
        else:
            record.timers.pop(rule.code, None)
        self.state.table.touch(key)
        self.state.rearm(key, record)

    def _judge(self, rule: Rule, view: View, subject: Subject, moment: Moment, backfill: str) -> int | None:
        rules = self._rules_for(view.program_id)
        params = rules.params(rule, view.program_id)
        context = lifecycle.Context(view, params, rules.hash, moment, backfill)
        if not params.enabled:
            rule.forget(view, subject)
            lifecycle.switch_off(rule, subject, context, self._out)
            return None
        record = subject.record
        if isinstance(record, PairState):
            if not record.is_active:
                rule.rest(view, subject, params, moment)
                lifecycle.close(rule, subject, context, self._out, "pair_closed")
                return None
            if subject.member and record.member(subject.member) is None:
                lifecycle.leave(rule, subject, context, self._out)
                record.drop_episode(rule.code, subject.member)
                return None
            if rule.is_absence and not (record.one_to_one and _all_active(view, record)):
                rule.rest(view, subject, params, moment)
                lifecycle.leave(rule, subject, context, self._out)
                return None
        events = rule.update(view, subject, params, moment)
        if events:
            moment = replace(moment, events=events)
            context = replace(context, moment=moment)
        verdict = rule.judge(view, subject, params, moment)
        if backfill and not verdict.rung:
            lifecycle.close(rule, subject, context, self._out, "rule_changed")
        return lifecycle.move(rule, subject, verdict, context, self._out)

    def _context(self, rule: Rule, view: View, moment: Moment) -> lifecycle.Context:
        rules = self._rules_for(view.program_id)
        return lifecycle.Context(view, rules.params(rule, view.program_id), rules.hash, moment)

    def _rules_for(self, program_id: str) -> RuleSet:
        if self._fixed is not None:
            return self._fixed
        found = self._rulesets.get(program_id) or self._rulesets.get(EVERYWHERE)
        return found if found is not None else ruleset.shipped()

    # -- sweeps

    def _continue_sweep(self) -> bool:
        """Visit the records of a sweep in the order of their keys; False when cut."""
        state = self.state
        sweep = state.sweep
        if sweep is None:
            return True
        codes = {*sweep.rules, *(code for each in sweep.programs.values() for code in each)}
        rules = [rule for rule in RULES if not sweep.backfill or rule.code in codes]
        prefixes = {"program": b"g", "participant": b"m", "pair": b"p", "pair_member": b"p"}
        wanted = {prefixes[rule.subject] for rule in rules}
        scope = b"" if sweep.scope == EVERYWHERE else sweep.scope.encode()
        keys = [key for first in sorted(wanted) for key in state.table.keys(first + scope)]
        for key in keys:
            program_id = program_of(key)
            if key <= sweep.after or (scope and program_id != sweep.scope):
                continue
            if self._budget <= 0:
                return False
            self._budget -= 1
            record = state.table.get(key)
            assert record is not None
            view = self._view(program_id)
            changed = sweep.programs.get(program_id, sweep.rules)
            for rule in rules:
                if prefixes[rule.subject] != key[:1] or self._is_overruled(sweep, program_id):
                    continue
                if not sweep.backfill or rule.code in changed:
                    moment = Moment(sweep.at_ms, sweep.now_ms, ref=sweep.ref)
                    self._judge_record(rule, view, key, record, moment, sweep.backfill)
            sweep.after = key
            state.touch_sweep()
        state.sweep = None
        state.touch_sweep()
        return True

    def _is_overruled(self, sweep: Sweep, program_id: str) -> bool:
        """A program with a rule set of its own is not touched by one for everybody."""
        return bool(sweep.backfill) and sweep.scope == EVERYWHERE and program_id in self._rulesets


def _all_active(view: View, pair: PairState) -> bool:
    for member in pair.members:
        person = view.participant(member.id)
        if person is not None and not person.is_active:
            return False
    return True


def _subjects(rule: Rule, key: bytes, record: Record) -> Iterable[Subject]:
    if rule.subject == "pair_member":
        assert isinstance(record, PairState)
        pair_id = subject_of(key)
        people = {member.id: None for member in record.members}
        # Who is no member any more may have left an episode behind.
        people |= {episode.member: None for episode in record.episodes if episode.rule == rule.code}
        return [Subject("pair_member", key, record, f"{pair_id}/{person}", person) for person in people]
    assert isinstance(record, PairState | ParticipantState | ProgramState)
    return (Subject(rule.subject, key, record, subject_of(key)),)


_SLOWDOWN: Final = RULES_BY_ID["program.sentiment_slowdown"]
_ORDER: Final = {rule.code: rule.place for rule in RULES}
_STEPS: Final[dict[type, Callable[[Engine, Any], bool]]] = {
    FactEntry: Engine._fact,
    EraseEntry: Engine._erase,
    ProgressEntry: Engine._progress,
    SourcesEntry: Engine._sources,
    RulesetEntry: Engine._ruleset,
    EngineEntry: Engine._engine,
    GapEntry: Engine._gap,
}
