"""What waits for the review and is not sent by itself: by the shipped rules little, by the cautious ones more."""

import tomllib
from pathlib import Path

import pytest

from streams.rules import RULES
from tests.streams.timeline import Story

MISSING, UNRESPONSIVE = "first_meeting.missing", "participant.unresponsive"
CAUTIOUS = tomllib.loads((Path(__file__).parents[3] / "deploy" / "rulesets" / "cautious.toml").read_text("utf-8"))


def matched(cautious: bool = True) -> Story:
    story = Story(CAUTIOUS if cautious else None)
    story.tell("pair.changed", "0d")
    return story


def test_only_what_colours_the_picture_is_not_sent_by_the_shipped_rules() -> None:
    """`pair.quiet` while it is info, and repeatedly unanswered surveys: the two that the catalogue names."""
    listed = [(rule.id, rung.name, rung.severity.name) for rule in RULES for rung in rule.rungs if rung.review_list]
    assert listed == [("pair.quiet", None, "INFO"), ("survey.unanswered", "repeated", "INFO")]
    assert {rule.Params().sent_from for rule in RULES} == {"info"}


def test_notices_go_with_the_digest_by_the_shipped_rules() -> None:
    story = matched(cautious=False)
    for person in ("mentor", "mentee"):
        story.tell("activity.signed_in", "9d", participant_id=person)
    story.tell("rating.submitted", "11d", rating=5)
    story.tell("rating.submitted", "12d", rating=2, kind="post_meeting")
    story.tell("rating.submitted", "13d", rating=3)
    story.tell("rating.submitted", "13d 1h", rating=5, participant_id="mentor")
    told = [
        (record.rule.id, record.severity, record.delivery)
        for _, record in story.decisions
        if record.change == "opened" and record.rule.id not in ("positive.kudos", "program.sentiment_started")
    ]
    assert told == [
        (MISSING, "notice", "digest"),
        ("rating.low", "notice", "digest"),
        ("rating.dropped", "notice", "digest"),
        ("rating.divergent", "notice", "digest"),
    ]


def test_a_scheduled_meeting_is_an_attempt_from_the_day_it_is_made_by_the_shipped_rules() -> None:
    story = matched(cautious=False)
    story.tell("meeting.scheduled", "1d", participant_id="mentor", starts_at="10d", duration_minutes=60)
    story.go("16d")
    assert story.told(UNRESPONSIVE) == [(15, "opened", "unresponsive")]


def test_what_goes_at_once_goes_whatever_is_sent_from() -> None:
    story = Story({"rules": {"help.requested": {"sent_from": "critical"}, "rating.low": {"sent_from": "critical"}}})
    story.tell("pair.changed", "0d")
    story.tell("help.requested", "1d", participant_id="mentee")
    story.tell("rating.submitted", "1d", rating=1)
    assert [record.delivery for _, record in story.of("help.requested")] == ["now"]
    assert [record.delivery for _, record in story.of("rating.low")] == ["now"]


def deliveries(story: Story, rule: str) -> list[tuple[float, str, str | None]]:
    told = story.told(rule)
    records = [record for _, record in story.of(rule)]
    return [(day, each.change, each.delivery_reason) for (day, *_), each in zip(told, records, strict=True)]


def test_the_first_stage_waits_for_the_review_and_the_second_is_sent() -> None:
    story = matched()
    story.go("15d")
    assert deliveries(story, MISSING) == [(10, "opened", "review_list"), (14, "escalated", None)]


def test_it_is_not_sent_while_both_partners_are_about() -> None:
    story = matched()
    for person in ("mentor", "mentee"):
        story.tell("activity.signed_in", "9d", participant_id=person)
    story.go("15d")
    assert deliveries(story, MISSING)[-1] == (14, "escalated", "review_list")
    story.go("22d")
    assert deliveries(story, MISSING)[-1] == (21, "escalated", None)


def test_an_appointment_that_passed_without_a_word_is_not_sent_before_the_last_stage() -> None:
    story = matched()
    story.tell("meeting.scheduled", "1d", participant_id="mentor", starts_at="10d", duration_minutes=60)
    story.go("31d")
    reasons = [reason for _, _, reason in deliveries(story, MISSING)]
    assert [reason == "review_list" for reason in reasons[:-1]] == [True] * (len(reasons) - 1)
    assert reasons[-1] != "review_list"


@pytest.mark.parametrize(
    ("what", "day"),
    [(None, 24 + 1 / 24), ("meeting.no_show", 15), ("meeting.cancelled", 15)],
    ids=["stands", "no show", "cancelled"],
)
def test_an_appointment_is_waited_for_while_it_stands(what: str | None, day: float) -> None:
    story = matched()
    story.tell("meeting.scheduled", "1d", participant_id="mentor", starts_at="10d", duration_minutes=60)
    if what is not None:
        story.tell(what, "11d", participant_id="mentor", starts_at="10d")
    story.go("30d")
    assert story.told(UNRESPONSIVE)[0][0] == pytest.approx(day, abs=1e-3)


def test_appointments_made_again_and_again_hide_nobody_for_ever() -> None:
    story = matched()
    for number in range(12):
        start = 1 + 7 * number
        story.tell("meeting.scheduled", f"{start}d", participant_id="mentor", meeting_id=f"m{number}",
                   starts_at=f"{start + 6}d", duration_minutes=60)  # fmt: skip
    story.go("90d")
    assert story.told(UNRESPONSIVE)[0][0] <= 1 + 14 + 14 + 14 + 1


def test_a_low_rating_beside_a_good_match_rating_waits_and_the_next_one_is_sent() -> None:
    story = matched()
    story.tell("rating.submitted", "1d", rating=5)
    story.tell("rating.submitted", "2d", rating=2, kind="post_meeting")
    story.tell("rating.submitted", "3d", rating=2, kind="post_meeting")
    assert deliveries(story, "rating.low") == [(2, "opened", "review_list"), (3, "escalated", None)]
