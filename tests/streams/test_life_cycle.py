"""How episodes live on through switched rule sets, departures, faults and late facts."""

from typing import Any

import pytest

from schemas.base import from_ms
from schemas.journal import GapEntry, RulesetEntry
from streams.clock import DAY_MS
from streams.rules import RULES_BY_ID
from streams.state.episode import Phase
from tests.scenarios.runner import make_fact
from tests.streams.timeline import START_MS, Story

MISSING, LOW = "first_meeting.missing", "rating.low"


def rules(rule: str = MISSING, **params: Any) -> dict[str, Any]:
    return {"rules": {rule: params}}


def test_a_member_who_is_replaced_takes_the_intervention_along() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2)
    story.tell("pair.changed", "2d", mentee_ids=["other"], matched_at="0d")
    assert story.told(LOW) == [(1, "opened", None), (2, "resolved", "subject_changed")]
    assert not story.pair().episodes
    assert story.person("mentee").pair_ids == ()
    story.tell("rating.submitted", "3d", rating=1, pair_id=None)
    assert not story.engine.state.faults.counts


def test_a_pair_that_becomes_a_group_raises_no_absence() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("11d")
    story.tell("pair.changed", "12d", kind="group", matched_at="0d")
    story.go("40d")
    assert story.told(MISSING) == [(10, "opened", "not_scheduled"), (12, "resolved", "subject_changed")]


def test_a_pair_that_was_a_draft_in_between_counts_from_its_reopening() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("pair.changed", "5d", state="draft", matched_at="0d")
    story.tell("pair.changed", "20d", matched_at="0d")
    story.go("31d")
    assert story.told(MISSING) == [(30, "opened", "not_scheduled")]


@pytest.mark.parametrize("backfill", ["emit", "silent"])
def test_a_rule_that_is_enabled_again_speaks_of_what_is_true(backfill: str) -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("11d")
    story.activate(rules(enabled=False))
    story.go("20d")
    story.activate(rules(cool_down="0d"), backfill)
    assert story.told(MISSING) == [
        (10, "opened", "not_scheduled"),
        (11, "resolved", "rule_changed"),
        (20, "opened", "overdue"),
    ]
    assert story.decisions[-1][1].delivery == ("digest" if backfill == "emit" else "none")


def test_none_silences_what_is_true_even_where_the_rule_has_spoken_before() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("11d")
    story.activate(rules(enabled=False))
    story.go("20d")
    story.activate(rules(cool_down="0d"), "none")
    story.go("60d")
    assert len(story.told(MISSING)) == 2


def test_what_none_silenced_a_later_emit_lets_speak() -> None:
    story = Story(rules(enabled=False))
    story.tell("pair.changed", "0d")
    story.go("11d")
    story.activate({}, "none")
    story.activate(rules(overdue_after="15d"), "emit")
    assert story.told(MISSING) == [(11, "opened", "not_scheduled")]


def test_an_override_for_another_program_leaves_a_program_alone() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("10d")
    story.tell("meeting.scheduled", "11d", starts_at="13d", participant_id="mentor")
    story.activate({"programs": {"elsewhere": rules(overdue_after="15d")}})
    assert story.told(MISSING) == [(10, "opened", "not_scheduled"), (11, "evidence_added", "not_scheduled")]


def test_a_rule_switched_to_shadow_is_delivered_no_more() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("15d")
    story.activate(rules(mode="shadow"))
    story.go("21d")
    assert [(record.delivery, record.delivery_reason) for _, record in story.of(MISSING)] == [
        ("digest", None),
        ("digest", None),
        ("none", "shadow"),
    ]


def test_a_rule_that_raises_while_it_explains_leaves_no_episode_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = type(RULES_BY_ID[LOW])
    explain = rule.explain

    def broken(self: Any, view: Any, subject: Any, *rest: Any) -> Any:
        if subject.member == "mentor":
            raise ZeroDivisionError
        return explain(self, view, subject, *rest)

    monkeypatch.setattr(rule, "explain", broken)
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2)
    story.tell("rating.submitted", "2d", rating=2, participant_id="mentor")
    assert story.told(LOW) == [(1, "opened", None), (2, "escalated", None)]
    assert [(each.member, each.is_open) for each in story.pair().episodes] == [("mentee", True), ("mentor", False)]
    monkeypatch.setattr(rule, "explain", explain)
    story.go("3d")
    assert story.told(LOW)[2:] == [(3, "opened", None)]


