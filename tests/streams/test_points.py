"""Points that every rule obeys, and kinds of programs, where no other test shows them."""

from typing import Any

import pytest

from schemas import outbound
from streams.clock import DAY_MS
from tests.streams.timeline import START_MS, Story

MISSING, LOW, UNRESPONSIVE = "first_meeting.missing", "rating.low", "participant.unresponsive"


def matched(**pair: Any) -> Story:
    story = Story()
    story.tell("pair.changed", "0d", **pair)
    return story


def opened(story: Story, *rules: str) -> list[tuple[str, str]]:
    """Rule and subject of everything that these rules (or any) opened."""
    return [
        (record.rule.id, record.subject.id)
        for _, record in story.decisions
        if record.change == "opened" and (not rules or record.rule.id in rules)
    ]


def test_more_of_the_same_joins_what_is_open_and_opens_nothing() -> None:
    story = matched()
    for day in (1, 70, 80):  # the second comes after the window, so nothing is graver
        story.tell("rating.submitted", f"{day}d", rating=2, kind="custom" if day == 80 else "mqs")
        if day == 1:
            story.go("50d")
    ids = {record.intervention_id for _, record in story.of(LOW)[:1]}
    told = [(record.change, record.sequence) for _, record in story.of(LOW) if record.intervention_id in ids]
    assert told[0] == ("opened", 0)
    assert [sequence for _, sequence in told] == list(range(len(told)))
    assert all(change != "opened" for change, _ in told[1:])


def test_evidence_names_the_facts_it_rests_on() -> None:
    story = matched()
    story.tell("rating.submitted", "1d", rating=2)
    story.tell("rating.submitted", "2d", rating=1)
    assert [each.event_id for each in story.of(LOW)[-1][1].evidence] == ["event-2", "event-3"]


def test_a_subject_first_seen_late_opens_once_at_the_highest_rung_true_then() -> None:
    story = Story()
    story.go("25d")
    story.tell("pair.changed", "0d", arrives="25d")
    assert story.told(MISSING) == [(25, "opened", "overdue_long")]


def test_what_became_true_again_inside_a_cool_down_and_still_is_opens_at_its_end() -> None:
    story = matched()
    for day, rating in ((1, 2), (2, 5), (5, 2)):
        story.tell("rating.submitted", f"{day}d", rating=rating)
    story.go("20d")
    assert story.told(LOW) == [(1, "opened", None), (2, "resolved", "condition_cleared"), (16, "opened", None)]


def test_a_retraction_starts_no_cool_down() -> None:
    story = matched()
    story.tell("rating.submitted", "10d", rating=5)
    story.tell("rating.submitted", "11d", rating=3)
    story.tell("rating.submitted", "10d 1h", arrives="12d", rating=4)
    assert story.told("rating.dropped") == [(11, "opened", None), (12, "retracted", "late_fact")]
    story.tell("rating.submitted", "13d", rating=5)
    story.tell("rating.submitted", "14d", rating=3)
    assert story.told("rating.dropped")[2:] == [(14, "opened", None)]


def test_after_the_end_of_a_program_only_ratings_kudos_help_and_safety_open() -> None:
    story = matched()
    story.tell("program.changed", "0d", ends_at="20d")
    story.tell("activity.message_sent", "19d", participant_id="mentor")
    story.tell("rating.submitted", "21d", rating=2)
    story.tell("rating.submitted", "22d", rating=5, participant_id="mentor")
    story.tell("sentiment.submitted", "22d", polarity="negative", participant_id="mentor")
    for number, day in enumerate((22, 23)):
        story.tell("meeting.cancelled", f"{day}d", participant_id="mentor", meeting_id=f"m{number}", starts_at="25d")
    story.tell("help.requested", "24d", participant_id="mentee", topic="mismatch")
    story.tell("help.requested", "24d", participant_id="mentee", topic="safety")
    story.go("60d")
    late = {
        record.rule.id for at, record in story.decisions if record.change == "opened" and at > START_MS + 20 * DAY_MS
    }
    assert late == {LOW, "rating.divergent", "positive.kudos", "help.requested", "safety.concern"}


