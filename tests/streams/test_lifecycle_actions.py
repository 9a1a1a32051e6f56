"""What people do about interventions, and what comes of it."""

from typing import Any

import pytest

from streams.rules import RULES_BY_ID
from streams.state.program import ProgramState
from streams.view import View
from tests.streams.timeline import Story

LOW, MISSING, HELP, TROUBLE = "rating.low", "first_meeting.missing", "help.requested", "participant.unresponsive"


def low_story(**rules: Any) -> Story:
    """A pair in which the mentee rated 2 on day 1."""
    story = Story({"rules": rules} if rules else None)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=2)
    return story


def act(story: Story, action: str, at: str, rule: str = LOW, **fields: Any) -> None:
    story.tell("action.taken", at, action=action, intervention_id=story.of(rule)[-1][1].intervention_id, **fields)


def changes(story: Story, rule: str = LOW) -> list[str]:
    return [change for _, change, _ in story.told(rule)]


def ignored(story: Story) -> int:
    return story.engine.state.counts["ignored_actions",]


def program(story: Story) -> ProgramState:
    record = story.engine.state.table.get(b"gprogram")
    assert isinstance(record, ProgramState)
    return record


@pytest.mark.parametrize(
    ("action", "reason"), [("dismiss", "dismissed"), ("false_alarm", "false_alarm"), ("resolve", "coordinator")]
)
def test_closing_actions_say_why_and_who(action: str, reason: str) -> None:
    story = low_story()
    act(story, action, "2d", actor_id="anna")
    record = story.decisions[-1][1]
    assert (record.change, record.state, record.delivery, record.delivery_reason) == (
        "resolved", "resolved", "none", "coordinator_action"
    )  # fmt: skip
    assert record.resolution is not None
    assert (record.resolution.reason, record.resolution.by) == (reason, "anna")
    assert record.evidence[-1].event_id == "event-3"


@pytest.mark.parametrize(
    "action", ["assign", "note", "reached_out", "rematch", "pause", "mark_unavailable", "remove", "close_pair"]
)
def test_measures_are_evidence_and_leave_the_state(action: str) -> None:
    story = low_story()
    act(story, "ack", "2d")
    act(story, action, "3d")
    record = story.decisions[-1][1]
    assert (record.change, record.state, record.sequence) == ("evidence_added", "acknowledged", 2)
    assert (record.delivery, record.delivery_reason) == ("none", "coordinator_action")
    assert not ignored(story)


def test_an_action_on_nothing_or_on_something_closed_is_counted_and_ignored() -> None:
    story = low_story()
    act(story, "resolve", "2d")
    said = len(story.decisions)
    for number, action in enumerate(("ack", "snooze", "dismiss", "assign", "false_alarm")):
        act(story, action, f"{3 + number}d", until="20d")
    story.tell("action.taken", "9d", action="ack")
    story.tell("action.taken", "9d", action="rematch", pair_id="pair")
    story.tell("action.taken", "9d", action="ack", intervention_id="unknown")
    assert len(story.decisions) == said
    assert ignored(story) == 8


def test_a_snooze_without_an_end_to_come_is_ignored() -> None:
    story = low_story()
    act(story, "snooze", "2d")
    act(story, "snooze", "2d", until="2d")
    assert changes(story) == ["opened"]
    assert ignored(story) == 2


def test_another_program_cannot_touch_an_intervention() -> None:
    story = low_story()
    act(story, "resolve", "2d", program_id="elsewhere")
    assert changes(story) == ["opened"]
    assert ignored(story) == 1


def test_a_snoozed_one_keeps_silent_gathers_and_wakes_with_what_it_gathered() -> None:
    story = low_story(**{LOW: {"window": "1d"}})
    act(story, "snooze", "2d", until="20d")
    story.tell("rating.submitted", "5d", rating=2)
    story.tell("rating.submitted", "9d", rating=2)
    story.go("30d")
    assert [(day, change) for day, change, _ in story.told(LOW)] == [(1, "opened"), (2, "snoozed"), (20, "woken")]
    snoozed, woken = (record for _, record in story.of(LOW)[1:])
    assert (snoozed.state, woken.state) == ("snoozed", "open")
    assert (woken.delivery, woken.delivery_reason) == ("digest", None)
    assert {"event-4", "event-5"} <= {each.event_id for each in woken.evidence}
    assert snoozed.expires_at is None
    assert woken.expires_at is not None


