"""Asking the rules: which rules an occasion concerns, whom they judge, and what follows from what they said.

An *occasion* is one fact, one record whose timers are due, or one record visited by a sweep. Its rules are asked in the
order of `RULES`. When episodes have changed, two things follow at the same instant and inside the same occasion: rules
that listen to the changed rule are asked about the same people, and what the changed rule withheld, or withholds from
now on, is brought in line (`streams.inhibition`).
"""

from typing import Final

from msgspec.structs import replace

from streams import lifecycle, ruleset
from streams.clock import DAY_MS
from streams.coordination import act, join
from streams.fold import Touched
from streams.inhibition import ACROSS, is_open
from streams.readers import Readers, readers_of
from streams.rule import Moment, Rule, RuleParams, Subject, subject_of_episode, subjects_of
from streams.rules import RULES, RULES_BY_ID, rule_of
from streams.rules.program_sentiment_slowdown import ProgramSentimentSlowdownParams
from streams.ruleset import RuleSet
from streams.state.episode import Episode
from streams.state.pair import PairState, Side
from streams.state.participant import ParticipantState
from streams.state.partition import Partition, Sweep
from streams.state.record import NEVER, Record
from streams.view import View
from streams.writing import arm_life, withhold

#: When a rule that raised on a subject is asked about it again, if nothing happens before.
RETRY_MS: Final = DAY_MS
EVERYWHERE: Final = "*"


#: rule id → the rules that listen to it
_LISTENERS: Final[dict[str, tuple[Rule, ...]]] = {
    rule.id: tuple(each for each in RULES if rule.id in each.listens) for rule in RULES
}


_BOTH_SIDES: Final = Side.MENTOR | Side.MENTEE
_ABSENCE: Final = tuple(rule.code for rule in RULES if rule.is_absence)