def test_who_leaves_takes_absence_and_match_along_while_help_and_ratings_stay() -> None:
    story = matched()
    story.tell("participant.changed", "0d", participant_id="mentee", state="active")
    story.tell("rating.submitted", "1d", rating=2)
    story.tell("activity.message_sent", "2d", participant_id="mentor")
    story.tell("help.requested", "2d", participant_id="mentee", topic="mismatch")
    story.go("15d")
    story.tell("participant.changed", "16d", participant_id="mentee", state="left")
    reasons = {
        record.rule.id: record.resolution.reason
        for _, record in story.decisions
        if record.change == "resolved" and record.resolution is not None and record.resolution.reason != "at_once"
    }
    assert reasons == {MISSING: "subject_changed", "match.in_trouble": "subject_changed"}
    story.tell("pair.changed", "17d", matched_at="0d", state="closed", close_reason="left_program")
    assert story.told(LOW)[-1] == (17, "resolved", "pair_closed")


@pytest.mark.parametrize(
    ("facts", "rule", "label"),
    [
        ([{"type": "activity.message_sent", "at": "1d", "participant_id": "mentor"}], MISSING, "unresponsive"),
        ([], MISSING, "unengaged"),
        (
            [
                {"type": "activity.message_sent", "at": "1d", "participant_id": "mentor"},
                {"type": "rating.submitted", "at": "2d", "rating": 2},
            ],
            LOW,
            "trouble",
        ),
        (
            [
                {"type": "help.requested", "at": "1d", "participant_id": "mentor", "topic": "mismatch"},
                {"type": "rating.submitted", "at": "2d", "rating": 2},
            ],
            LOW,
            "mismatch",
        ),
    ],
)
def test_causes_say_why(facts: list[dict[str, Any]], rule: str, label: str) -> None:
    story = matched()
    story.tell_all(facts)
    story.go("11d")
    record = next(record for _, record in story.of(rule))
    assert record.cause is not None
    assert record.cause.label == label


@pytest.mark.parametrize(
    ("reason", "label"), [("no_time", "no_time"), ("mismatch", "mismatch"), ("left_program", "left")]
)
def test_a_close_reason_is_the_cause_of_what_the_end_of_a_pair_resolves(reason: str, label: str) -> None:
    story = matched()
    story.tell("rating.submitted", "2d", rating=2)
    story.tell("pair.changed", "3d", matched_at="0d", state="closed", close_reason=reason)
    record = story.of(LOW)[-1][1]
    assert record.cause is not None
    assert (record.resolution and record.resolution.reason, record.cause.label) == ("pair_closed", label)


def codes(record: outbound.Intervention) -> list[tuple[str, str | None, bool, bool]]:
    return [(each.code, each.party, each.needs_approval, each.unlocked) for each in record.actions]


def test_first_steps_are_the_rater_then_the_partner_and_a_rematch_once_both_were_reached() -> None:
    story = matched()
    story.tell("rating.submitted", "1d", rating=2)
    steps = [("reach_out", "mentee", False, True), ("reach_out", "mentor", False, True)]
    assert codes(story.of(LOW)[-1][1]) == [*steps, ("rematch", None, True, False)]
    for party in ("mentee", "mentor"):
        story.tell("action.taken", "2d", action="reached_out", pair_id="pair", party=party, outcome="answered")
    assert codes(story.of(LOW)[-1][1])[-1] == ("rematch", None, True, True)


def test_the_partner_is_left_out_when_the_matter_is_safety() -> None:
    story = matched()
    story.tell("help.requested", "1d", participant_id="mentee", topic="safety")
    story.tell("rating.submitted", "2d", rating=2)
    assert codes(story.of(LOW)[-1][1]) == [("reach_out", "mentee", False, True), ("rematch", None, True, False)]


def test_an_always_on_program_has_no_end_and_no_break() -> None:
    story = matched()
    story.tell("program.changed", "0d", kind="always_on")
    story.go("10d")
    assert opened(story) == [(MISSING, "pair")]


