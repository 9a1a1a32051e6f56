"""Nobody came: who is told, when, and what stops it."""

from typing import Any

import pytest

from tests.streams.timeline import Story

LOW, MISSING, HELP = "rating.low", "first_meeting.missing", "help.requested"
SHIPPED: dict[str, Any] = {"neglect": {}}


def audiences(story: Story, rule: str) -> list[tuple[float, str, str, str]]:
    """Day, change, state and audience of everything a rule said."""
    days = [day for day, _, _ in story.told(rule)]
    records = [record for _, record in story.of(rule)]
    return [(day, each.change, each.state, each.audience) for day, each in zip(days, records, strict=True)]


def act(story: Story, action: str, at: str, rule: str = LOW, **fields: Any) -> None:
    story.tell("action.taken", at, action=action, intervention_id=story.of(rule)[-1][1].intervention_id, **fields)


def test_a_high_one_goes_to_the_backup_after_a_day_then_to_customer_success_then_no_further() -> None:
    story = Story(SHIPPED)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=1)
    story.go("30d")
    assert audiences(story, LOW) == [
        (1, "opened", "open", "coordinator"),
        (2, "escalated", "open", "backup_coordinator"),
        (3, "escalated", "open", "customer_success"),
    ]
    records = [record for _, record in story.of(LOW)]
    assert [record.due_at for record in records] == ["2026-01-07T12:00:00.000Z", "2026-01-08T12:00:00.000Z", None]
    assert {record.severity for record in records} == {"high"}
    assert [record.delivery for record in records] == ["now"] * 3  # a rating of 1
    assert records[1].evidence[-1].text == "not acknowledged within 24 h"


def test_a_warning_waits_three_working_days_in_the_zone_and_breaks_of_the_program() -> None:
    story = Story(SHIPPED)
    story.tell("program.changed", "0d", timezone="Europe/Berlin", breaks=[{"from": "2026-01-12", "to": "2026-01-14"}])
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "3d", rating=2)  # a Thursday at 13:00 in Berlin: Friday, then 15 and 16 January
    story.go("40d")
    assert audiences(story, LOW) == [
        (3, "opened", "open", "coordinator"),
        (11, "escalated", "open", "backup_coordinator"),
        (16, "escalated", "open", "customer_success"),  # Monday, Tuesday, Wednesday
    ]


def test_what_opens_on_a_weekend_waits_from_monday_midnight() -> None:
    story = Story(SHIPPED)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "5d", rating=2)  # a Saturday
    story.go("11d")
    assert audiences(story, LOW)[1:] == [(9.5, "escalated", "open", "backup_coordinator")]


@pytest.mark.parametrize("at", ["1d 1h", "1d 23h"])
def test_who_acknowledges_in_time_is_left_in_peace(at: str) -> None:
    story = Story(SHIPPED)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=1)
    act(story, "ack", at)
    story.go("5d")
    assert [change for _, change, _, _ in audiences(story, LOW)] == ["opened", "acknowledged"]


def test_an_acknowledgement_at_the_very_instant_comes_too_late() -> None:
    story = Story(SHIPPED)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=1)
    act(story, "ack", "2d")
    assert [change for _, change, _, _ in audiences(story, LOW)] == ["opened", "escalated", "acknowledged"]
    assert story.decisions[-1][1].audience == "coordinator"


def test_span_and_level_start_again_when_severity_rises() -> None:
    story = Story(SHIPPED)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "0d", rating=2)
    story.go("4d")
    story.tell("rating.submitted", "4d 12h", rating=1)
    story.go("8d")
    assert audiences(story, LOW) == [
        (0, "opened", "open", "coordinator"),
        (3, "escalated", "open", "backup_coordinator"),
        (4.5, "escalated", "open", "coordinator"),
        (5.5, "escalated", "open", "backup_coordinator"),
        (6.5, "escalated", "open", "customer_success"),
    ]


def test_a_notice_may_wait_for_ever() -> None:
    story = Story(SHIPPED | {"rules": {MISSING: {"overdue_after": "50d"}}})
    story.tell("pair.changed", "0d")
    story.go("20d")
    assert audiences(story, MISSING) == [(10, "opened", "open", "coordinator")]
    assert story.of(MISSING)[0][1].due_at is None


def test_shadow_is_never_neglected() -> None:
    story = Story(SHIPPED | {"rules": {LOW: {"mode": "shadow"}}})
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=1)
    story.go("30d")
    assert [change for _, change, _ in story.told(LOW)] == ["opened"]


def test_a_rule_set_changes_the_spans() -> None:
    story = Story({"neglect": {"high": "2h", "warning_working_days": 1}})
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "1d", rating=1)
    story.go("1d 3h")
    assert audiences(story, LOW)[-1] == (1.083, "escalated", "open", "backup_coordinator")


def test_safety_escalates_without_telling_anybody_else() -> None:
    story = Story(SHIPPED)
    story.tell("program.changed", "0d", safeguarding_contact_id="guard")
    story.tell("help.requested", "1d", participant_id="mentee", topic="safety")
    story.go("3d")
    told = audiences(story, "safety.concern")
    assert [(change, audience) for _, change, _, audience in told] == [
        ("opened", "safeguarding"), ("escalated", "safeguarding"), ("escalated", "safeguarding")
    ]  # fmt: skip
    assert [day for day, *_ in told] == [1, 1.042, 1.083]


def test_an_acknowledgement_without_an_outreach_lapses_a_week_after_the_last_action() -> None:
    story = Story(SHIPPED)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "0d", rating=2)
    act(story, "ack", "1d")
    act(story, "note", "3d")
    story.go("30d")
    assert audiences(story, LOW) == [
        (0, "opened", "open", "coordinator"),
        (1, "acknowledged", "acknowledged", "coordinator"),
        (3, "evidence_added", "acknowledged", "coordinator"),
        (10, "escalated", "open", "coordinator"),
        (15, "escalated", "open", "backup_coordinator"),
        (18, "escalated", "open", "customer_success"),
    ]


def test_an_acknowledgement_stands_once_both_were_reached_out_to() -> None:
    story = Story(SHIPPED)
    story.tell("pair.changed", "0d")
    story.tell("rating.submitted", "0d", rating=2)
    act(story, "ack", "1d")
    act(story, "reached_out", "2d", party="mentee", outcome="no_answer")
    assert story.decisions[-1][1].due_at == "2026-01-14T12:00:00.000Z"  # the mentor still waits
    act(story, "reached_out", "3d", party="mentor", outcome="answered")
    story.go("50d")
    assert [change for _, change, _, _ in audiences(story, LOW)] == [
        "opened", "acknowledged", "evidence_added", "evidence_added"
    ]  # fmt: skip
    last = story.of(LOW)[-1][1]
    assert [(each.code, each.unlocked) for each in last.actions][-1] == ("rematch", True)
    assert last.due_at is None
