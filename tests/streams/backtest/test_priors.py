"""Priors from history: what is counted, that known habits are found again, and that short history proposes nothing."""

import random
from typing import Any

import pytest

from streams.backtest.history import History, Unit
from streams.backtest.priors import Proposal, proposals
from tests.scenarios.runner import make_fact
from tests.streams.timeline import START_MS

WEEKS = 52.0


def history(*lines: tuple[str, str, dict[str, Any]], until: str = "70d") -> History:
    told = History()
    for number, (kind, at, fields) in enumerate([*lines, ("activity.signed_in", until, {"participant_id": "x"})], 1):
        fact, arrived_ms, _ = make_fact({"type": kind, "at": at, **fields}, number, START_MS)
        told.take(fact, arrived_ms)
    return told


def test_weeks_run_only_while_a_pair_is_active_in_its_run_and_outside_breaks() -> None:
    dates = {"starts_at": "7d", "ends_at": "63d", "breaks": [{"from": "2026-01-20", "to": "2026-01-26"}]}
    told = history(
        ("program.changed", "0d", dates),
        ("pair.changed", "0d", {}),
        ("rating.submitted", "3d", {"rating": 5}),
        ("rating.submitted", "8d", {"rating": 5}),
        ("sentiment.submitted", "8d", {}),
        ("rating.submitted", "9d", {"rating": 5}),
        ("pair.changed", "49d", {"state": "closed", "matched_at": "0d", "closed_at": "42d"}),
        ("rating.submitted", "50d", {"rating": 1}),
    )
    (pair,) = told.units()
    assert pair.weeks == pytest.approx(5 - 1)
    assert pair.submissions == 2, "one a day, none outside"


def test_gaps_are_between_meetings_of_a_pair_in_active_time() -> None:
    meet = [("meeting.held", f"{day}d", {"meeting_id": f"m{day}", "starts_at": f"{day}d"}) for day in (7, 14, 28)]
    told = history(("pair.changed", "0d", {}), *meet, ("meeting.held", "29d", meet[0][2]))
    assert [unit.gaps for unit in told.units()] == [(1.0, 2.0)]


def test_a_survey_is_judged_when_it_is_old_enough_by_its_first_answer() -> None:
    told = history(
        ("pair.changed", "0d", {}),
        ("survey.sent", "1d", {"survey_id": "a"}),
        ("rating.submitted", "3d", {"rating": 4, "survey_id": "a"}),
        ("survey.sent", "10d", {"survey_id": "b"}),
        ("rating.submitted", "19d", {"rating": 4}),
        ("survey.sent", "65d", {"survey_id": "c"}),
    )
    assert [(unit.sent, unit.answered) for unit in told.units() if unit.sent] == [(2, 1)]


def simulated(seed: int) -> list[Unit]:
    """20 programs of 15 pairs, meeting by a Gamma law of shape 3 around 2 weeks, that differ by 30 % inside a program;
    0.2 submissions a week, by 40 % between programs; a third of surveys answered."""
    draw = random.Random(seed)
    units: list[Unit] = []
    for number in range(20):
        program, rate = f"p{number}", 0.2 * draw.gammavariate(6.25, 0.16)
        for _ in range(15):
            mean, now, gaps = 2.0 * draw.gammavariate(11.0, 1 / 11), 0.0, []
            while (now := now + (gap := draw.gammavariate(3.0, mean / 3))) < WEEKS:
                gaps.append(gap)
            said = sum(draw.random() < rate / 10 for _ in range(int(WEEKS * 10)))
            units.append(Unit(program, WEEKS, said, gaps=tuple(gaps)))
            units.append(Unit(program, sent=8, answered=sum(draw.random() < 1 / 3 for _ in range(8))))
    return units


def by_name(found: list[Proposal]) -> dict[tuple[str, str], Proposal]:
    return {(each.rule, each.name): each for each in found}


@pytest.mark.parametrize("seed", [1, 2])
def test_known_habits_are_found_again(seed: int) -> None:
    found = by_name(proposals(simulated(seed)))
    truth = {
        ("meeting.rhythm_lost", "prior_gap"): 14.0,
        ("meeting.rhythm_lost", "prior_cv"): 0.30,
        ("meeting.rhythm_lost", "prior_shape"): 3.0,
        ("program.sentiment_slowdown", "prior_rate_per_pair_week"): 0.2,
        ("program.sentiment_slowdown", "prior_response_rate"): 1 / 3,
    }
    for name, value in truth.items():
        each = found[name]
        assert each.low is not None
        assert each.high is not None
        assert each.low * 0.9 < value < each.high * 1.1, each
        assert each.high - each.low < 1.2 * value, each


def test_programs_differ_by_submissions_where_no_surveys_are_recorded() -> None:
    found = by_name(proposals([unit for unit in simulated(1) if unit.weeks]))
    cv = found["program.sentiment_slowdown", "prior_cv"]
    assert cv.value == pytest.approx(0.4, abs=0.2)
    assert cv.why == "20 programs, by submissions"
    assert found["pair.sentiment_slowdown", "prior_response_rate"].value is None


def test_equal_programs_differ_by_no_more_than_chance() -> None:
    draw = random.Random(5)
    same = [Unit(f"p{n % 20}", WEEKS, sum(draw.random() < 0.02 for _ in range(520))) for n in range(200)]
    cv = by_name(proposals(same))["program.sentiment_slowdown", "prior_cv"].value
    assert cv is not None
    assert cv < 0.2


def test_short_history_proposes_nothing_and_says_what_it_has() -> None:
    found = proposals([Unit("p", 3.0, 2, gaps=(1.0,)), Unit("p", sent=4, answered=1)])
    assert [each.value for each in found] == [None] * 9
    assert found[0].why == "too little history: 1 gaps of 1 pairs"
    assert all(each.value is None for each in proposals([]))


def test_history_of_a_moment_has_no_habits_however_much_happened_in_it() -> None:
    found = by_name(proposals([Unit(f"p{n % 20}", 0.001, 5) for n in range(200)]))
    assert found["program.sentiment_slowdown", "prior_rate_per_pair_week"].value is None
    assert found["pair.sentiment_slowdown", "prior_cv"].value is None