def test_a_timer_outlives_a_rule_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = type(RULES_BY_ID[MISSING])
    judge = rule.judge

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    story = Story()
    story.tell("pair.changed", "0d")
    monkeypatch.setattr(rule, "judge", broken)
    story.go("10d")
    monkeypatch.setattr(rule, "judge", judge)
    story.go("12d")
    assert story.told(MISSING) == [(11, "opened", "not_scheduled")]


def test_a_booking_from_before_the_opening_retracts_it() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("10d")
    story.tell("meeting.scheduled", "9d", arrives="11d", starts_at="13d", participant_id="mentor")
    assert story.told(MISSING) == [(10, "opened", "not_scheduled"), (11, "retracted", "late_fact")]
    story.go("16d")
    assert story.told(MISSING)[2:] == [(14.042, "opened", "overdue")]


def test_a_later_booking_is_evidence_even_beside_a_fact_from_before_the_opening() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("10d")
    story.tell("meeting.scheduled", "11d", starts_at="13d", participant_id="mentor")
    story.tell("meeting.no_show", "9d", arrives="12d", starts_at="9d", meeting_id="another", participant_id="mentor")
    assert [change for _, change, _ in story.told(MISSING)] == ["opened", "evidence_added", "evidence_added"]


def test_a_pause_from_before_the_opening_that_is_over_retracts_it() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("10d")
    story.tell(
        "participant.changed", "2d", arrives="10d 12h", participant_id="mentee", state="paused", paused_until="7d"
    )
    assert story.told(MISSING) == [(10, "opened", "not_scheduled"), (10.5, "retracted", "late_fact")]
    story.go("16d")
    assert story.told(MISSING)[2:] == [(15, "opened", "not_scheduled")]


def test_a_program_announced_late_retracts_what_its_start_forbids() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("10d")
    story.tell("program.changed", "1d", arrives="11d", starts_at="30d")
    story.go("41d")
    assert story.told(MISSING) == [
        (10, "opened", "not_scheduled"), (11, "retracted", "late_fact"), (40, "opened", "not_scheduled")
    ]  # fmt: skip


def test_a_fact_behind_the_clock_waits_for_the_end_of_the_cool_down_all_the_same() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2)
    story.tell("rating.submitted", "2d", rating=5)
    story.go("17d")
    fact = {"rating": 2, "participant_id": "mentee"}
    # The arrival itself lies behind the clock here.
    late, arrived_ms, topic = make_fact({"type": "rating.submitted", "at": "15d", **fact}, 99, START_MS)
    story.engine.take(late, topic, 0, 99, arrived_ms)
    story.go("18d")
    assert [change for _, change, _ in story.told(LOW)] == ["opened", "resolved", "opened"]


def test_feedback_that_was_lost_in_a_gap_is_not_missed() -> None:
    def told(gap: bool) -> list[Any]:
        story = Story()
        for number in range(20):
            story.tell(
                "pair.changed", "0d", pair_id=f"pair-{number}", mentor_ids=[f"a{number}"], mentee_ids=[f"b{number}"]
            )
        for day in (*range(80), *range(110, 120)):
            story.tell("sentiment.submitted", f"{day}d", pair_id=f"pair-{day % 20}", participant_id=f"b{day % 20}")
            if day == 79 and gap:
                lost = GapEntry(
                    v=1,
                    source="sentiment/0",
                    first=from_ms(START_MS + 79 * DAY_MS),
                    last=from_ms(START_MS + 110 * DAY_MS),
                )
                story.step(lost)
        story.go("120d")
        return story.told("program.sentiment_slowdown")

    assert told(gap=False)
    assert not told(gap=True)


def test_a_detector_does_not_take_the_time_it_was_switched_off_for_silence() -> None:
    story = Story()
    for number in range(20):
        story.tell("pair.changed", "0d", pair_id=f"pair-{number}", mentor_ids=[f"a{number}"], mentee_ids=[f"b{number}"])
    for day in range(140):
        story.tell("sentiment.submitted", f"{day}d", pair_id=f"pair-{day % 20}", participant_id=f"b{day % 20}")
        if day in (70, 110):
            story.activate(rules("program.sentiment_slowdown", enabled=day == 110))
    assert story.told("program.sentiment_slowdown") == []


def test_a_rule_set_this_code_cannot_obey_is_recorded_and_the_one_in_force_stays() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    broken: dict[str, Any] = {"rules": {"rule.of_tomorrow": {}}}
    story.step(
        RulesetEntry(v=1, ruleset=broken, hash="0" * 32, scope="*", backfill="emit", arrived_at=from_ms(START_MS))
    )
    assert story.engine.state.faults.counts == {"ruleset": 1}
    story.go("10d")
    assert story.told(MISSING) == [(10, "opened", "not_scheduled")]
    assert story.pair().episodes[0].phase is Phase.OPEN
