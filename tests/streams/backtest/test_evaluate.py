"""Scores against how pairs ended: right and wrong alarms, what nobody can know yet, and help that changed the end."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from schemas.codec import Accepted, decode_fact
from schemas.facts import ActionTaken, PairChanged, ParticipantChanged
from streams.backtest.bootstrap import METRICS, contrast
from streams.backtest.episodes import Episode, Subject
from streams.backtest.evaluate import ALL, EPISODES, Evaluation, Question, Scores, evaluate
from streams.backtest.outcomes import Outcomes
from streams.clock import DAY_MS
from tests.streams.backtest.lines import START_MS, at

HORIZON = 30 * DAY_MS
RULE = "rating.low"


def ms(day: float) -> int:
    return START_MS + int(day * DAY_MS)


def pair(outcomes: Outcomes, name: str, end_day: float | None = None, reason: str = "no_response") -> None:
    """An active pair from day 0 on, closed at `end_day` if it ended."""
    fact = {
        "event_id": f"{name}-0", "type": "pair.changed", "program_id": "p", "occurred_at": at(0), "pair_id": name,
        "kind": "one_to_one", "mentor_ids": [f"m-{name}"], "mentee_ids": [f"n-{name}"], "state": "active",
        "matched_at": at(0),
    }  # fmt: skip
    see(outcomes, "pairs", f"p/{name}", fact)
    if end_day is not None:
        when = at(int(end_day * DAY_MS))
        closed = {"event_id": f"{name}-1", "state": "closed", "occurred_at": when, "closed_at": when}
        see(outcomes, "pairs", f"p/{name}", fact | closed | {"close_reason": reason})


def see(outcomes: Outcomes, topic: str, key: str, fact: Mapping[str, object]) -> None:
    found = decode_fact(topic, key.encode(), json.dumps(fact).encode(), arrived_ms=ms(400))
    assert isinstance(found, Accepted), found
    assert isinstance(found.fact, PairChanged | ParticipantChanged | ActionTaken)
    outcomes.see(found.fact)


def alarm(name: str, day: float) -> Episode:
    subject = Subject(RULE, "p", "pair", name)
    return Episode(subject, f"{name}-{day}", ms(day), 2, None, "now", 0, 0, pair_ids=(name,))


def scored(outcomes: Outcomes, *alarms: Episode, end_day: float = 100) -> Evaluation:
    found = Evaluation()
    evaluate(found, alarms, outcomes, Question(ms(0), ms(end_day), HORIZON), [RULE])
    return found


@pytest.fixture
def outcomes() -> Outcomes:
    return Outcomes()


def test_an_alarm_is_right_when_its_pair_ends_badly_within_the_horizon(outcomes: Outcomes) -> None:
    pair(outcomes, "soon", 40)
    pair(outcomes, "late", 60)
    pair(outcomes, "fine")
    total = scored(outcomes, alarm("soon", 20), alarm("late", 20), alarm("fine", 20)).total(RULE)
    assert (total.alarms, total.right, total.wrong, total.undecided) == (3, 1, 2, 0)
    assert (total.bad_ends, total.caught) == (2, 1)
    assert total.precision == pytest.approx(1 / 3)
    assert total.recall == pytest.approx(1 / 2)
    assert total.mean_lead_days == pytest.approx(20)


def test_an_alarm_whose_horizon_reaches_beyond_the_recording_is_undecided_even_if_the_end_came(
    outcomes: Outcomes,
) -> None:
    pair(outcomes, "soon", 85)
    pair(outcomes, "open")
    total = scored(outcomes, alarm("soon", 80), alarm("open", 80)).total(RULE)
    assert (total.right, total.wrong, total.undecided) == (0, 0, 2)
    assert total.precision is None
    assert total.caught == 1  # that the end was named before is known, however short the time since


@pytest.mark.parametrize(("reason", "counts"), [("completed", (0, 1, 0)), ("other", (0, 0, 1))])
def test_a_good_end_makes_an_alarm_wrong_and_one_without_a_reason_says_nothing(
    outcomes: Outcomes, reason: str, counts: tuple[int, int, int]
) -> None:
    pair(outcomes, "q", 30, reason)
    total = scored(outcomes, alarm("q", 20)).total(RULE)
    assert (total.right, total.wrong, total.undecided) == counts
    assert total.bad_ends == 0


def test_alarms_within_a_horizon_are_one_episode_judged_by_the_first(outcomes: Outcomes) -> None:
    pair(outcomes, "q", 60)
    found = scored(outcomes, alarm("q", 10), alarm("q", 35), alarm("q", 45))
    assert (found.total(ALL).alarms, found.total(ALL).right) == (3, 2)
    episodes = found.total(EPISODES)
    assert (episodes.alarms, episodes.right, episodes.wrong) == (2, 1, 1)


def test_a_pair_whose_member_left_ended_badly_then(outcomes: Outcomes) -> None:
    pair(outcomes, "q")
    left = {
        "event_id": "left", "type": "participant.changed", "program_id": "p", "occurred_at": at(30 * DAY_MS),
        "participant_id": "n-q", "roles": ["mentee"], "state": "left", "joined_at": at(0),
    }  # fmt: skip
    see(outcomes, "participants", "p/n-q", left)
    found = scored(outcomes, alarm("q", 20))
    assert found.total(RULE).right == 1
    assert dict(found.ends) == {"left": 1}


def test_a_pair_that_was_helped_is_scored_apart(outcomes: Outcomes) -> None:
    pair(outcomes, "helped", 40)
    pair(outcomes, "alone", 40)
    action = {
        "event_id": "a", "type": "action.taken", "program_id": "p", "occurred_at": at(25 * DAY_MS),
        "actor_id": "coordinator", "action": "reached_out", "pair_id": "helped", "party": "mentor",
    }  # fmt: skip
    see(outcomes, "coordinator-actions", "p", action)
    found = scored(outcomes, alarm("helped", 20), alarm("alone", 20))
    assert (found.total(RULE).alarms, found.total(RULE, helped=True).alarms) == (1, 1)
    assert found.leads_ms[RULE] == [20 * DAY_MS]


def test_an_episode_that_began_before_the_recording_is_no_alarm_of_it(outcomes: Outcomes) -> None:
    pair(outcomes, "q", 40)
    one = alarm("q", 20)
    one.began_earlier = True
    assert scored(outcomes, one).total(RULE).alarms == 0


def programs(right: int, wrong: int, count: int = 12) -> dict[str, Scores]:
    week = 7 * DAY_MS
    return {
        f"p{number}": Scores(
            alarms=right + wrong + number % 3,
            right=right,
            wrong=wrong + number % 3,
            bad_ends=10,
            caught=right,
            lead_ms=right * 20 * DAY_MS,
            exposure_ms=500 * week,
        )
        for number in range(count)
    }


def test_a_clear_difference_has_an_interval_that_holds_it_and_not_zero() -> None:
    found = contrast(programs(6, 4), programs(3, 7))
    assert found["precision"].verdict == "better"
    assert found["recall"].verdict == "better"
    assert found["false_per_pair_week"].verdict == "better"
    for name in ("precision", "recall"):
        one = found[name]
        assert one.low is not None
        assert one.high is not None
        assert one.difference is not None
        assert 0 < one.low <= one.difference <= one.high
    assert contrast(programs(3, 7), programs(6, 4))["precision"].verdict == "worse"


def test_equal_runs_are_the_same_and_equal_input_gives_equal_intervals() -> None:
    assert {one.verdict for one in contrast(programs(5, 5), programs(5, 5)).values()} == {"the same"}
    assert contrast(programs(6, 4), programs(3, 7)) == contrast(programs(6, 4), programs(3, 7))


def test_programs_that_pull_both_ways_are_not_decidable() -> None:
    here, there = programs(5, 5), programs(5, 5)
    for number, name in enumerate(here):
        here[name] = programs(9, 1)["p0"] if number % 2 else programs(1, 9)["p0"]
    found = contrast(here, there)["recall"]
    assert found.verdict == "not decidable: the interval holds 0"
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (programs(6, 4, count=4), "4 programs, fewer than 5"),
        ({name: Scores(right=1, wrong=1, bad_ends=1, caught=1) for name in "abcdef"}, "6 bad ends, fewer than 10"),
        ({}, "0 programs"),
    ],
)
def test_too_little_is_said_to_be_too_little(here: dict[str, Scores], words: str) -> None:
    found = contrast(here, here)
    assert set(found) == set(METRICS)
    assert all(words in one.verdict and one.low is None for one in found.values())