class Judging:
    """Rule sets in force, views of programs and the decisions not handed over yet, of one journal partition."""

    __slots__ = ("_begun", "_readers", "fixed", "heard", "out", "rulesets", "state", "views")

    def __init__(self, state: Partition, fixed: RuleSet | None) -> None:
        self.state = state
        self.out: list[lifecycle.Decision] = []
        self.views: dict[str, View] = {}
        self.rulesets: dict[str, RuleSet] = {}
        self.fixed = fixed
        #: parameters of all rules (by identity) → whom they let be asked
        self._readers: dict[int, tuple[tuple[RuleParams, ...], Readers]] = {}
        #: where the decisions of this occasion begin in `out`
        self._begun = 0
        #: whose episodes changed in this occasion, where that concerns other rules: rule, record's key, the record
        self.heard: list[tuple[Rule, View, bytes, Record]] = []

    def view(self, program_id: str) -> View:
        """The view of a program, made once and kept while records stay hot."""
        view = self.views.get(program_id)
        if view is None:
            view = self.views[program_id] = View(self.state, program_id)
            view.rules = self.rules_for(program_id)
            view.custom = view.rules.custom
            view.params = view.rules.all_params(program_id)
            view.readers = self._readers_for(view.params, view.rules)
            params = view.params[_SLOWDOWN.place]
            assert isinstance(params, ProgramSentimentSlowdownParams)
            view.answer_days = params.answer_days
            if self.fixed is None:
                view.forgotten = self._forgotten(program_id)
        return view

    def refresh_views(self, have_records_gone: bool) -> None:
        """Forget at a flush what views may hold no longer: all of it once the records they hold have gone cold."""
        if have_records_gone:
            self.views = {}
        for view in self.views.values():
            view.forget_calendar()

    def _readers_for(self, params: tuple[RuleParams, ...], rules: RuleSet) -> Readers:
        found = self._readers.get(id(params))
        if found is None or found[0] is not params:
            found = self._readers[id(params)] = (params, readers_of(params, rules))
        return found[1]

    def _forgotten(self, program_id: str) -> dict[int, int]:
        """Instants before which facts do not count in a program, by rule code (ms UTC)."""
        found: dict[int, int] = {}
        for scope in (EVERYWHERE, program_id):
            stored = self.state.rulesets.get(scope)
            if stored is not None and stored.forgotten:
                found |= stored.forgotten.get(program_id, stored.forgotten.get("", {}))
        return found

    def rules_for(self, program_id: str) -> RuleSet:
        """The rule set in force in a program, or for everybody (`EVERYWHERE`)."""
        if self.fixed is not None:
            return self.fixed
        found = self.rulesets.get(program_id) or self.rulesets.get(EVERYWHERE)
        return found if found is not None else ruleset.shipped()

    def in_force(self) -> list[RuleSet]:
        """Every rule set that is in force somewhere."""
        return list(self.rulesets.values()) if self.fixed is None else [self.fixed]

    def context(self, rule: Rule, view: View, moment: Moment) -> lifecycle.Context:
        return lifecycle.Context(view, view.params[rule.place], view.rules, moment)

    # -- occasions

    def begin(self) -> None:
        """A new occasion begins."""
        self._begun = len(self.out)

    def judge_touched(self, view: View, kind: type, touched: Touched, moment: Moment) -> None:
        """Ask the rules that read a kind of fact about everything that one touched."""
        fact = moment.fact
        pairs: list[tuple[bytes, Record, str]] | None = None
        people: list[tuple[bytes, Record, str]] | None = None
        for rule, about, guard in view.readers[kind]:
            if about == "program":
                if guard is None or guard(view, moment):
                    self.judge_record(rule, view, view.program_key, view.program, moment)
                continue
            # Looked up once for all rules, and only when one of them wants to know.
            if about == "participant":
                if people is None:
                    people = view.known_participants(touched.participants)
                concerned = people
            else:
                if pairs is None:
                    pairs = view.known_pairs(touched.pairs)
                concerned = pairs
            for key, record, subject_id in concerned:
                if guard is None or not guard(record, fact) or (record.episodes and _has_lived(rule, record)):
                    subject = Subject(about, key, record, subject_id)
                    self.judge_record(rule, view, key, record, moment, subject=subject)

    def act(self, view: View, touched: Touched, moment: Moment) -> None:
        """Let a coordinator's action do what it does to open interventions, and ask the rules about whom it touched."""

        def context_of(rule: Rule, view: View) -> lifecycle.Context:
            return self.context(rule, view, moment)

        assert moment.ref is not None
        concerned = act(view, moment.fact, moment.ref, touched.pairs, context_of, self.out)
        for acted in concerned:
            self._hear(acted.rule, view, acted.key, acted.record)
            self._save(acted.key, acted.record)
            if not acted.episode.is_open and type(acted.rule).relearn is not Rule.relearn:
                self.judge_record(
                    acted.rule, view, acted.key, acted.record, moment
                )  # its detector may have started over
        self.judge_touched(view, type(moment.fact), touched, moment)
        for acted in concerned:
            join(acted, self.context(acted.rule, view, moment), self.out)
            self._save(acted.key, acted.record)

    def live_on(self, view: View, key: bytes, record: Record, moment: Moment) -> None:
        """The clock reached what open episodes of a record waited for."""
        due = [each for each in record.episodes if each.is_open and 0 < each.due_ms <= moment.at_ms]
        for rule, episode in _in_order(due, view):
            before = len(self.out)
            subject = subject_of_episode(rule, key, record, episode)
            if subject is not None:
                lifecycle.live_on(rule, subject, episode, self.context(rule, view, moment), self.out)
            if len(self.out) > before:
                self._hear(rule, view, key, record)
                if rule.across and not episode.is_open:
                    self._turn_clocks(moment, has_closed=True)
        arm_life(record)
        self._save(key, record)

    def wake_withheld(self, view: View, key: bytes, record: Record, moment: Moment) -> None:
        """Wake what is open on a record and withheld by nothing any more."""
        withheld = [each for each in record.episodes if each.is_open and each.withheld]
        for rule, episode in _in_order(withheld, view):
            subject = subject_of_episode(rule, key, record, episode)
            if subject is not None:
                lifecycle.wake_withheld(rule, subject, episode, self.context(rule, view, moment), self.out)
        if withheld:
            self._save(key, record)

    def _save(self, key: bytes, record: Record) -> None:
        self.state.table.touch(key)
        self.state.rearm(key, record)

    def _hear(self, rule: Rule, view: View, key: bytes, record: Record) -> None:
        """An episode changed: remember it for `follow_up` when that concerns other rules."""
        if rule.inhibits or _LISTENERS.get(rule.id):
            self.heard.append((rule, view, key, record))

    def judge_record(
        self,
        rule: Rule,
        view: View,
        key: bytes,
        record: Record,
        moment: Moment,
        backfill: str = "",
        subject: Subject | None = None,
    ) -> None:
        """Judge every subject of a rule that this record remembers, and set the rule's timer in it.

        Args:
            subject: the record as a subject, where the caller has it at hand.
        """
        if rule.across != (view.program_id == ACROSS):
            return
        look_ms: int | None = None
        out = self.out
        at_first = len(out)
        if subject is None or rule.subject == "pair_member":
            subjects = rule.subjects(key, record) or subjects_of(rule, key, record)
        else:
            subjects = (subject,)
        for subject in subjects:
            before = len(out)
            try:
                look = self._judge(rule, view, subject, moment, backfill)
            except Exception as error:  # noqa: BLE001
                del out[before:]
                self.state.note_fault(rule.id, error)
                # Skipped for this entry, but not for good: the timer that may have fired is not lost.
                look = _again_ms(moment)
            if look is not None and (look_ms is None or look < look_ms):
                look_ms = look
        if look_ms is not None:
            if look_ms <= moment.now_ms:
                # A mistake of the rule. The same timer must not fire for ever, nor once a millisecond.
                self.state.note_fault(rule.id, ValueError("asked to be asked again at once"))
                look_ms = _again_ms(moment)
            record.timers[rule.code] = look_ms
        else:
            record.timers.pop(rule.code, None)
        if len(out) > at_first:
            self._hear(rule, view, key, record)
            if rule.across:
                self._turn_clocks(moment, has_closed=any(each.record.resolution for each in out[at_first:]))
        self.state.table.touch(key)
        armed_ms = record.armed_ms
        if record.episodes or armed_ms == NEVER or (look_ms is not None and look_ms < armed_ms):
            self.state.rearm(key, record)  # else the timer that is armed is early enough still

    def remove(self, rule: Rule, params: RuleParams, view: View, key: bytes, record: Record, moment: Moment) -> None:
        """A rule is there no more: what it left open on a record resolves."""
        before, rules = len(self.out), self.rules_for(view.program_id)
        for subject in subjects_of(rule, key, record):
            lifecycle.switch_off(rule, subject, lifecycle.Context(view, params, rules, moment), self.out)
            lifecycle.bury(rule, subject)
        if record.timers.pop(rule.code, None) is not None or len(self.out) > before:
            self._save(key, record)

    def _turn_clocks(self, moment: Moment, has_closed: bool) -> None:
        """A source that stops the clocks of absence rules fell silent or returned. While the clocks stand still those
        rules ask for no timer, so when they run again they have to be asked."""
        for view in self.views.values():
            view.forget_calendar()
        if has_closed:
            own = {code for rules in self.in_force() for code, rule in rules.custom.items() if rule.is_absence}
            self.state.add_sweep(Sweep(EVERYWHERE, moment.at_ms, moment.now_ms, "", [*_ABSENCE, *sorted(own)]))

    def follow_up(self, moment: Moment) -> None:
        """Ask those who listen to what changed in this occasion (what they say may be listened to in turn), then
        withhold and wake what open and closed inhibitors do."""
        if not self.heard:
            return
        asked = Moment(moment.at_ms, moment.now_ms, ref=moment.ref)
        inhibitors: list[tuple[Rule, View, bytes, Record]] = []
        while self.heard:
            heard = self.heard.pop(0)
            rule, view, key, record = heard
            if rule.inhibits and not any(each[0] is rule and each[2] == key for each in inhibitors):
                inhibitors.append(heard)
            for listener in _LISTENERS.get(rule.id, ()):
                for other_key, other in _concerned(listener, view, key, record):
                    self.judge_record(listener, view, other_key, other, asked)
        for rule, view, _, record in inhibitors:
            if is_open(rule, record):
                self.out[self._begun :] = withhold(rule, view, self.out[self._begun :])
            else:
                self._wake_all(view, record, asked)

    def _wake_all(self, view: View, record: Record, moment: Moment) -> None:
        """An inhibitor closed: wake what it withheld, in a person's pairs at once, in a program by a sweep."""
        if isinstance(record, ParticipantState):
            for pair_id in record.pair_ids:
                pair = view.pair(pair_id)
                if pair is not None:
                    self.wake_withheld(view, view.pair_key(pair_id), pair, moment)
        else:
            scope = EVERYWHERE if view.program_id == ACROSS else view.program_id
            self.state.add_sweep(Sweep(scope, moment.at_ms, moment.now_ms, "", [], ref=moment.ref, wakes=True))

    # -- one subject

    def _judge(self, rule: Rule, view: View, subject: Subject, moment: Moment, backfill: str) -> int | None:
        params, record = view.params[rule.place], subject.record
        if not params.enabled:
            rule.forget(view, subject)
            lifecycle.switch_off(rule, subject, self.context(rule, view, moment), self.out)
            return None
        if isinstance(record, PairState):
            if not record.is_active:
                rule.rest(view, subject, params, moment)
                lifecycle.close(rule, subject, self.context(rule, view, moment), self.out, "pair_closed")
                return None
            if subject.member and record.member(subject.member) is None:
                lifecycle.leave(rule, subject, self.context(rule, view, moment), self.out)
                record.drop_episode(rule.code, subject.member)
                return None
            if rule.needs_active and not ((record.one_to_one or not rule.is_absence) and _all_active(view, record)):
                rule.rest(view, subject, params, moment)
                lifecycle.leave(rule, subject, self.context(rule, view, moment), self.out)
                return None
        elif rule.needs_active and isinstance(record, ParticipantState) and not record.is_active:
            rule.rest(view, subject, params, moment)
            lifecycle.leave(rule, subject, self.context(rule, view, moment), self.out)
            return None
        if rule.learns:
            events = rule.update(view, subject, params, moment)
            if events:
                moment = replace(moment, events=events)
        verdict = rule.judge(view, subject, params, moment)
        if not verdict.rung and not (record.episodes and _has_lived(rule, record)):
            return verdict.look_ms  # nothing was, nothing is: by far the most frequent case
        context = lifecycle.Context(view, params, view.rules, moment, backfill)
        if backfill and not verdict.rung:
            lifecycle.close(rule, subject, context, self.out, "rule_changed")
        return lifecycle.move(rule, subject, verdict, context, self.out)


