"""Scoring: what is right, what is in time, and what only had a reason."""

import pytest

from benchmarks.precision.recordings import simulated
from benchmarks.precision.scoring import MONTH_MS, Opened, score
from examples.platform.truth import PairTruth, ProgramTruth, Truth
from streams.clock import DAY_MS

_END = 300 * DAY_MS


def _pair(name: str, fate: str = "well", onset: int | None = None, ended: int | None = None) -> PairTruth:
    return PairTruth(
        program_id="p",
        pair_id=name,
        people=(f"{name}-mentor", f"{name}-mentee"),
        matched_ms=0,
        over_ms=_END,
        fate=fate,
        onset_ms=None if onset is None else onset * DAY_MS,
        ended_ms=None if ended is None else ended * DAY_MS,
        patches=[(50 * DAY_MS, 80 * DAY_MS)] if fate == "well" else [],
    )


TRUTH = Truth(
    [_pair("good"), _pair("bad", "abandoned", 100, 140), _pair("worse", "dissatisfied", 100, 160)],
    [ProgramTruth(program_id="p", trouble="slump", from_ms=100 * DAY_MS, to_ms=200 * DAY_MS)],
)


def _opened(day: int, pair: str, rule: str = "rating.low", said: bool = True, klass: str = "reactive") -> Opened:
    return Opened(day * DAY_MS, rule, klass, pair, "p", (pair,), (), said)


def test_precision_recall_and_lead_are_counted_by_rule() -> None:
    opened = [_opened(90, "bad"), _opened(110, "bad"), _opened(120, "bad"), _opened(150, "bad"), _opened(60, "good")]
    (rule,) = score(opened, TRUTH, 0, _END).rules
    assert (rule.opened, rule.right, rule.with_reason) == (5, 3, 4)
    assert (rule.caught, rule.failing, rule.median_lead_days) == (1, 2, 30.0)
    assert (rule.precision, rule.recall) == (0.6, 0.5)


def test_what_comes_after_the_end_is_right_but_catches_nobody() -> None:
    (rule,) = score([_opened(141, "bad")], TRUTH, 0, _END).rules
    assert (rule.right, rule.caught, rule.median_lead_days) == (1, 0, None)


def test_what_is_not_said_counts_for_its_rule_but_not_for_the_coordinator() -> None:
    result = score([_opened(110, "bad", said=False), _opened(110, "worse")], TRUTH, 0, _END)
    assert (result.pair_level, result.pair_level_said) == (2, 1)
    assert result.rules[0].caught == 2
    assert result.overall.caught == 1
    assert result.by_fate == {"abandoned": (1, 0), "dissatisfied": (1, 1)}
    assert result.per_50_pairs_and_month == pytest.approx(50 / (3 * _END / MONTH_MS))


def test_a_person_stands_for_their_pairs() -> None:
    one = Opened(110 * DAY_MS, "participant.unresponsive", "reactive", "bad-mentor", "p", (), ("bad-mentor",), True)
    assert score([one], TRUTH, 0, _END).rules[0].right == 1


def test_programs_are_scored_against_their_own_trouble() -> None:
    opened = [_opened(day, "p", "program.slump", klass="program") for day in (99, 120, 229)]
    (rule,) = score(opened, TRUTH, 0, _END).program_rules
    assert (rule.opened, rule.right, rule.caught) == (3, 1, 1)


def test_only_what_opened_in_the_year_counts() -> None:
    assert score([_opened(5, "good"), _opened(_END // DAY_MS, "good")], TRUTH, 10 * DAY_MS, _END).pair_level == 0


def test_a_small_platform_runs_through_every_rule_without_a_fault() -> None:
    recording = simulated("fates", 5, 60, None)
    assert recording.faults == {}
    assert {one.rule for one in recording.opened} >= {"rating.low", "first_meeting.missing"}
