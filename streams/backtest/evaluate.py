"""Scores of a run against how pairs ended. Modest on purpose: every share comes with its count, or is not given.

An *alarm* is an intervention of a rule about pairs or people, on one pair. It is right when the pair ends badly within
the horizon after it, wrong when it does not. An alarm whose horizon reaches beyond the end of the recording is
*undecided*, right or not: to count the quick bad ends among them and leave out the rest would flatter every rule.
Alarms of all rules on one pair within one horizon of the first are one *alarm episode*, judged by that first alarm.

Recall asks the other way round: of the pairs that ended badly, how many had an alarm at most a horizon before. Lead
time is from the first such alarm to the end. Pairs that a coordinator had helped by then are counted apart, because
their outcome was changed.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from streams.backtest.episodes import Episode
from streams.backtest.outcomes import OPEN, Outcomes, PairKey, Span
from streams.clock import DAY_MS
from streams.rules import RULES_BY_ID

HORIZON_MS: Final = 60 * DAY_MS
ALL: Final = "all rules"
EPISODES: Final = "all rules, per alarm episode"
_ABOUT_PEOPLE: Final = frozenset({"reactive", "preventive", "safety"})
_WEEK_MS: Final = 7 * DAY_MS


class Scores(Struct):
    """Counts over some pairs; they add up. `undecided` alarms are in neither `right` nor `wrong`."""

    alarms: int = 0
    right: int = 0
    wrong: int = 0
    undecided: int = 0
    bad_ends: int = 0
    caught: int = 0
    lead_ms: int = 0
    #: time in which a wrong alarm could have been raised, and could be known to be wrong
    exposure_ms: int = 0
    active_ms: int = 0

    def add(self, other: "Scores", times: int = 1) -> None:
        """Add another's counts, so many times."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + times * getattr(other, name))

    @property
    def precision(self) -> float | None:
        decided = self.right + self.wrong
        return self.right / decided if decided else None

    @property
    def recall(self) -> float | None:
        return self.caught / self.bad_ends if self.bad_ends else None

    @property
    def mean_lead_days(self) -> float | None:
        return self.lead_ms / self.caught / DAY_MS if self.caught else None

    @property
    def false_per_pair_week(self) -> float | None:
        return self.wrong / (self.exposure_ms / _WEEK_MS) if self.exposure_ms else None

    @property
    def alerts_per_50_pairs_and_month(self) -> float | None:
        return self.alarms / (self.active_ms / (30 * DAY_MS)) * 50 if self.active_ms else None


class Evaluation(Struct):
    """Scores by rule (and `ALL`, `EPISODES`) and program, without pairs helped and of those alone.

    Attributes:
        plain: rule → program → scores of pairs without help.
        helped: the same of pairs that had help before their end, or before their alarm's horizon was over.
        leads_ms: rule → lead times of what was caught, of pairs without help.
        ends: how spans ended: reason → count, `open` for those that had not.
    """

    plain: dict[str, dict[str, Scores]] = field(default_factory=dict)
    helped: dict[str, dict[str, Scores]] = field(default_factory=dict)
    leads_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def merge(self, other: "Evaluation") -> None:
        """Add the scores of other partitions."""
        for mine, theirs in ((self.plain, other.plain), (self.helped, other.helped)):
            for rule, by_program in theirs.items():
                table = mine.setdefault(rule, {})
                for program, scores in by_program.items():
                    table.setdefault(program, Scores()).add(scores)
        for rule, leads in other.leads_ms.items():
            self.leads_ms[rule] += leads
        for reason, count in other.ends.items():
            self.ends[reason] += count

    def total(self, rule: str, *, helped: bool = False) -> Scores:
        """Scores of a rule over all programs."""
        total = Scores()
        for scores in (self.helped if helped else self.plain).get(rule, {}).values():
            total.add(scores)
        return total


class Question(Struct, frozen=True):
    """What is asked: alarms and bad ends from `first_ms` on, known up to `end_ms`, within `horizon_ms`."""

    first_ms: int
    end_ms: int
    horizon_ms: int = HORIZON_MS