def _again_ms(moment: Moment) -> int:
    """When a rule that failed is asked again. Before there is a clock (-1) the arrival counts: from the beginning of
    time the timer would go off once for every day since."""
    return max(moment.at_ms, moment.now_ms) + RETRY_MS


def _has_lived(rule: Rule, record: Record) -> bool:
    """Whether a record remembers an episode of a rule, open or closed, of whomever."""
    code = rule.code
    for each in record.episodes:  # a loop: this is asked for every rule and fact  # noqa: SIM110
        if each.rule == code:
            return True
    return False


def _in_order(episodes: list[Episode], view: View) -> list[tuple[Rule, Episode]]:
    """Episodes with their rules, in the order of rules and members; those of retired rules are left out."""
    known = [(rule, each) for each in episodes if (rule := rule_of(each.rule, view)) is not None]
    return sorted(known, key=lambda each: (each[0].place, each[1].member))


def _all_active(view: View, pair: PairState) -> bool:
    """Whether everybody in a pair is active, and both sides are there: where one was erased, nobody can be missed."""
    sides = 0
    for member in pair.members:
        sides |= member.side
        person = view.participant(member.id)
        if person is not None and not person.is_active:
            return False
    return sides == _BOTH_SIDES


def _concerned(listener: Rule, view: View, key: bytes, record: Record) -> list[tuple[bytes, Record]]:
    """Where a listener finds the people of a changed episode: on the same record, in the pairs of its person, or the
    people of its pair."""
    if listener.subject == "program":
        return [(view.program_key, view.program)]
    if listener.subject == "participant":
        if isinstance(record, ParticipantState):
            return [(key, record)]
        members = [member.id for member in record.members] if isinstance(record, PairState) else []
        people = [(view.participant_key(each), view.participant(each)) for each in members]
        return [(each, person) for each, person in people if person is not None]
    if isinstance(record, PairState):
        return [(key, record)]
    pair_ids = record.pair_ids if isinstance(record, ParticipantState) else []
    pairs = [(view.pair_key(each), view.pair(each)) for each in pair_ids]
    return [(each, pair) for each, pair in pairs if pair is not None]


_SLOWDOWN: Final = RULES_BY_ID["program.sentiment_slowdown"]