def test_a_cohort_waits_for_its_start_and_stands_still_in_a_break() -> None:
    story = Story()
    story.tell("program.changed", "0d", starts_at="5d", breaks=[{"from": "2026-01-14", "to": "2026-01-18"}])
    story.tell("pair.changed", "0d")
    story.go("40d")
    assert story.told(MISSING)[0] == (20, "opened", "not_scheduled")  # 5 d to the start, 5 d of break, 10 d


def test_a_run_that_carries_people_over_asks_who_stays_and_the_next_run_begins_anew() -> None:
    story = matched()
    run = {"kind": "on_off", "carry_over": True}
    story.tell("program.changed", "0d", **run, starts_at="0d", ends_at="60d", next_starts_at="90d")
    story.tell("rating.submitted", "1d", rating=4)
    story.go("35d")
    assert ("relaunch.opt_out_open", "program") in opened(story)
    story.tell("program.changed", "85d", **run, starts_at="90d", ends_at="150d")
    story.tell("rating.submitted", "91d", rating=4, participant_id="mentor")
    assert opened(story, "program.sentiment_started") == [("program.sentiment_started", "program")] * 2


def test_a_pause_ends_by_the_clock_alone() -> None:
    story = matched()
    story.tell("participant.changed", "2d", participant_id="mentee", state="paused", paused_until="9d")
    story.go("40d")
    assert story.told(MISSING)[0] == (17, "opened", "not_scheduled")


def test_a_reopened_pair_counts_from_its_reopening_unless_it_ever_met() -> None:
    for met in (False, True):
        story = matched()
        if met:
            story.tell("meeting.held", "1d", starts_at="1d")
        story.tell("pair.changed", "3d", matched_at="0d", state="closed")
        story.tell("pair.changed", "20d", matched_at="0d")
        story.go("31d")
        assert story.told(MISSING) == ([] if met else [(30, "opened", "not_scheduled")])


def test_a_group_raises_no_absence_and_hears_ratings() -> None:
    story = matched(kind="group", mentee_ids=["mentee", "other"])
    story.tell("rating.submitted", "1d", rating=2)
    story.go("90d")
    assert {rule for rule, _ in opened(story)} == {LOW, "program.sentiment_started", "review.due"}


def test_a_person_with_several_pairs_is_told_of_once_and_each_pair_by_itself() -> None:
    story = matched()
    story.tell("pair.changed", "0d", pair_id="second", mentee_ids=["other"])
    for pair in ("pair", "second"):
        member = "mentee" if pair == "pair" else "other"
        story.tell("activity.message_sent", "1d", participant_id=member, pair_id=pair)
    story.go("16d")
    assert opened(story, UNRESPONSIVE) == [(UNRESPONSIVE, "mentor")]
    assert opened(story, MISSING) == [(MISSING, "pair"), (MISSING, "second")]


def test_the_removal_of_somebody_closes_what_is_theirs_and_names_who_is_left_behind() -> None:
    story = matched()
    for person, role in (("mentor", "mentor"), ("mentee", "mentee")):
        story.tell("participant.changed", "0d", participant_id=person, roles=[role])
    story.go("11d")
    story.tell("participant.changed", "12d", participant_id="mentor", roles=["mentor"], state="removed")
    assert story.told(MISSING)[-1] == (12, "resolved", "subject_changed")
    assert opened(story, "partner.needs_rematch") == [("partner.needs_rematch", "mentee")]


def test_an_erasure_closes_what_is_open_about_the_person() -> None:
    story = matched()
    story.tell("rating.submitted", "1d", rating=2)
    story.engine.erase("program", "mentee", START_MS + 2 * DAY_MS)
    story.decisions += story.engine.decisions()
    assert story.told(LOW)[-1] == (2, "resolved", "erased")


def test_nobody_is_missed_in_a_pair_after_the_other_was_erased() -> None:
    story = matched()
    story.go("11d")
    story.engine.erase("program", "mentee", START_MS + 12 * DAY_MS)
    story.decisions += story.engine.decisions()
    story.go("60d")
    assert story.told(MISSING)[-1] == (12, "resolved", "subject_changed")
    assert opened(story, "pair.quiet") == []