def is_scored(rule_id: str) -> bool:
    """Whether interventions of a rule are forecasts about pairs or people."""
    rule = RULES_BY_ID.get(rule_id)
    return rule is not None and rule.klass in _ABOUT_PEOPLE and rule.subject != "program"


def evaluate(
    into: Evaluation, episodes: Iterable[Episode], outcomes: Outcomes, question: Question, rules: Iterable[str]
) -> None:
    """Add the scores of one journal partition.

    Args:
        rules: every rule to be scored, whether it spoke or not.
    """
    alarms: dict[PairKey, list[tuple[int, str]]] = defaultdict(list)
    named = []
    for episode in episodes:
        if is_scored(episode.subject.rule) and not episode.began_earlier:
            named.append((episode.id, episode.subject.program_id, episode.pair_ids))
            for pair_id in episode.pair_ids:
                alarms[episode.subject.program_id, pair_id].append((episode.opened_ms, episode.subject.rule))
    helped = outcomes.helped(named)
    scored = [*rules, ALL, EPISODES]
    for key, spans in outcomes.spans():
        raised = sorted(alarms.get(key, []))
        for span in spans:
            if span.start_ms >= question.end_ms or (span.end_ms != OPEN and span.end_ms < question.first_ms):
                continue
            into.ends[span.reason if span.end_ms != OPEN else "open"] += 1
            _score_span(into, key, span, raised, helped.get(key, []), question, scored)


def _score_span(
    into: Evaluation,
    key: PairKey,
    span: Span,
    raised: list[tuple[int, str]],
    helped: list[int],
    question: Question,
    rules: list[str],
) -> None:
    until_ms = span.until(question.end_ms)
    first_ms = max(span.start_ms, question.first_ms)
    inside = [one for one in raised if first_ms <= one[0] < until_ms]
    is_helped = any(first_ms <= at_ms <= until_ms for at_ms in helped)
    table = into.helped if is_helped else into.plain
    by_rule: dict[str, list[int]] = defaultdict(list)
    for at_ms, rule in inside:
        by_rule[rule].append(at_ms)
    by_rule[ALL] = [at_ms for at_ms, _ in inside]
    by_rule[EPISODES] = _first_of_each(by_rule[ALL], question.horizon_ms)
    for rule in rules:
        scores = table.setdefault(rule, {}).setdefault(key[0], Scores())
        lead_ms = _score(scores, span, by_rule[rule], first_ms, until_ms, question)
        if lead_ms is not None and not is_helped:
            into.leads_ms[rule].append(lead_ms)


def _score(
    scores: Scores, span: Span, alarms: list[int], first_ms: int, until_ms: int, question: Question
) -> int | None:
    """Add one span of a pair. Returns: lead time when a bad end was caught."""
    horizon_ms, end_ms = question.horizon_ms, question.end_ms
    is_bad = span.is_bad and span.end_ms <= end_ms
    says_nothing = span.end_ms != OPEN and span.end_ms <= end_ms and span.reason == "other"
    scores.active_ms += max(0, until_ms - first_ms)
    scores.exposure_ms += max(0, min(until_ms, end_ms - horizon_ms) - first_ms)
    for at_ms in alarms:
        scores.alarms += 1
        if at_ms + horizon_ms > end_ms or (says_nothing and span.end_ms - at_ms <= horizon_ms):
            scores.undecided += 1
        elif is_bad and span.end_ms - at_ms <= horizon_ms:
            scores.right += 1
        else:
            scores.wrong += 1
    if not is_bad or span.end_ms < question.first_ms:
        return None
    scores.bad_ends += 1
    first = min((at_ms for at_ms in alarms if span.end_ms - at_ms <= horizon_ms), default=None)
    if first is None:
        return None
    scores.caught += 1
    scores.lead_ms += span.end_ms - first
    return span.end_ms - first


def _first_of_each(alarms: list[int], horizon_ms: int) -> list[int]:
    """The alarms that begin an alarm episode."""
    firsts: list[int] = []
    for at_ms in alarms:
        if not firsts or at_ms - firsts[-1] > horizon_ms:
            firsts.append(at_ms)
    return firsts