def test_a_fact_that_makes_a_snoozed_one_graver_wakes_it_in_one_record() -> None:
    story = low_story()
    act(story, "snooze", "2d", until="40d")
    story.tell("rating.submitted", "5d", rating=1)
    woken = story.decisions[-1][1]
    assert (woken.change, woken.state, woken.severity, woken.delivery) == ("woken", "open", "high", "now")
    assert changes(story) == ["opened", "snoozed", "woken"]
    story.go("41d")
    assert changes(story)[3:] == []  # the end of the snooze is forgotten


def test_a_timer_that_makes_a_snoozed_one_graver_waits_for_the_end_of_the_snooze() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("11d")
    act(story, "snooze", "11d", MISSING, until="25d")
    story.go("26d")
    assert story.told(MISSING) == [
        (10, "opened", "not_scheduled"), (11, "snoozed", "not_scheduled"), (25, "woken", "overdue_long")
    ]  # fmt: skip
    assert story.decisions[-1][1].severity == "high"


def test_closing_conditions_close_a_snoozed_one() -> None:
    story = low_story()
    act(story, "snooze", "2d", until="40d")
    story.tell("rating.submitted", "5d", rating=5)
    story.go("50d")
    assert changes(story) == ["opened", "snoozed", "resolved"]


def test_a_snoozed_one_does_not_expire() -> None:
    story = low_story()
    act(story, "snooze", "2d", until="100d")
    story.go("170d")
    assert [(day, change) for day, change, _ in story.told(LOW)] == [
        (1, "opened"), (2, "snoozed"), (100, "woken"), (160, "expired")
    ]  # fmt: skip


def test_actions_on_a_snoozed_one_are_written_and_ack_ends_the_snooze() -> None:
    story = low_story()
    act(story, "snooze", "2d", until="40d")
    act(story, "note", "3d")
    assert (story.decisions[-1][1].state, story.decisions[-1][1].delivery) == ("snoozed", "none")
    act(story, "ack", "4d")
    assert story.decisions[-1][1].state == "acknowledged"
    story.go("41d")
    assert "woken" not in changes(story)


def test_a_false_alarm_mutes_the_rule_on_the_subject_and_a_rating_of_1_breaks_the_mute() -> None:
    story = low_story()
    act(story, "false_alarm", "2d")
    story.tell("rating.submitted", "30d", rating=2)
    story.go("61d 23h")
    assert changes(story) == ["opened", "resolved"]
    story.go("63d")
    assert [(day, change) for day, change, _ in story.told(LOW)][2:] == [(62, "opened")]
    story = low_story()
    act(story, "false_alarm", "2d")
    story.tell("rating.submitted", "30d", rating=1)
    assert changes(story) == ["opened", "resolved", "opened"]


def test_a_false_alarm_does_not_mute_safety() -> None:
    story = Story()
    story.tell("help.requested", "1d", participant_id="mentee", topic="safety")
    act(story, "false_alarm", "2d", "safety.concern")
    story.tell("help.requested", "3d", participant_id="mentee", topic="safety")
    assert changes(story, "safety.concern") == ["opened", "resolved", "opened"]


def test_a_dismissed_one_opens_again_only_after_it_was_false_and_the_cool_down_has_passed() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.go("11d")
    act(story, "dismiss", "11d", MISSING)
    story.go("100d")
    assert changes(story, MISSING) == ["opened", "resolved"]


def test_an_outreach_joins_what_is_open_about_the_pair_and_its_people() -> None:
    story = low_story()
    story.tell("rating.submitted", "1d", rating=3, participant_id="mentor")
    story.tell("help.requested", "2d", participant_id="mentor", pair_id="pair")
    story.tell("action.taken", "3d", action="reached_out", pair_id="pair", party="mentee", outcome="no_answer")
    assert changes(story) == ["opened", "evidence_added"]
    assert changes(story, HELP) == ["opened"]  # a pair was named, not the mentor
    story.tell("action.taken", "4d", action="reached_out", participant_id="mentor", outcome="no_answer")
    assert changes(story) == ["opened", "evidence_added", "evidence_added"]
    assert changes(story, HELP) == ["opened", "evidence_added"]
    actions = {each.code: each.unlocked for each in story.of(LOW)[-1][1].actions}
    assert actions["rematch"]
    assert not ignored(story)


def test_a_note_about_a_person_joins_what_is_theirs_alone() -> None:
    story = low_story()
    story.tell("rating.submitted", "1d", rating=2, participant_id="mentor")
    story.tell("action.taken", "3d", action="note", participant_id="mentor")
    said = {record.subject.id: record.change for _, record in story.of(LOW)}
    assert said == {"pair/mentee": "escalated", "pair/mentor": "evidence_added"}


