"""Interventions against the truth: which were right, which failing pairs were named in time, and how early.

An intervention about a pair (or a person, or a member of a pair) is *right* when one of the pairs it names was in
trouble when it opened: at or after the onset. It *had reason* when it was right or fell into a rough patch, from which
the pair recovered by itself. A failing pair was *named in time* when a right intervention opened before the
relationship was over. About a program an intervention is right while the program is in trouble, or within four weeks
after.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

import msgspec

from examples.platform.truth import PairTruth, ProgramTruth, Truth
from streams.clock import DAY_MS

MONTH_MS: Final = 30.44 * DAY_MS
_AFTER_MS: Final = 28 * DAY_MS
#: A patch may be noticed while it ends.
_PATCH_GRACE_MS: Final = 7 * DAY_MS


class Opened(msgspec.Struct, frozen=True):
    """An intervention that opened.

    Attributes:
        at_ms: when it was first sent to a coordinator, if ever, else when it opened; ms UTC.
        is_said: whether it goes to a coordinator by itself (not withheld, not only listed, not to a participant).
    """

    at_ms: int
    rule: str
    rule_class: str
    subject: str
    program_id: str
    pair_ids: tuple[str, ...]
    participant_ids: tuple[str, ...]
    is_said: bool


class RuleScore(msgspec.Struct, frozen=True):
    """One rule.

    `said` of the opened ones go to a coordinator by themselves; `caught` of `failing` pairs were named in time,
    `median_lead_days` before the relationship was over.
    """

    rule: str
    opened: int
    right: int
    with_reason: int
    said: int
    failing: int
    caught: int
    median_lead_days: float | None

    @property
    def precision(self) -> float | None:
        return self.right / self.opened if self.opened else None

    @property
    def recall(self) -> float | None:
        return self.caught / self.failing if self.failing else None


class Score(msgspec.Struct, frozen=True):
    """One platform.

    Attributes:
        pair_months: of pairs as the platform knew them, after the beginning of the year.
        pair_level, pair_level_said: interventions about pairs and people, and those that go to a coordinator.
        base_rate: share of pair-time in trouble: the precision of a rule that speaks at random.
        by_fate: per way to fail, pairs and those named in time by any rule.
    """

    pairs: int
    pair_months: float
    pair_level: int
    pair_level_said: int
    base_rate: float
    overall: RuleScore
    rules: list[RuleScore]
    by_fate: dict[str, tuple[int, int]]
    program_rules: list[RuleScore]
    unscored: dict[str, int]

    @property
    def per_50_pairs_and_month(self) -> float:
        return 50.0 * self.pair_level_said / self.pair_months


#: Rules that say nothing of trouble: counted, not scored.
NOT_TROUBLE: Final = frozenset({"positive.kudos", "program.sentiment_started", "review.due", "safety.concern"})
_PAIR_CLASSES: Final = frozenset({"reactive"})


def score(opened: Sequence[Opened], truth: Truth, begin_ms: int, end_ms: int) -> Score:
    """Score what opened between two instants (ms UTC) against the truth of the same platform."""
    lookup = _Lookup(truth)
    pair_level, about_program, unscored = list[Opened](), list[Opened](), defaultdict[str, int](int)
    for one in opened:
        if not begin_ms <= one.at_ms < end_ms:
            continue
        if one.rule in NOT_TROUBLE:
            unscored[one.rule] += 1
        elif one.rule_class in _PAIR_CLASSES:
            pair_level.append(one)
        elif one.rule_class == "program":
            about_program.append(one)
        else:
            unscored[one.rule] += 1
    failing = [pair for pair in truth.pairs if pair.ended_ms is not None and begin_ms < pair.ended_ms < end_ms]
    said = [one for one in pair_level if one.is_said]
    by_rule = _grouped(pair_level)
    named = _caught(said, lookup, failing)
    by_fate: dict[str, tuple[int, int]] = {}
    for pair in failing:
        pairs, caught = by_fate.get(pair.fate, (0, 0))
        by_fate[pair.fate] = (pairs + 1, caught + ((pair.program_id, pair.pair_id) in named))
    known = sum(max(0, min(pair.over_ms, end_ms) - max(pair.matched_ms, begin_ms)) for pair in truth.pairs)
    bad = sum(
        max(0, min(pair.over_ms, end_ms) - max(pair.onset_ms, begin_ms))
        for pair in truth.pairs
        if pair.onset_ms is not None
    )
    return Score(
        pairs=len(truth.pairs),
        pair_months=known / MONTH_MS,
        pair_level=len(pair_level),
        pair_level_said=len(said),
        base_rate=bad / known if known else 0.0,
        overall=_rule("all that is said", said, lookup, failing),
        rules=[_rule(rule, ones, lookup, failing) for rule, ones in sorted(by_rule.items())],
        by_fate=dict(sorted(by_fate.items())),
        program_rules=[
            _program_rule(rule, ones, truth.programs) for rule, ones in sorted(_grouped(about_program).items())
        ],
        unscored=dict(sorted(unscored.items())),
    )


class _Lookup:
    """Pairs by id and by person, within a program."""

    def __init__(self, truth: Truth) -> None:
        self.pairs = {(pair.program_id, pair.pair_id): pair for pair in truth.pairs}
        self.people: dict[tuple[str, str], list[PairTruth]] = defaultdict(list)
        for pair in truth.pairs:
            for person in pair.people:
                self.people[pair.program_id, person].append(pair)

    def concerned(self, one: Opened) -> list[PairTruth]:
        """Find the pairs an intervention is about; of a person, all of theirs."""
        named = [pair for name in one.pair_ids if (pair := self.pairs.get((one.program_id, name))) is not None]
        if named:
            return named
        people = (one.subject, *one.participant_ids)
        return [pair for person in people for pair in self.people.get((one.program_id, person), ())]


def _grouped(opened: Iterable[Opened]) -> dict[str, list[Opened]]:
    groups: dict[str, list[Opened]] = defaultdict(list)
    for one in opened:
        groups[one.rule].append(one)
    return groups


def is_right(one: Opened, pairs: Iterable[PairTruth]) -> bool:
    """Tell whether one of the pairs was in trouble when it opened."""
    return any(pair.onset_ms is not None and pair.onset_ms <= one.at_ms for pair in pairs)


def has_reason(one: Opened, pairs: Sequence[PairTruth]) -> bool:
    """Tell whether it was right or fell into a rough patch."""
    return is_right(one, pairs) or any(
        start <= one.at_ms <= end + _PATCH_GRACE_MS for pair in pairs for start, end in pair.patches
    )


def _caught(opened: Iterable[Opened], lookup: _Lookup, failing: Sequence[PairTruth]) -> dict[tuple[str, str], int]:
    """Find the failing pairs that were named in time, with the lead of the first time, ms."""
    ends = {(pair.program_id, pair.pair_id): pair for pair in failing}
    leads: dict[tuple[str, str], int] = {}
    for one in opened:
        for pair in lookup.concerned(one):
            key = (pair.program_id, pair.pair_id)
            if key in ends and pair.ended_ms is not None and pair.onset_ms is not None:
                lead = pair.ended_ms - one.at_ms
                if lead > 0 and one.at_ms >= pair.onset_ms and lead > leads.get(key, 0):
                    leads[key] = lead
    return leads


def _rule(rule: str, opened: Sequence[Opened], lookup: _Lookup, failing: Sequence[PairTruth]) -> RuleScore:
    leads = _caught(opened, lookup, failing)
    concerned = [(one, lookup.concerned(one)) for one in opened]
    return RuleScore(
        rule,
        len(opened),
        sum(is_right(one, pairs) for one, pairs in concerned),
        sum(has_reason(one, pairs) for one, pairs in concerned),
        sum(one.is_said for one in opened),
        len(failing),
        len(leads),
        median(leads.values()) / DAY_MS if leads else None,
    )


def _program_rule(rule: str, opened: Sequence[Opened], troubles: Sequence[ProgramTruth]) -> RuleScore:
    right, lags = 0, dict[str, int]()
    for one in opened:
        for trouble in troubles:
            if trouble.program_id == one.program_id and trouble.from_ms <= one.at_ms <= trouble.to_ms + _AFTER_MS:
                right += 1
                lags.setdefault(one.program_id, trouble.to_ms - one.at_ms)
                break
    lead = median(lags.values()) / DAY_MS if lags else None
    return RuleScore(
        rule, len(opened), right, right, sum(one.is_said for one in opened), len(troubles), len(lags), lead
    )