def test_an_outreach_about_nobody_known_is_no_error() -> None:
    story = Story()
    story.tell("action.taken", "0d", action="reached_out", pair_id="nowhere", party="mentee")
    story.tell("action.taken", "0d", action="reached_out", party="mentee")
    assert not story.decisions
    assert ignored(story) == 1
    assert not story.engine.state.faults.counts


def test_an_outreach_that_names_only_an_intervention_reaches_its_person() -> None:
    story = low_story()
    act(story, "reached_out", "2d", outcome="answered")
    assert story.person("mentee").reached
    assert story.person("mentor").reached == ()
    assert story.person("mentee").contact_ms == story.decisions[-1][0]
    mentor = story.pair().member("mentor")
    assert mentor is not None
    assert not mentor.reached_ms


def test_answers_are_counted_per_rule_and_day_and_the_latest_one_stands() -> None:
    story = low_story()
    code = RULES_BY_ID[LOW].code
    act(story, "ack", "2d", usefulness="useful")
    assert View(story.engine.state, "program").answered(code, 0) == (1, 0)
    act(story, "note", "3d", usefulness="too_late")
    assert View(story.engine.state, "program").answered(code, 0) == (0, 1)
    act(story, "resolve", "4d")
    act(story, "ack", "5d", usefulness="useful")  # closed: ignored
    assert View(story.engine.state, "program").answered(code, 0) == (0, 1)
    story.tell("rating.submitted", "50d", rating=1)
    act(story, "false_alarm", "51d", usefulness="useful")
    assert View(story.engine.state, "program").answered(code, 0) == (0, 2)
    day = story.decisions[-1][0] // 86_400_000
    assert View(story.engine.state, "program").answered(code, day) == (0, 1)
    assert View(story.engine.state, "program").answered(code, day + 1) == (0, 0)


def test_a_review_is_remembered_with_its_fact() -> None:
    story = low_story()
    story.tell("action.taken", "5d", action="review_done")
    reviewed = program(story).reviewed
    assert reviewed is not None
    assert reviewed.event_id == "event-3"
    assert not ignored(story)


def test_ids_of_open_interventions_are_known_after_a_restart_and_only_those() -> None:
    from tests.streams.logs import stored

    story = low_story()
    story.tell("rating.submitted", "1d", rating=2, participant_id="mentor")
    act(story, "resolve", "2d")
    rows: dict[bytes, bytes] = {}
    stored(story.engine, rows)
    resumed = type(story.engine)()
    resumed.restore(rows.items())
    assert resumed.state.interventions == story.engine.state.interventions
    assert len(resumed.state.interventions) == 1


def test_an_outreach_that_raises_a_rung_is_one_record_with_the_outreach_in_it() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("meeting.scheduled", "1d", participant_id="mentor", starts_at="3d")
    for day in (16, 17, 24):
        story.tell("action.taken", f"{day}d", action="reached_out", participant_id="mentee", outcome="no_answer")
    told = story.told("participant.unresponsive")
    added = [(day, "evidence_added", "unresponsive") for day in (16, 17)]
    assert told == [(15, "opened", "unresponsive"), *added, (24, "escalated", "suggest_unavailable")]
    record = story.of("participant.unresponsive")[-1][1]
    assert record.delivery == "digest"
    assert f"event-{story.number}" in {each.event_id for each in record.evidence}


def test_an_outreach_that_is_answered_closes_with_one_record() -> None:
    story = Story()
    story.tell("pair.changed", "0d")
    story.tell("meeting.scheduled", "1d", participant_id="mentor", starts_at="3d")
    story.tell("action.taken", "16d", action="reached_out", participant_id="mentee", outcome="answered")
    assert [change for _, change, _ in story.told("participant.unresponsive")] == ["opened", "resolved"]


def test_a_call_for_help_inside_a_mute_is_heard_when_the_mute_ends() -> None:
    story = Story()
    story.tell("help.requested", "1d", participant_id="mentee")
    story.tell("action.taken", "2d", action="false_alarm", intervention_id=story.latest("help.requested"))
    story.tell("help.requested", "10d", participant_id="mentee")
    story.go("70d")
    assert story.told("help.requested") == [(1, "opened", None), (2, "resolved", "false_alarm"), (62, "opened", None)]
    record = story.of("help.requested")[-1][1]
    assert (record.delivery, [each.event_id for each in record.evidence]) == ("now", ["event-3"])
